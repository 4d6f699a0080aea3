//! `inetd access`: whether an address may use a service, and which rule decides.

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;

use super::{FAILED, check, control, fail, output, table};
use crate::admission::names::{self, Name};
use crate::admission::rules::{Block, Decision, Effect, PeerName};
use crate::config::keys::Key;
use crate::config::suggest::did_you_mean;
use crate::config::{self, Config, Purpose, ServiceConfig};
use crate::control::client;
use crate::sys::clock;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn access(matches: &ArgMatches) -> ExitCode {
    let (path, format) = check::file(matches);
    let config = match check::told(config::load(&path, format, Purpose::Check)) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let (Some(name), Some(address)) =
        (matches.get_one::<String>("service"), matches.get_one::<IpAddr>("address"))
    else {
        return fail(FAILED, "a service and an address are needed");
    };
    let Some(service) = config.service(name) else {
        let names = config.services.iter().map(|service| &*service.name);
        let hint = did_you_mean(name, names).map(|hint| format!(": {hint}"));
        let hint = hint.unwrap_or_else(|| format!(" in {}", path.display()));
        return fail(FAILED, format_args!("there is no service `{name}`{hint}"));
    };
    let address = address.to_canonical();
    let (effect, why) = match caught(matches, &config, address) {
        Some(why) => (Effect::Deny, why),
        None => explain(&config, service, address),
    };
    match effect {
        Effect::Allow => output::out(&format!("let in: {why}\n{}", limits(service, address))),
        Effect::Deny => {
            output::out(&format!("refused: {why}\n"));
            ExitCode::from(FAILED)
        }
    }
}

/// Whether the daemon, if it runs, refuses a peer because it has touched a sensor.
fn caught(matches: &ArgMatches, config: &Config, address: IpAddr) -> Option<String> {
    if config.services.iter().all(|service| service.gate.sensor.is_none()) {
        return None;
    }
    let endpoint = control::endpoint(matches.get_one("control"), || config.daemon.control.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let asked = async { tokio::time::timeout(PATIENCE, client::status(&endpoint)).await };
    let status = runtime.block_on(asked).ok()?.ok()?;
    let found = status.caught.iter().find(|caught| caught.is_about(address))?;
    let left = table::time(found.seconds);
    Some(format!("{} has touched a sensor, for another {left}", found.source))
}

/// Why the service is closed, if it is now.
fn closed(config: &Config, service: &ServiceConfig) -> Option<String> {
    let schedule = service.gate.schedule.as_ref()?;
    let closed = !schedule.is_open(clock::minute_of_week());
    closed.then(|| {
        let place = config.place(service.position(Key::AccessTimes));
        format!("it is not the time: {schedule} ({place})")
    })
}

/// What else the daemon looks at, which depends on what it is doing.
fn limits(service: &ServiceConfig, address: IpAddr) -> String {
    let gate = &service.gate;
    let source = Block::around(address, gate.source_prefix.bits(address))
        .map_or_else(|_| address.to_string(), |block| block.to_string());
    let mut lines = String::new();
    if let Some(schedule) = &gate.schedule {
        lines += &format!("  at these times: {schedule}\n");
    }
    let mut add = |what: String| lines += &format!("  as long as there are no more than {what}\n");
    if let Some(most) = service.max_sessions {
        add(format!("{most} sessions"));
    }
    if let Some(most) = gate.max_per_source {
        add(format!("{most} sessions of {source}"));
    }
    if let Some(rate) = gate.rate {
        add(format!("{rate} connections"));
    }
    if let Some(rate) = gate.rate_per_source {
        add(format!("{rate} connections of {source}"));
    }
    if let Some(load) = gate.max_load {
        lines += &format!("  as long as the load average is below {load}\n");
    }
    lines
}

/// What happens to a peer with this address, and why, by the configuration alone.
fn explain(config: &Config, service: &ServiceConfig, address: IpAddr) -> (Effect, String) {
    let (effect, why) = by_rules(config, service, address);
    match effect {
        Effect::Allow => {
            let closed = closed(config, service).or_else(|| sensor(config, service));
            closed.map_or((Effect::Allow, why), |why| (Effect::Deny, why))
        }
        Effect::Deny => (effect, why),
    }
}

/// Why nobody comes in, if the service is a sensor.
fn sensor(config: &Config, service: &ServiceConfig) -> Option<String> {
    let time = table::time(service.gate.sensor?.as_secs());
    let place = config.place(service.position(Key::Sensor));
    Some(format!("a sensor, and then everywhere for {time} ({place})"))
}

/// What `allow` and `deny` say.
fn by_rules(config: &Config, service: &ServiceConfig, address: IpAddr) -> (Effect, String) {
    let Some(rules) = &service.gate.rules else {
        return (Effect::Allow, format!("`{}` has no rules about addresses", service.name));
    };
    let mut decision = rules.decide(address, PeerName::NotAsked);
    let asked = matches!(decision, Decision::AskName);
    let name = if asked { names::confirmed(address) } else { Name::Unknown };
    if asked {
        decision = rules.decide(address, name.as_peer());
    }
    let peer = match name.known() {
        Some(name) => format!("{name} ({address})"),
        None => address.to_string(),
    };
    let why = match decision {
        Decision::Rule(rule) if asked => {
            format!("{peer}: {} {} ({})", rule.effect, rule.pattern, config.place(rule.at))
        }
        Decision::Rule(rule) => {
            format!("{} {} ({})", rule.effect, rule.pattern, config.place(rule.at))
        }
        Decision::Nameless(rule) => format!(
            "{address} has no name that leads back to it, so it could be of {} ({})",
            rule.pattern,
            config.place(rule.at)
        ),
        Decision::Otherwise(Effect::Deny) | Decision::AskName => {
            let place = config.place(service.position(Key::Allow));
            format!("no rule is about {peer}, and there is an `allow` ({place})")
        }
        Decision::Otherwise(Effect::Allow) => {
            let place = config.place(service.position(Key::Deny));
            format!("no rule is about {peer}, and there is only a `deny` ({place})")
        }
    };
    (decision.effect().unwrap_or(Effect::Deny), why)
}
