//! What `GET /v1/status` tells.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use crate::front::Front;
use crate::listener::endpoint::Endpoint;
use crate::service::Service;

/// The daemon.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Its services, by name.
    pub services: Vec<ServiceStatus>,
}

/// A service.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Where it listens now.
    pub listen: Vec<String>,
    /// Sessions now.
    pub sessions: u32,
    /// Sessions at a time at the most; none is no limit.
    pub max_sessions: Option<u32>,
    /// Programs started since the daemon began.
    pub started: u64,
    /// Connections refused.
    pub refused: u64,
    /// How many of them for which reason.
    pub refused_for: BTreeMap<String, u64>,
    /// Programs that could not be started.
    pub failed: u64,
    /// Programs that started and found no room on their desktop (Windows).
    pub desktop_heap: u64,
}

/// Describes the daemon.
pub fn status(front: &Front, services: &[(Arc<Service>, Vec<Endpoint>)]) -> Status {
    let refused_for = |service: &Service| -> BTreeMap<_, _> {
        let counted = service.counters.refusals().filter(|(_, count)| *count > 0);
        counted.map(|(refusal, count)| (refusal.to_string(), count)).collect()
    };
    let services = services.iter().map(|(service, endpoints)| ServiceStatus {
        name: service.name.to_string(),
        listen: endpoints.iter().map(ToString::to_string).collect(),
        sessions: front.admission.in_use(service.id),
        max_sessions: service.setup().config.max_sessions,
        started: service.counters.started.load(Ordering::Relaxed),
        refused: service.counters.refusals().map(|(_, count)| count).sum(),
        refused_for: refused_for(service),
        failed: service.counters.failed.load(Ordering::Relaxed),
        desktop_heap: service.counters.desktop_heap.load(Ordering::Relaxed),
    });
    Status {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        services: services.collect(),
    }
}
