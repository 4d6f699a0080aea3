//! The other side of the control endpoint.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::route::encode;
use super::status::{ServiceStatus, SessionStatus, Sessions, Status};
use crate::session::SessionId;
use crate::sys::control::connect;

/// How long a daemon may take to answer. A reload of many services binds many sockets.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER_SIZE: usize = 64 << 20;

/// Why a daemon did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody serves the endpoint.
    #[error("no inetd is running with the control endpoint {0}")]
    NoDaemon(String),
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

/// Makes the daemon end, and end at once if it is ending already.
pub async fn stop(endpoint: &str) -> Result<(), ClientError> {
    call(endpoint, Method::POST, "/v1/stop").await.map(|IgnoredAny| ())
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

async fn call<T: DeserializeOwned>(
    endpoint: &str,
    method: Method,
    path: &str,
) -> Result<T, ClientError> {
    let exchange = exchange(endpoint, method, path);
    let answer = match tokio::time::timeout(TIMEOUT, exchange).await {
        Ok(result) => result?,
        Err(_) => return Err(protocol(endpoint, "it took too long")),
    };
    serde_json::from_slice(&answer).map_err(|error| protocol(endpoint, error))
}

async fn exchange(endpoint: &str, method: Method, path: &str) -> Result<Bytes, ClientError> {
    let stream = connect(endpoint).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ClientError::NoDaemon(endpoint.to_owned())
        }
        _ => ClientError::Connect { endpoint: endpoint.to_owned(), error },
    })?;
    let broken = |error: hyper::Error| protocol(endpoint, error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "inetd")
        .body(Empty::<Bytes>::new())
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
