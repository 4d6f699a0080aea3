//! The daemon's side of the control endpoint.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::route::{NoAction, route};
use super::{Command, Reply};
use crate::sys::control::{ControlListener, ServerStream};

/// Clients at a time. More wait in the backlog.
const CLIENTS: usize = 32;
/// Time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for clients to take their answers when the daemon ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// Bytes of the head of a request.
const HEAD_SIZE: usize = 16 * 1024;

/// A bound control endpoint.
#[derive(Debug)]
pub struct Server {
    listener: ControlListener,
    clients: Arc<Semaphore>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    accepting: JoinHandle<()>,
    clients: Arc<Semaphore>,
}

impl Server {
    /// Binds the endpoint `name`. It is also what makes sure that only one daemon runs.
    ///
    /// # Errors
    /// `AddrInUse` if another daemon has it.
    pub fn bind(name: &str) -> io::Result<Self> {
        let listener = ControlListener::bind(name)?;
        Ok(Self { listener, clients: Arc::new(Semaphore::new(CLIENTS)) })
    }

    /// Serves clients; what they ask for goes to `commands`.
    pub fn start(self, commands: mpsc::Sender<Command>) -> Running {
        let clients = Arc::clone(&self.clients);
        Running { accepting: tokio::spawn(self.accept(commands)), clients }
    }

    async fn accept(mut self, commands: mpsc::Sender<Command>) {
        loop {
            // Never closed, so never an error.
            let Ok(permit) = Arc::clone(&self.clients).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok(stream) => {
                    let commands = commands.clone();
                    tokio::spawn(async move {
                        serve(stream, commands).await;
                        drop(permit);
                    });
                }
                // Out of descriptors, or a client that has gone: wait and go on.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

impl Running {
    /// Ends it: no new clients, and those that are there get their answers.
    pub async fn end(self) {
        self.accepting.abort();
        // An error only means that the task was ended in the middle, which was the intention.
        self.accepting.await.ok();
        let all = u32::try_from(CLIENTS).unwrap_or(u32::MAX);
        tokio::time::timeout(LAST_ANSWERS, self.clients.acquire_many(all)).await.ok();
    }
}

async fn serve(stream: ServerStream, commands: mpsc::Sender<Command>) {
    let answer = |request| answer(request, commands.clone());
    // An error is the client's: it went away or does not speak HTTP.
    drop(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_SIZE)
            .serve_connection(TokioIo::new(stream), service_fn(answer))
            .await,
    );
}

async fn answer(
    request: Request<Incoming>,
    commands: mpsc::Sender<Command>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if !request.body().is_end_stream() {
        return Ok(failed(StatusCode::BAD_REQUEST, "this route takes no body"));
    }
    let action = match route(request.method(), request.uri().path()) {
        Ok(action) => action,
        Err(NoAction::NoRoute) => {
            return Ok(failed(StatusCode::NOT_FOUND, "there is no such route"));
        }
        Err(NoAction::Methods(methods)) => {
            let error = format!("this route has the methods {methods}");
            let mut response = failed(StatusCode::METHOD_NOT_ALLOWED, &error);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
            return Ok(response);
        }
    };
    let (reply, answer) = oneshot::channel();
    let asked = commands.send(Command { action, reply }).await;
    let answer = match asked {
        Ok(()) => answer.await.ok(),
        Err(_) => None,
    };
    Ok(match answer {
        Some(Reply::Done) => json(StatusCode::OK, &serde_json::json!({ "done": true })),
        Some(Reply::Status(status)) => json(StatusCode::OK, &status),
        Some(Reply::Sessions(sessions)) => json(StatusCode::OK, &sessions),
        Some(Reply::Service(service)) => json(StatusCode::OK, &service),
        Some(Reply::Session(session)) => json(StatusCode::OK, &session),
        Some(Reply::NotFound(error)) => failed(StatusCode::NOT_FOUND, &error),
        Some(Reply::Failed(error)) => failed(StatusCode::UNPROCESSABLE_ENTITY, &error),
        None => failed(StatusCode::SERVICE_UNAVAILABLE, "the daemon is ending"),
    })
}

fn failed(status: StatusCode, error: &str) -> Response<Full<Bytes>> {
    json(status, &serde_json::json!({ "error": error }))
}

fn json(status: StatusCode, body: &impl serde::Serialize) -> Response<Full<Bytes>> {
    // Plain structures with string keys: they always serialise.
    let mut body = serde_json::to_vec(body).unwrap_or_default();
    body.push(b'\n');
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
