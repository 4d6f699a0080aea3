//! The other side of the control endpoint.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;

use super::status::Status;
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
    /// The daemon answered with an error, for people.
    #[error("{0}")]
    Refused(String),
    /// The daemon did not answer as it should.
    #[error("the daemon at {0} gave no proper answer: {1}")]
    Protocol(String, String),
}

/// Asks for the state of the daemon.
pub async fn status(endpoint: &str) -> Result<Status, ClientError> {
    let answer = call(endpoint, Method::GET, "/v1/status").await?;
    serde_json::from_slice(&answer).map_err(|error| protocol(endpoint, error))
}

/// Makes the daemon read its configuration again.
pub async fn reload(endpoint: &str) -> Result<(), ClientError> {
    call(endpoint, Method::POST, "/v1/reload").await.map(drop)
}

/// Makes the daemon end.
pub async fn stop(endpoint: &str) -> Result<(), ClientError> {
    call(endpoint, Method::POST, "/v1/stop").await.map(drop)
}

async fn call(endpoint: &str, method: Method, path: &str) -> Result<Bytes, ClientError> {
    let exchange = exchange(endpoint, method, path);
    match tokio::time::timeout(TIMEOUT, exchange).await {
        Ok(result) => result,
        Err(_) => Err(protocol(endpoint, "it took too long")),
    }
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
    Err(ClientError::Refused(error.unwrap_or("the daemon refused without a reason").to_owned()))
}

fn protocol(endpoint: &str, error: impl std::fmt::Display) -> ClientError {
    ClientError::Protocol(endpoint.to_owned(), error.to_string())
}
