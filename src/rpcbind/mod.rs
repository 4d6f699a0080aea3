//! Services of Sun RPC are found by their number: rpcbind tells clients the ports (RFC 1833). One task
//! keeps it informed. It holds a connection open, by which it hears that rpcbind has ended, and tells
//! everything again to the next one. Nobody ever waits for it but the end of the daemon, for a moment.

pub mod protocol;

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use self::protocol::Procedure;
pub use self::protocol::Registration;
use crate::record::event;
use crate::record::log::{Log, Value};
use crate::sys::socket::Stream;

/// Where rpcbind is: its socket tells it who we are, so that nobody else can take away what we have
/// registered.
const SOCKET: &str = "/run/rpcbind.sock";
/// Where older ones are.
const ADDRESS: &str = "127.0.0.1:111";
/// How long rpcbind may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first and the longest pause between two tries to reach it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The end of the daemon waits that long at the most.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// Where the daemon says what rpcbind shall know.
#[derive(Debug)]
pub struct Registrar {
    /// There is a task from the first registration on.
    wishes: Option<UnboundedSender<Wish>>,
    log: Log,
}

/// A change.
#[derive(Debug)]
enum Wish {
    /// These registrations, and no others.
    These(Vec<Registration>),
    /// None any more, and then the end of the task.
    End(oneshot::Sender<()>),
}

impl Registrar {
    /// Knows of no service yet.
    pub fn new(log: Log) -> Self {
        Self { wishes: None, log }
    }

    /// From now on rpcbind shall know these.
    pub fn want(&mut self, registrations: Vec<Registration>) {
        if registrations.is_empty() && self.wishes.is_none() {
            return;
        }
        let wishes = self.wishes.get_or_insert_with(|| {
            let (sender, wishes) = unbounded_channel();
            tokio::spawn(Task::new(self.log.clone()).run(wishes));
            sender
        });
        wishes.send(Wish::These(registrations)).ok();
    }

    /// Takes away all of them.
    pub async fn end(&mut self) {
        let Some(wishes) = self.wishes.take() else { return };
        let (done, ended) = oneshot::channel();
        wishes.send(Wish::End(done)).ok();
        // Whoever does not answer does not keep us.
        drop(timeout(LAST_MOMENT, ended).await);
    }
}

struct Task {
    log: Log,
    wanted: Vec<Registration>,
    /// What rpcbind knows, as far as we know.
    told: Vec<Registration>,
    /// What the log says that rpcbind knows.
    known: Vec<Registration>,
    connection: Option<Stream>,
    last_id: u32,
    /// It could not be reached, and that was told.
    is_away: bool,
    pause: Duration,
}

impl Task {
    fn new(log: Log) -> Self {
        Self {
            log,
            wanted: Vec::new(),
            told: Vec::new(),
            known: Vec::new(),
            connection: None,
            last_id: 0,
            is_away: false,
            pause: FIRST_PAUSE,
        }
    }

    async fn run(mut self, mut wishes: UnboundedReceiver<Wish>) {
        loop {
            let works = self.tell().await;
            if let Err(error) = &works {
                self.failed(error);
            }
            let pause = self.pause;
            tokio::select! {
                wish = wishes.recv() => match wish {
                    Some(Wish::These(registrations)) => self.wanted = registrations,
                    Some(Wish::End(done)) => {
                        self.wanted.clear();
                        // The daemon has something else to do than to repeat it.
                        drop(self.tell().await);
                        done.send(()).ok();
                        return;
                    }
                    None => return,
                },
                () = has_ended(&mut self.connection), if works.is_ok() => self.connection = None,
                () = sleep(pause), if works.is_err() => {}
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.connection = None;
        if !self.is_away {
            self.is_away = true;
            self.log.event(event::NO_RPCBIND, &[("error", Value::Text(error))]);
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Makes rpcbind know what it shall know.
    async fn tell(&mut self) -> io::Result<()> {
        if self.wanted.is_empty() && self.told.is_empty() {
            return Ok(());
        }
        if self.connection.is_none() {
            self.connection = Some(timeout(PATIENCE, connect()).await??);
            // It may be another one, which knows nothing. What was told and is not wanted any more
            // is taken back all the same: it may be the old one.
            self.told.retain(|registration| !self.wanted.contains(registration));
        }
        let gone = |told: &Registration| !self.wanted.contains(told);
        for registration in self.told.iter().filter(|told| gone(told)).cloned().collect::<Vec<_>>()
        {
            self.ask(&registration, Procedure::Unset).await?;
            self.told.retain(|told| *told != registration);
        }
        let new: Vec<_> =
            self.wanted.iter().filter(|wanted| !self.told.contains(wanted)).cloned().collect();
        for registration in &new {
            let mut done = self.ask(registration, Procedure::Set).await?;
            if !done {
                // Somebody has left a port there: ourselves, if we were killed.
                self.ask(registration, Procedure::Unset).await?;
                done = self.ask(registration, Procedure::Set).await?;
            }
            if !done {
                self.refused(registration);
            }
            // Not asked for again before something changes.
            self.told.push(registration.clone());
        }
        // To an old connection that is only opened again nothing is new.
        let is_new = |new: &&Registration| !self.known.contains(new);
        if new.iter().filter(is_new).count() > 0 || self.is_away {
            let count = Value::Number(new.len() as u64);
            self.log.event(event::RPC_REGISTERED, &[("registrations", count)]);
        }
        self.known.clone_from(&self.wanted);
        (self.is_away, self.pause) = (false, FIRST_PAUSE);
        Ok(())
    }

    fn refused(&self, registration: &Registration) {
        let fields = [
            ("program", Value::Number(registration.program.into())),
            ("version", Value::Number(registration.version.into())),
            ("network", Value::Text(&registration.network)),
        ];
        self.log.event(event::RPC_REFUSED, &fields);
    }

    async fn ask(&mut self, registration: &Registration, procedure: Procedure) -> io::Result<bool> {
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        let Some(stream) = &mut self.connection else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let call = registration.call(procedure, id);
        let exchange = async {
            stream.write_all(&call).await?;
            let mut mark = [0; 4];
            stream.read_exact(&mut mark).await?;
            let mut answer = vec![0; protocol::length(mark)?];
            stream.read_exact(&mut answer).await?;
            protocol::answer(&answer, id)
        };
        timeout(PATIENCE, exchange).await?
    }
}

async fn connect() -> io::Result<Stream> {
    match Stream::connect_unix(Path::new(SOCKET)).await {
        Ok(stream) => Ok(stream),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            TcpStream::connect(ADDRESS).await.map(Stream::Tcp)
        }
        Err(error) => Err(error),
    }
}

/// Waits until the other end has closed the connection: rpcbind has ended, or is tired of waiting.
async fn has_ended(connection: &mut Option<Stream>) {
    match connection {
        // Nobody has asked anything, so nothing else can come.
        Some(stream) => drop(stream.read(&mut [0]).await),
        None => std::future::pending().await,
    }
}
