//! The daemon's side of the control endpoint.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::route::{NoAction, Wanted, route};
use super::{Action, Command, Reply, Size};
use crate::sys::control::ControlListener;

/// Clients at a time. More wait in the backlog.
const CLIENTS: usize = 32;
/// Time for the head of a request, the first and every further one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// After this time a connection ends with the request that it is at, and after twice the time in
/// any case: one who does not read his answers, or asks on and on, makes room for others.
const CLIENT_TIME: Duration = Duration::from_secs(60);
/// Time for clients to take their answers when the daemon ends.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// Bytes of the head of a request.
const HEAD_SIZE: usize = 16 * 1024;
/// Bytes of the body of a request.
const BODY_SIZE: usize = 1024;

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

/// Serves one client, until it goes or has had its time; what it asks for goes to `commands`.
pub async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, commands: mpsc::Sender<Command>) {
    let answer = |request| answer(request, commands.clone());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_SIZE)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    tokio::pin!(connection);
    // An error is the client's: it went away, does not speak HTTP, or has had its time.
    if tokio::time::timeout(CLIENT_TIME, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        drop(tokio::time::timeout(CLIENT_TIME, connection).await);
    }
}

async fn answer(
    request: Request<Incoming>,
    commands: mpsc::Sender<Command>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // What is sent along would be ignored, and whoever sent it would not know.
    if request.uri().query().is_some() {
        return Ok(failed(StatusCode::BAD_REQUEST, "there is no route with a query"));
    }
    let wanted = match route(request.method(), request.uri().path()) {
        Ok(wanted) => wanted,
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
    let action = match wanted {
        Wanted::Action(action) if request.body().is_end_stream() => action,
        Wanted::Action(_) => {
            return Ok(failed(StatusCode::BAD_REQUEST, "this route takes no body"));
        }
        Wanted::Resize(id) => match size(request.into_body()).await {
            Ok(size) => Action::Resize(id, size),
            Err(error) => {
                let error =
                    format!("the body has to be like {{\"columns\": 80, \"rows\": 24}}: {error}");
                return Ok(failed(StatusCode::BAD_REQUEST, &error));
            }
        },
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

/// The size of a terminal in the body of a request.
async fn size(body: Incoming) -> Result<Size, Box<dyn Error + Send + Sync>> {
    if body.size_hint().lower() > BODY_SIZE as u64 {
        return Err("it is too long".into());
    }
    let body = Limited::new(body, BODY_SIZE).collect().await?;
    Ok(serde_json::from_slice(&body.to_bytes())?)
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// The other end of a connection that is served; every action fails with this text.
    fn served(room: usize, failure: &'static str) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = duplex(room);
        let (sender, mut commands) = mpsc::channel::<Command>(1);
        tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                let text = format!("{:?} {failure}", command.action);
                command.reply.send(Reply::Failed(text)).unwrap();
            }
        });
        (client, tokio::spawn(serve(server, sender)))
    }

    fn run(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap().block_on(test);
    }

    /// Sends `request` and gives everything until the server closes.
    async fn ask(request: &str) -> String {
        let (mut client, _) = served(1 << 16, "");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[test]
    fn a_request_is_answered_or_refused() {
        run(async {
            let close = "Host: x\r\nConnection: close\r\n\r\n";
            for (request, status, rest) in [
                ("GET /v1/status HTTP/1.1", "422", "\r\n\r\n{\"error\":\"Status \"}\n"),
                ("POST /v1/services/a%2Fb/drain HTTP/1.1", "422", "Drain(\\\"a/b\\\")"),
                ("DELETE /v1/sessions/7 HTTP/1.0", "422", "Kill(7)"),
                ("GET /v1/nothing HTTP/1.1", "404", "there is no such route"),
                ("GET /v1/stop HTTP/1.1", "405", "allow: POST\r\n"),
                ("POST /v1/status HTTP/1.1", "405", "allow: GET, HEAD\r\n"),
                ("POST /v1/stop?now HTTP/1.1", "400", "query"),
                ("POST /v1/stop HTTP/1.1\r\nContent-Length: 1000000000", "400", "body"),
                ("POST /v1/stop HTTP/1.1\r\nTransfer-Encoding: chunked", "400", "body"),
                ("POST /v1/sessions/7/resize HTTP/1.1", "400", "columns"),
                (
                    "POST /v1/sessions/7/resize HTTP/1.1\r\nContent-Length: 2000000",
                    "400",
                    "too long",
                ),
                ("what is this", "400", ""),
            ] {
                let answer = ask(&format!("{request}\r\n{close}")).await;
                let (first, _) = answer.split_once("\r\n").unwrap();
                assert_eq!(first.split(' ').nth(1), Some(status), "{request}: {answer}");
                assert!(answer.contains(rest), "{request}: {answer}");
            }
            let answer = ask(&format!("HEAD /v1/status HTTP/1.1\r\n{close}")).await;
            assert!(answer.contains("content-length: 20\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        });
    }

    #[test]
    fn a_head_is_bounded_in_size_and_time() {
        run(async {
            let endless = format!("GET /v1/status HTTP/1.1\r\nX: {}", "x".repeat(HEAD_SIZE * 2));
            assert!(ask(&endless).await.starts_with("HTTP/1.1 431"));
            // The clock is the runtime's: it goes on by itself when everybody waits.
            assert_eq!(ask("GET /v1/sta").await, "");
            assert_eq!(ask("").await, "");
            let idle = ask("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n").await;
            assert!(idle.starts_with("HTTP/1.1 422"), "{idle}");
        });
    }

    #[test]
    fn a_client_that_does_not_read_makes_room() {
        run(async {
            let (mut client, server) = served(64, "a long text that does not fit into the pipe");
            client.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            server.await.unwrap();
        });
    }

    #[test]
    fn a_client_that_asks_on_and_on_makes_room() {
        run(async {
            let (mut client, server) = served(1 << 16, "");
            let mut answers = 0;
            while client.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n").await.is_ok() {
                if client.read(&mut [0; 4096]).await.unwrap() == 0 {
                    break;
                }
                answers += 1;
                tokio::time::sleep(HEAD_TIMEOUT / 2).await;
            }
            server.await.unwrap();
            assert!((10..20).contains(&answers), "{answers}");
        });
    }

    #[test]
    fn when_the_daemon_ends_a_client_is_told() {
        run(async {
            let (mut client, server) = duplex(1 << 16);
            let (sender, commands) = mpsc::channel(1);
            drop(commands);
            tokio::spawn(serve(server, sender));
            client.write_all(b"POST /v1/reload HTTP/1.0\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.0 503"), "{answer}");
        });
    }
}
