//! The other side of the control endpoint.

use std::io;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::Size;
use super::route::encode;
use super::status::{ServiceStatus, SessionStatus, Sessions, Status};
use crate::session::SessionId;
use crate::sys::control::{ClientStream, DaemonProcess, connect};
use crate::sys::service;

/// How long a daemon may take to answer. A reload of many services binds many sockets.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER_SIZE: usize = 64 << 20;
/// Pause before it is looked again whether somebody serves an endpoint.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const STOP: &str = "/v1/stop";

/// Why a daemon did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody serves the endpoint.
    #[error("no inetd is running with the control endpoint {0}")]
    NoDaemon(String),
    /// Only others may use the endpoint.
    #[error("you may not use the control endpoint {0}: {rights}", rights = service::RIGHTS)]
    NotPermitted(String),
    /// The endpoint cannot be used.
    #[error("cannot talk to the control endpoint {endpoint}: {error}")]
    Connect {
        /// The endpoint.
        endpoint: String,
        /// Why.
        error: io::Error,
    },
    /// The daemon did not do it, and says why to people.
    #[error("{0}")]
    Refused(String),
    /// It is ending, but nobody knows when it has ended.
    #[error("the daemon is stopping, but its end cannot be waited for: {0}")]
    Wait(io::Error),
    /// What it is about does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The daemon did not answer as it should.
    #[error("the daemon at {0} gave no proper answer: {1}")]
    Protocol(String, String),
}

/// Asks for the state of the daemon.
pub async fn status(endpoint: &str) -> Result<Status, ClientError> {
    call(endpoint, Method::GET, "/v1/status").await
}

/// Asks for the sessions.
pub async fn sessions(endpoint: &str) -> Result<Sessions, ClientError> {
    call(endpoint, Method::GET, "/v1/sessions").await
}

/// Makes the daemon read its configuration again.
pub async fn reload(endpoint: &str) -> Result<(), ClientError> {
    call(endpoint, Method::POST, "/v1/reload").await.map(|IgnoredAny| ())
}

/// Makes the daemon end, and end at once if it is ending already or is to do so `now`.
pub async fn stop(endpoint: &str, now: bool) -> Result<Ending<'_>, ClientError> {
    let stream = reach(endpoint).await?;
    let process = DaemonProcess::of(&stream).ok();
    in_time(endpoint, exchange(endpoint, stream, Method::POST, STOP, Bytes::new())).await?;
    if now {
        match call::<IgnoredAny>(endpoint, Method::POST, STOP).await {
            // It was faster.
            Ok(_) | Err(ClientError::NoDaemon(_) | ClientError::Protocol(..)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Ending { endpoint, process })
}

/// A daemon that was asked to end.
#[derive(Debug)]
pub struct Ending<'a> {
    endpoint: &'a str,
    process: Option<DaemonProcess>,
}

impl Ending<'_> {
    /// Waits for the end, that long at the most. Whether it has come. Blocks the thread.
    pub async fn comes_within(&self, time: Duration) -> Result<bool, ClientError> {
        if let Some(process) = &self.process {
            return process.ends_within(time).map_err(ClientError::Wait);
        }
        // Its process cannot be seen from here. It gives the endpoint up when it ends.
        let until = Instant::now() + time;
        loop {
            if let Err(ClientError::NoDaemon(_)) = reach(self.endpoint).await {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Makes a service drain. Gives what is left of it.
pub async fn drain(endpoint: &str, service: &str) -> Result<ServiceStatus, ClientError> {
    call(endpoint, Method::POST, &format!("/v1/services/{}/drain", encode(service))).await
}

/// Brings a service back.
pub async fn resume(endpoint: &str, service: &str) -> Result<ServiceStatus, ClientError> {
    call(endpoint, Method::POST, &format!("/v1/services/{}/resume", encode(service))).await
}

/// Makes a session end, and end at once if it is ending already.
pub async fn kill(endpoint: &str, session: SessionId) -> Result<SessionStatus, ClientError> {
    call(endpoint, Method::DELETE, &format!("/v1/sessions/{session}")).await
}

/// Gives the terminal of a session another size.
pub async fn resize(
    endpoint: &str,
    session: SessionId,
    size: Size,
) -> Result<SessionStatus, ClientError> {
    // Two numbers: they always serialise.
    let body = serde_json::to_vec(&size).unwrap_or_default().into();
    call_with(endpoint, Method::POST, &format!("/v1/sessions/{session}/resize"), body).await
}

async fn call<T: DeserializeOwned>(
    endpoint: &str,
    method: Method,
    path: &str,
) -> Result<T, ClientError> {
    call_with(endpoint, method, path, Bytes::new()).await
}

async fn call_with<T: DeserializeOwned>(
    endpoint: &str,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<T, ClientError> {
    let exchange = async { exchange(endpoint, reach(endpoint).await?, method, path, body).await };
    let answer = in_time(endpoint, exchange).await?;
    serde_json::from_slice(&answer).map_err(|error| protocol(endpoint, error))
}

async fn in_time<T>(
    endpoint: &str,
    exchange: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let result = tokio::time::timeout(TIMEOUT, exchange).await;
    result.unwrap_or_else(|_| Err(protocol(endpoint, "it took too long")))
}

async fn reach(endpoint: &str) -> Result<ClientStream, ClientError> {
    connect(endpoint).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ClientError::NoDaemon(endpoint.to_owned())
        }
        io::ErrorKind::PermissionDenied => ClientError::NotPermitted(endpoint.to_owned()),
        _ => ClientError::Connect { endpoint: endpoint.to_owned(), error },
    })
}

async fn exchange(
    endpoint: &str,
    stream: ClientStream,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Bytes, ClientError> {
    let broken = |error: hyper::Error| protocol(endpoint, error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "inetd")
        .body(Full::new(body))
        .map_err(|error| protocol(endpoint, error))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_SIZE).collect().await;
        Ok((status, body.map_err(|error| protocol(endpoint, error))?.to_bytes()))
    };
    tokio::pin!(connection);
    let (status, body) = tokio::select! {
        biased;
        result = exchange => result?,
        Err(error) = &mut connection => return Err(broken(error)),
    };
    if status == StatusCode::OK {
        return Ok(body);
    }
    let error: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let error = error.get("error").and_then(|error| error.as_str());
    let error = error.unwrap_or("the daemon refused without a reason").to_owned();
    Err(if status == StatusCode::NOT_FOUND {
        ClientError::NotFound(error)
    } else {
        ClientError::Refused(error)
    })
}

fn protocol(endpoint: &str, error: impl std::fmt::Display) -> ClientError {
    ClientError::Protocol(endpoint.to_owned(), error.to_string())
}
