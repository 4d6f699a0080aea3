//! Where a scenario happens: a folder of its own, daemons in it, and what they say. Everything is
//! gone afterwards, also when the scenario was given up in the middle.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::client::Client;
use super::{CHILD, PATIENCE, PAUSE};
use crate::control::client::{self, ClientError};
use crate::sys::{FAMILY, Family, selftest};

/// How long it takes a daemon that has ended until all that it said is there.
const SOON: Duration = Duration::from_secs(2);

/// Where a scenario happens.
pub(super) struct Bench {
    folder: TempDir,
    executable: PathBuf,
    /// What runs, or has run; nothing if the scenario is over.
    daemons: Mutex<Option<Vec<Arc<Process>>>>,
}

impl Bench {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::Builder::new().prefix("inetd-selftest-").tempdir()?,
            executable: std::env::current_exe()?,
            daemons: Mutex::new(Some(Vec::new())),
        })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The TOML of a service whose program plays a role of ours. `keys` are further lines; a
    /// `listen` among them replaces the free port.
    pub(super) fn service(&self, name: &str, role: &[&str], keys: &str) -> String {
        let executable = self.executable.display().to_string();
        let words = [executable.as_str(), CHILD].into_iter().chain(role.iter().copied());
        self.service_of(name, words, keys)
    }

    /// The same with any program.
    pub(super) fn service_of<'a>(
        &self,
        name: &str,
        run: impl IntoIterator<Item = &'a str>,
        keys: &str,
    ) -> String {
        let run: toml::Value = run.into_iter().collect::<Vec<_>>().into();
        let listen = if keys.contains("listen =") { "" } else { "listen = \"127.0.0.1:0\"\n" };
        format!("[service.{name}]\n{listen}run = {run}\n{keys}\n")
    }

    /// Starts a daemon with these services and waits until it is ready.
    pub(super) fn daemon(&self, services: &str) -> Result<Daemon> {
        self.daemon_with("", services)
    }

    /// The same, with more keys of `[daemon]`.
    pub(super) fn daemon_with(&self, keys: &str, services: &str) -> Result<Daemon> {
        let daemon = self.start_with(keys, services)?;
        let ready = |lines: &[String]| lines.iter().any(|line| line == "ready").then_some(());
        if let Err(error) = daemon.process.out.wait("the daemon does not get ready", ready) {
            bail!("{error:#}: {}", daemon.process.log.last());
        }
        Ok(daemon)
    }

    /// Starts a daemon and does not wait. A second one has the control endpoint of the first.
    pub(super) fn start(&self, services: &str) -> Result<Daemon> {
        self.start_with("", services)
    }

    fn start_with(&self, keys: &str, services: &str) -> Result<Daemon> {
        let control = match FAMILY {
            Family::Unix => self.folder().join("control.sock").display().to_string(),
            Family::Windows => {
                let name = self.folder().file_name().unwrap_or_default().to_string_lossy();
                format!(r"\\.\pipe\{name}")
            }
        };
        let config = self.folder().join("inetd.toml");
        let head = format!("control = {}\n{keys}\n", toml::Value::from(control.as_str()));
        let daemon = Daemon { process: Process::none(), control, config, head };
        daemon.write(services)?;
        let mut command = Command::new(&self.executable);
        command.args(["run".as_ref(), "-c".as_ref(), daemon.config.as_os_str()]);
        command.current_dir(self.folder());
        let mut daemons = self.daemons();
        let daemons = daemons.as_mut().context("the scenario was given up")?;
        let process = Arc::new(Process::start(&mut command)?);
        daemons.push(Arc::clone(&process));
        Ok(Daemon { process, ..daemon })
    }

    /// Ends whatever still runs. Nothing can be started any more.
    pub(super) fn close(&self) {
        let daemons = self.daemons().take();
        for daemon in daemons.into_iter().flatten() {
            daemon.end();
        }
    }

    /// Removes the folder, if there is still somebody who would do that later.
    pub(super) fn remove(&self) {
        // If it fails, there is nobody left who could do it.
        drop(std::fs::remove_dir_all(self.folder()));
    }

    fn daemons(&self) -> MutexGuard<'_, Option<Vec<Arc<Process>>>> {
        self.daemons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A daemon. It ends with the bench.
pub(super) struct Daemon {
    process: Arc<Process>,
    control: String,
    config: PathBuf,
    /// Its keys of `[daemon]`.
    head: String,
}

impl Daemon {
    /// Replaces the configuration.
    pub(super) fn write(&self, services: &str) -> Result<()> {
        let text = format!("[daemon]\n{}\n{services}", self.head);
        std::fs::write(&self.config, text).context("cannot write a configuration")
    }

    /// Its control endpoint.
    pub(super) fn control(&self) -> &str {
        &self.control
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id
    }

    /// The address of a service. The last one if there were several.
    pub(super) fn address(&self, service: &str) -> Result<SocketAddr> {
        self.address_of("tcp", service)
    }

    /// Where a service takes datagrams.
    pub(super) fn udp_address(&self, service: &str) -> Result<SocketAddr> {
        self.address_of("udp", service)
    }

    fn address_of(&self, scheme: &str, service: &str) -> Result<SocketAddr> {
        let prefix = format!("listening {service} {scheme}://");
        self.process.out.wait("the daemon does not listen", |lines| {
            lines.iter().rev().find_map(|line| line.strip_prefix(&prefix)?.parse().ok())
        })
    }

    /// A new connection to a service.
    pub(super) fn connect(&self, service: &str) -> Result<Client> {
        Client::connect(self.address(service)?)
    }

    /// Sends `question`, closes the sending side, and gives the whole answer.
    pub(super) fn ask(&self, service: &str, question: &str) -> Result<String> {
        let mut client = self.connect(service)?;
        client.send(question.as_bytes())?;
        client.half_close()?;
        client.rest()
    }

    /// The first line of the log with all of these words, now or when it comes.
    pub(super) fn logged(&self, words: &[&str]) -> Result<String> {
        let what = format!("the log does not say {}", words.join(" ... "));
        self.process.log.wait(&what, |lines| {
            lines.iter().find(|line| words.iter().all(|word| line.contains(word))).cloned()
        })
    }

    /// Whether the log has such a line already.
    pub(super) fn has_logged(&self, word: &str) -> bool {
        let (state, _) = &*self.process.log.state;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lines.iter().any(|line| line.contains(word))
    }

    /// Talks to it over its control endpoint.
    pub(super) fn control_with<T>(
        &self,
        talk: impl AsyncFnOnce(&str) -> Result<T, ClientError>,
    ) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(talk(&self.control))?)
    }

    /// Makes it read another configuration.
    pub(super) fn reload(&self, services: &str) -> Result<()> {
        self.write(services)?;
        self.control_with(client::reload).context("cannot reload")
    }

    /// Asks it to stop.
    pub(super) fn stop(&self) -> Result<()> {
        self.control_with(async |endpoint| client::stop(endpoint, false).await.map(drop))
            .context("cannot stop the daemon")
    }

    /// Kills it, without any chance to clean up.
    pub(super) fn kill(&self) -> Result<()> {
        self.process.child().as_mut().context("it has ended")?.kill().context("cannot kill it")
    }

    /// Waits for its end and gives its exit code.
    pub(super) fn exit_code(&self) -> Result<i32> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(child) = self.process.child().as_mut()
                && let Some(status) = child.try_wait()?
            {
                return Ok(status.code().unwrap_or(-1));
            }
            thread::park_timeout(PAUSE);
        }
        bail!("the daemon does not end")
    }
}

/// A process of our executable, and what it writes.
struct Process {
    id: u32,
    child: Mutex<Option<Child>>,
    out: Lines,
    log: Lines,
}

impl Process {
    /// Nothing runs yet.
    fn none() -> Arc<Self> {
        let (id, child) = (0, Mutex::default());
        Arc::new(Self { id, child, out: Lines::default(), log: Lines::default() })
    }

    fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[expect(
            clippy::disallowed_methods,
            reason = "a client of the daemon starts its daemon; no session is around"
        )]
        let mut child = command.spawn().context("cannot start the daemon")?;
        let out = Lines::of(child.stdout.take().context("no standard output")?)?;
        let log = Lines::of(child.stderr.take().context("no standard error")?)?;
        Ok(Self { id: child.id(), child: Mutex::new(Some(child)), out, log })
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        if let Some(mut child) = self.child().take()
            && matches!(child.try_wait(), Ok(None))
        {
            selftest::end(&mut child, CHILD);
        }
    }
}

/// Lines that somebody writes, as they come.
#[derive(Clone, Default)]
struct Lines {
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    is_over: bool,
}

impl Lines {
    fn of(source: impl Read + Send + 'static) -> Result<Self> {
        let lines = Self::default();
        let copy = lines.clone();
        thread::Builder::new().spawn(move || copy.read(source))?;
        Ok(lines)
    }

    fn read(&self, source: impl Read) {
        let mut source = BufReader::new(source);
        loop {
            let mut line = Vec::new();
            let is_over = !matches!(source.read_until(b'\n', &mut line), Ok(1..));
            let (state, changed) = &*self.state;
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if is_over {
                state.is_over = true;
            } else {
                let line = String::from_utf8_lossy(&line);
                state.lines.push(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            changed.notify_all();
            if is_over {
                return;
            }
        }
    }

    /// The last line, which nothing comes after soon.
    fn last(&self) -> String {
        let (state, changed) = &*self.state;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(state, SOON, |state| !state.is_over);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.lines.last().cloned().unwrap_or_default()
    }

    /// Waits until `found` gives something.
    fn wait<T>(&self, what: &str, mut found: impl FnMut(&[String]) -> Option<T>) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        let (state, changed) = &*self.state;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = found(&state.lines) {
                return Ok(found);
            }
            ensure!(!state.is_over, "{what}: the daemon has ended");
            let left = end.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "{what} within {} s", PATIENCE.as_secs());
            let waited = changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
