//! The supervisor: everything that is not on the way of a connection. It runs on the main thread
//! and owns the configuration, the set of listeners, timers, the control endpoint and the end of
//! the daemon.

mod commands;
mod exposure;
mod listeners;
mod timers;

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::{self, UnboundedReceiver};

use self::listeners::{Listeners, PendingId};
use self::timers::Timers;
use crate::admission::Ask;
use crate::admission::tables::watched::Look;
use crate::config::{Config, Control, Report, Tree};
use crate::control::server::Server;
use crate::control::{Action, Command};
use crate::front::{Arrival, Farewell, Front, Next, Notice};
use crate::listener::Listener;
use crate::reap::{Ended, Step, step};
use crate::record::Recorder;
use crate::record::announce::Announcer;
use crate::record::event;
use crate::record::log::{Log, Value};
use crate::rpcbind::Registrar;
use crate::session::{Session, SessionId};
use crate::sys::process::{Child, Orphans};
use crate::sys::signals::Signals;
use crate::sys::{Request, notify, startup};

/// Pause before a start is tried again that failed for want of resources.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// Pause between kills when the daemon ends at once.
const KILL_AGAIN: Duration = Duration::from_millis(10);
/// Time for programs to be dead when the daemon ends at once.
const LAST_KILLS: Duration = Duration::from_secs(1);
/// Time for a peer that was turned away to read why.
const FAREWELL: Duration = Duration::from_secs(1);
/// The number of timers from which on those of ended sessions are cleared away.
const CLEAR_AT: usize = 1024;
/// How often orphans are looked for at first; the pause doubles while nothing changes.
const SWEEP: Duration = Duration::from_secs(1);
/// The longest pause between looking for orphans.
const LONGEST_SWEEP: Duration = Duration::from_secs(60);
/// The first look at a tree that is being killed; the pause doubles.
const LINGER: Duration = Duration::from_millis(1);
/// The longest pause between looks at such a tree.
const LONGEST_LINGER: Duration = Duration::from_millis(250);
/// How often the service manager hears that the end goes on.
const PROGRESS: Duration = Duration::from_secs(5);

/// Reads the configuration again, for a reload.
pub type Loader = Box<dyn Fn() -> Result<(Config, Report), Report>>;

/// How a daemon starts.
pub struct Start {
    /// The configuration.
    pub config: Config,
    /// Where a reload reads it from; without one there is nothing to reload.
    pub loader: Option<Loader>,
    /// The control endpoint, already bound.
    pub control: Option<Server>,
}

/// Something to do later.
#[derive(Debug)]
enum Timer {
    Resume(Arc<Listener>),
    Stop(SessionId, Step),
    Bind(PendingId),
    Again(Box<Arrival>),
    Farewell(Farewell),
    Linger(Box<Ended>, Duration),
    Sweep(Instant, Duration),
    Progress,
}

struct Supervisor {
    front: Arc<Front>,
    log: Log,
    announcer: Announcer,
    listeners: Listeners,
    registrar: Registrar,
    loader: Option<Loader>,
    /// What the configuration says about the control endpoint at the start.
    control: Control,
    timers: Timers<Timer>,
    notices: UnboundedReceiver<Notice>,
    orphans: Orphans,
    /// When the next look for orphans is planned. There is one plan at a time.
    sweep_at: Option<Instant>,
    /// Timers of sessions that are over are cleared away when there are that many.
    clear_at: usize,
    stopping: bool,
    announced_ready: bool,
    /// When the daemon began.
    began: (Instant, SystemTime),
}

/// Runs a daemon until it is asked to stop and its sessions have ended.
///
/// # Errors
/// It cannot start: an address that will never work, a file that cannot be opened. By then
/// nothing was accepted.
pub async fn run(start: Start, log: Log) -> anyhow::Result<()> {
    let Start { config, loader, control } = start;
    let (notice_sender, notices) = mpsc::unbounded_channel();
    let mut signals = Signals::new()?;
    notify::started();
    let recorder = Recorder::new(log.clone());
    let front = Front::new(recorder, config.daemon.max_sessions, notice_sender)?;
    let mut supervisor = Supervisor {
        listeners: Listeners::new(Arc::clone(&front)),
        front,
        registrar: Registrar::new(log.clone()),
        announcer: Announcer::start()?,
        control: config.daemon.control.clone(),
        loader,
        timers: Timers::new(),
        notices,
        orphans: Orphans::default(),
        sweep_at: None,
        clear_at: CLEAR_AT,
        stopping: false,
        announced_ready: false,
        log,
        began: (Instant::now(), SystemTime::now()),
    };
    let pending = supervisor.listeners.apply(&config)?;
    // Before anybody can connect and be told of.
    supervisor.tell_start();
    supervisor.front.start()?;
    // Whoever reads that we are ready can rely on it: nothing fails any more.
    supervisor.announce(pending);
    exposure::tell(&config, &supervisor.log);
    notify::ready(&supervisor.summary());
    let (command_sender, mut commands) = mpsc::channel::<Command>(16);
    let control = control.map(|control| control.start(command_sender.clone()));
    // What was just started comes to where it will wait, so that what it needs for that alone is
    // released, too.
    tokio::task::yield_now().await;
    startup::release_memory();
    loop {
        let next = supervisor.timers.next();
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            request = signals.next() => match request? {
                Request::Stop if supervisor.stopping => break supervisor.stop_now().await,
                Request::Stop => supervisor.stop("signal"),
                Request::Reload if supervisor.stopping => {}
                // Without a file there is nothing to read again: the terminal has been closed.
                Request::Reload if supervisor.loader.is_none() => {
                    if !startup::outlives_terminal() {
                        supervisor.stop("hangup");
                    }
                }
                Request::Reload => drop(supervisor.reload()),
            },
            Some(notice) = supervisor.notices.recv() => supervisor.notice(notice),
            Some(command) = commands.recv() => {
                let again = supervisor.stopping && command.action == Action::Stop;
                supervisor.command(command);
                if again {
                    break supervisor.stop_now().await;
                }
            }
            () = due => supervisor.on_time(),
            () = supervisor.front.admission.drained(), if supervisor.stopping => break,
        }
    }
    if let Some(control) = control {
        control.end().await;
    }
    supervisor.registrar.end().await;
    supervisor.front.relays.end().await;
    supervisor.log.event(event::STOPPED, &[]);
    Ok(())
}

impl Supervisor {
    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::ResumeAt(listener, at) => self.timers.add(at, Timer::Resume(listener)),
            Notice::Deadline(id, at) => {
                self.clear_timers();
                self.timers.add(at, Timer::Stop(id, Step::Terminate));
            }
            Notice::Stderr(pipe) => drop(tokio::spawn(pipe.follow(self.log.clone()))),
            Notice::Postponed(arrival) if self.stopping => drop(arrival),
            Notice::Postponed(arrival) => {
                self.timers.add(Instant::now() + TRY_AGAIN, Timer::Again(arrival));
            }
            Notice::Lingering(ended) => {
                self.timers.add(Instant::now() + LINGER, Timer::Linger(ended, LINGER));
            }
            Notice::FindOut(..) if self.stopping => {}
            Notice::FindOut(arrival, ask) => {
                drop(tokio::spawn(find_out(Arc::clone(&self.front), arrival, ask)));
            }
            Notice::Unknown(peer) if self.stopping => peer.give_up(&self.front),
            Notice::Unknown(peer) => drop(tokio::spawn(peer.ask(Arc::clone(&self.front)))),
            Notice::Farewell(farewell) => {
                self.timers.add(Instant::now() + FAREWELL, Timer::Farewell(farewell));
            }
            Notice::Orphans => self.plan_sweep(SWEEP),
        }
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Resume(listener) => self.front.arm(&listener),
                Timer::Stop(id, ladder) => {
                    if let Some(at) = step(&self.front, id, ladder) {
                        self.timers.add(at, Timer::Stop(id, Step::Kill));
                    }
                }
                Timer::Bind(id) => {
                    let pending = self.listeners.bind_again(id);
                    self.announce(pending);
                }
                Timer::Again(arrival) => self.front.again(Next::Start(arrival)),
                Timer::Farewell(farewell) => drop(farewell),
                Timer::Linger(ended, pause) => self.linger(ended, pause),
                // Another one was planned for an earlier time instead.
                Timer::Sweep(at, _) if self.sweep_at != Some(at) => {}
                Timer::Sweep(_, pause) => self.sweep(pause),
                Timer::Progress => {
                    notify::still_stopping();
                    self.timers.add(now + PROGRESS, Timer::Progress);
                }
            }
        }
    }

    /// Sessions end long before their `session_timeout` as a rule. What was planned for them must
    /// not gather.
    fn clear_timers(&mut self) {
        if self.timers.len() < self.clear_at {
            return;
        }
        let sessions = &self.front.sessions;
        let is_over = |timer: &Timer| match timer {
            Timer::Stop(id, _) => !sessions.contains(*id),
            _ => false,
        };
        self.timers.take(is_over);
        self.clear_at = CLEAR_AT.max(self.timers.len() * 2);
    }

    fn linger(&mut self, ended: Box<Ended>, pause: Duration) {
        if ended.is_over() {
            ended.finish(&self.front);
        } else {
            let pause = (pause * 2).min(LONGEST_LINGER);
            self.timers.add(Instant::now() + pause, Timer::Linger(ended, pause));
        }
    }

    fn plan_sweep(&mut self, pause: Duration) {
        let at = Instant::now() + pause;
        if self.sweep_at.is_none_or(|planned| at < planned) {
            self.sweep_at = Some(at);
            self.timers.add(at, Timer::Sweep(at, pause));
        }
    }

    /// Looks for what programs left behind outside their process groups.
    fn sweep(&mut self, pause: Duration) {
        self.sweep_at = None;
        self.front.sweeping();
        let sessions = &self.front.sessions;
        let pids = || {
            let mut pids = HashSet::with_capacity(sessions.len());
            sessions.for_each(|session| {
                pids.extend(session.child.as_ref().map(Child::id));
            });
            pids
        };
        let should_die = |session: u64, service: &str| {
            sessions.with(session, |_| ()).is_none()
                // A service that is not there any more had the default, as far as we know.
                && self.listeners.tree_of(service) != Some(Tree::Leave)
        };
        let left = self.orphans.sweep(Instant::now(), pids, should_die);
        // A server that runs on may leave orphans at any time, without a session that ends.
        if left > 0 || !sessions.is_empty() {
            self.plan_sweep((pause * 2).min(LONGEST_SWEEP));
        }
    }

    fn tell_start(&self) {
        let services = Value::Number(self.listeners.count() as u64);
        let version = Value::Text(&env!("CARGO_PKG_VERSION"));
        let pid = Value::Number(std::process::id().into());
        let fields = [("version", version), ("pid", pid), ("services", services)];
        self.log.event(event::STARTED, &fields);
    }

    /// Reads the configuration again. If anything is wrong with it, nothing changes.
    fn reload(&mut self) -> Result<(), String> {
        if self.stopping {
            return Err("the daemon is stopping".into());
        }
        let Some(loader) = &self.loader else {
            let why =
                "this daemon was started without a configuration file: there is nothing to reload";
            self.log.event(event::NOTHING_TO_RELOAD, &[]);
            return Err(why.into());
        };
        notify::reloading();
        let applied = loader().map_err(|report| (report.summary(), report.render())).and_then(
            |(config, report)| {
                self.warn_of(&config, &report);
                let told = |error: &dyn Display| (error.to_string(), format!("{error}\n"));
                let log = &config.daemon.log;
                let sink = self.log.prepare(log).map_err(|error| told(&error))?;
                let pending = self.listeners.apply(&config).map_err(|error| told(&error))?;
                self.log.switch(sink, log.level);
                Ok((config, pending))
            },
        );
        let result = match applied {
            Ok((config, pending)) => {
                let fields = [("services", Value::Number(self.listeners.count() as u64))];
                self.log.event(event::RELOADED, &fields);
                exposure::tell(&config, &self.log);
                self.announce(pending);
                // What made a service pause may be what was just changed.
                for timer in self.timers.take(|timer| matches!(timer, Timer::Resume(_))) {
                    if let Timer::Resume(listener) = timer {
                        self.front.arm(&listener);
                    }
                }
                Ok(())
            }
            Err((summary, report)) => {
                let fields = [("error", Value::Text(&summary))];
                self.log.event(event::NOT_RELOADED, &fields);
                Err(report)
            }
        };
        startup::release_memory();
        notify::ready(&self.summary());
        result
    }

    /// A reload that works may still deserve a word.
    fn warn_of(&self, config: &Config, report: &Report) {
        if config.daemon.control != self.control {
            self.log.event(event::CONTROL_UNCHANGED, &[]);
        }
        if report.warnings() > 0 {
            let fields = [("first", Value::Text(&report.summary()))];
            self.log.event(event::CONFIG_WARNINGS, &fields);
        }
    }

    /// Says what was bound, plans what has to be bound later, and says `ready` once when all is.
    fn announce(&mut self, pending: Vec<(Instant, PendingId)>) {
        let mut lines = String::new();
        for (service, endpoint) in self.listeners.take_announcements() {
            lines += &format!("listening {service} {endpoint}\n");
        }
        if !self.announced_ready && self.listeners.all_bound() {
            self.announced_ready = true;
            lines += "ready\n";
        }
        if !lines.is_empty() {
            self.announcer.say(lines);
        }
        self.registrar.want(self.listeners.registrations());
        for (at, id) in pending {
            self.timers.add(at, Timer::Bind(id));
        }
    }

    /// Stops accepting; sessions get `stop_timeout` to finish, then the stop ladder.
    fn stop(&mut self, cause: &str) {
        self.stopping = true;
        notify::stopping();
        let sessions = self.front.sessions.len();
        let fields = [("cause", Value::Text(&cause)), ("sessions", Value::Number(sessions as u64))];
        self.log.event(event::STOPPING, &fields);
        self.front.stopping();
        self.listeners.close_all();
        self.registrar.want(Vec::new());
        // One that pauses would stay open as long as somebody means to arm it again.
        drop(self.timers.take(|timer| matches!(timer, Timer::Resume(_))));
        let now = Instant::now();
        let timers = &mut self.timers;
        timers.add(now + PROGRESS, Timer::Progress);
        let mut plan = |session: &Session| {
            let at = now + session.setup.config.timeouts.stop;
            timers.add(at, Timer::Stop(session.id, Step::Terminate));
        };
        self.front.sessions.for_each(&mut plan);
        self.front.sessions.for_each_kept(plan);
    }

    /// Asked a second time: kills what runs, and waits just as long as it takes to be dead.
    async fn stop_now(&self) {
        self.log.event(event::STOPPING_NOW, &[]);
        let kill = async {
            loop {
                // Again and again: a program that is just being started joins the table late.
                self.front.sessions.for_each(Session::kill);
                self.front.sessions.for_each_kept(Session::give_up);
                tokio::time::sleep(KILL_AGAIN).await;
            }
        };
        tokio::select! {
            () = self.front.admission.drained() => {}
            // A process that the system does not let die must not keep us.
            _ = tokio::time::timeout(LAST_KILLS, kill) => {}
        }
    }

    fn summary(&self) -> String {
        format!("{} services", self.listeners.count())
    }
}

/// Finds out what a decision about a connection depends on. Then it goes on.
async fn find_out(front: Arc<Front>, mut arrival: Box<Arrival>, ask: Ask) {
    match ask {
        Ask::Names => {
            arrival.names = Some(front.names.ask_both(&arrival.peer, &arrival.local).await);
        }
        Ask::User => {
            arrival.user = Some(front.users.ask(&arrival.peer, &arrival.local).await);
        }
        Ask::Tables => {
            let (setup, recorder) = (Arc::clone(&arrival.setup), Arc::clone(&front));
            let tell = move |look: &Look| recorder.recorder.looked(look);
            setup.config.gate.look_at_tables(tell).await;
        }
    }
    front.again(Next::Decide(arrival));
}
