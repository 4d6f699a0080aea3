//! The keys of one service, typed and in range, with what is not written at its default.
//! Names (hosts, programs, users) are looked up later.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::check::Check;
use super::tables::{self, Asked};
use super::{admission, limits, words};
use crate::admission::Gate;
use crate::config::keys::Key;
use crate::config::raw::{Data, Entry, Origin};
use crate::config::report::Problem;
use crate::config::source::{Sources, Span, Spanned};
use crate::config::suggest::nearest;
use crate::config::{
    Builtin, Identify, Io, Limit, OverLimit, OverRate, Rpc, SocketOptions, Stderr, Timeouts, Tree,
};
use crate::sys::identity::AccountId;
use crate::sys::{FAMILY, Family, IdentityError, identity};

/// A service before its names are looked up.
pub(super) struct Draft {
    pub(super) listen: Vec<Spanned<String>>,
    pub(super) socket: SocketOptions,
    pub(super) bind_retry: Option<Duration>,
    pub(super) rpc: Option<Rpc>,
    pub(super) run: Vec<Spanned<OsString>>,
    pub(super) arg0: Option<String>,
    pub(super) wait: bool,
    pub(super) io: Io,
    pub(super) stderr: Stderr,
    pub(super) user: Option<Spanned<String>>,
    pub(super) group: Option<Spanned<String>>,
    pub(super) groups: Option<Vec<Spanned<String>>>,
    pub(super) profile: bool,
    pub(super) restrict: bool,
    pub(super) cwd: Option<Spanned<PathBuf>>,
    pub(super) env: Vec<(String, String)>,
    pub(super) pass_env: Arc<[String]>,
    pub(super) umask: u32,
    pub(super) nice: Option<i32>,
    pub(super) limits: Vec<Limit>,
    pub(super) tree: Tree,
    pub(super) allow: Vec<Spanned<String>>,
    pub(super) deny: Vec<Spanned<String>>,
    pub(super) access: Option<Spanned<String>>,
    pub(super) tcp_wrappers: Asked,
    pub(super) max_sessions: Option<u32>,
    /// Without the rules and tables, which are not read yet.
    pub(super) gate: Gate,
    /// `over_rate`, if it is written.
    pub(super) over_rate: Option<OverRate>,
    pub(super) timeouts: Timeouts,
    pub(super) forward: Option<Spanned<String>>,
    pub(super) builtin: Option<Builtin>,
    /// Where the value of each written key is.
    pub(super) spans: Vec<(Key, Span)>,
}

/// More sessions than any machine can have.
pub(super) const MOST_SESSIONS: u32 = 1_000_000;

pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// The keys that say what a service does with a connection: it has one of them.
pub(super) const WAYS: [Key; 4] = [Key::Run, Key::Forward, Key::Builtin, Key::Sensor];

impl Draft {
    pub(super) fn new(origin: Origin, pass_env: &Arc<[String]>) -> Self {
        Self {
            listen: Vec::new(),
            socket: SocketOptions::default(),
            bind_retry: (origin != Origin::CommandLine).then_some(Duration::from_secs(1)),
            rpc: None,
            run: Vec::new(),
            arg0: None,
            wait: false,
            io: Io::Socket,
            stderr: Stderr::Socket,
            user: None,
            group: None,
            groups: None,
            profile: false,
            restrict: false,
            cwd: None,
            env: Vec::new(),
            pass_env: Arc::clone(pass_env),
            umask: 0o022,
            nice: None,
            limits: Vec::new(),
            tree: Tree::Kill,
            allow: Vec::new(),
            deny: Vec::new(),
            access: None,
            tcp_wrappers: Asked::Nobody,
            max_sessions: (origin != Origin::Classic).then_some(512),
            gate: Gate::default(),
            over_rate: None,
            timeouts: Timeouts {
                session: None,
                stop: Duration::from_secs(5),
                idle: None,
                linger: Duration::from_secs(2),
            },
            forward: None,
            builtin: None,
            spans: Vec::new(),
        }
    }

    /// Where a key was written, if it was.
    pub(super) fn span(&self, key: Key) -> Option<Span> {
        self.spans.iter().find(|(other, _)| *other == key).map(|(_, span)| *span)
    }

    /// Something nearer says what the service does: what its defaults say of that is replaced.
    pub(super) fn forget_ways(&mut self) {
        self.run = Vec::new();
        (self.forward, self.builtin, self.gate.sensor) = (None, None, None);
        self.spans.retain(|(key, _)| !WAYS.contains(key));
    }

    /// Defaults for programs are not for a service without one. `own` are its own keys.
    pub(super) fn forget_program_defaults(&mut self, own: &[Entry]) {
        let is_default = |key| own.iter().all(|entry| entry.key != key);
        if self.span(Key::Run).is_some() {
            return;
        }
        if is_default(Key::Wait) {
            self.wait = false;
        }
        if is_default(Key::Io) {
            self.io = Io::Socket;
        }
    }

    /// What happens when `rate` is exceeded: what is written, or what `over_limit` says of it.
    pub(super) fn over_rate(&self) -> OverRate {
        self.over_rate.unwrap_or_else(|| self.gate.over_limit.into())
    }

    /// Takes over one key. A later one replaces an earlier one.
    pub(super) fn apply(&mut self, entry: &Entry, sources: &Sources, problems: &mut Vec<Problem>) {
        let info = entry.key.info();
        self.spans.retain(|(key, _)| *key != entry.key);
        self.spans.push((entry.key, entry.value.span));
        if let Some(obstacle) = info.availability.obstacle() {
            let problem = Problem::error(entry.name, format!("`{}` {obstacle}", info.name));
            problems.push(problem.help(match entry.key {
                Key::SocketMode => "say with `socket_user` and `socket_group` who may connect",
                _ => "remove it",
            }));
            return;
        }
        let mut check = Check::new(info.name, &entry.value, problems);
        // A value that is wrong leaves the old one: the problem keeps the result from being used.
        let _: Option<()> = self.set(entry.key, &mut check, sources);
    }

    fn set(&mut self, key: Key, check: &mut Check<'_>, sources: &Sources) -> Option<()> {
        match key {
            Key::Listen => self.listen = check.texts()?,
            Key::Backlog => self.socket.backlog = check.count(1..=65_535)?,
            Key::Interface => self.socket.interface = Some(interface(check)?),
            Key::Freebind => self.socket.freebind = check.boolean()?,
            Key::Nodelay => self.socket.nodelay = check.boolean()?,
            Key::Keepalive => self.socket.keepalive = check.boolean()?,
            Key::SendBuffer => self.socket.send_buffer = Some(buffer(check)?),
            Key::ReceiveBuffer => self.socket.receive_buffer = Some(buffer(check)?),
            Key::SocketMode => self.socket.mode = Some(check.mode()?),
            Key::SocketUser => self.socket.user = Some(account(check, identity::user_id)?),
            Key::SocketGroup => self.socket.group = Some(account(check, identity::group_id)?),
            Key::BindRetry => {
                let range = Duration::from_millis(10)..=Duration::from_secs(60);
                self.bind_retry = check.duration(range, true)?;
            }
            Key::Rpc => self.rpc = Some(super::rpc::read(check)?),
            Key::Run => self.run = command(check, sources)?,
            Key::Arg0 => self.arg0 = Some(check.text()?.value),
            Key::Wait => self.wait = check.boolean()?,
            Key::Io => {
                let choices = [("socket", Io::Socket), ("pipe", Io::Pipe), ("pty", Io::Pty)];
                self.io = check.choice(&choices)?;
            }
            Key::Stderr => self.stderr = stderr(check, sources)?,
            Key::User => self.user = Some(check.text()?),
            Key::Group => self.group = Some(check.text()?),
            Key::Groups => self.groups = Some(check.list()?),
            Key::Profile => self.profile = check.boolean()?,
            Key::Restrict => self.restrict = check.boolean()?,
            Key::Cwd => self.cwd = Some(path(check, sources)?),
            Key::Env => self.env = super::environment::variables(check)?,
            Key::PassEnv => self.pass_env = super::environment::patterns(check)?.into(),
            Key::Forward => self.forward = Some(check.text()?),
            Key::Builtin => self.builtin = Some(super::work::builtin(check, sources)?),
            Key::Umask => self.umask = check.mode()?,
            Key::Nice => self.nice = i32::try_from(check.integer(-20..=19)?).ok(),
            Key::Limits => self.limits = limits::read(check)?,
            Key::Tree => {
                self.tree = check.choice(&[("kill", Tree::Kill), ("leave", Tree::Leave)])?;
            }
            Key::Allow => self.allow = check.list()?,
            Key::Deny => self.deny = check.list()?,
            Key::MaxSessions => self.max_sessions = admission::limit(check)?,
            Key::MaxPerSource => self.gate.max_per_source = admission::limit(check)?,
            Key::SourcePrefix => self.gate.source_prefix = admission::source_prefix(check)?,
            Key::Rate => self.gate.rate = admission::rate(check)?,
            Key::RatePerSource => self.gate.rate_per_source = admission::rate(check)?,
            Key::Resolve => self.gate.resolve = check.boolean()?,
            Key::Identify => {
                let choices = [
                    ("off", Identify::Off),
                    ("refused", Identify::Refused),
                    ("log", Identify::Log),
                    ("require", Identify::Require),
                ];
                self.gate.identify = check.choice(&choices)?;
            }
            Key::Access => self.access = Some(check.text()?),
            Key::TcpWrappers => self.tcp_wrappers = tables::asked(check)?,
            Key::Sensor => self.gate.sensor = Some(check.duration(Duration::ZERO..=YEAR, false)??),
            Key::AccessTimes => self.gate.schedule = Some(admission::schedule(check)?),
            Key::MaxLoad => self.gate.max_load = admission::load(check)?,
            Key::Banner => self.gate.banner = Some(admission::banner(check, sources)?),
            Key::BannerReject => {
                self.gate.banner_reject = Some(admission::banner(check, sources)?);
            }
            Key::RatePause => {
                let pause = check.duration(Duration::ZERO..=DAY, true)?;
                self.gate.rate_pause = pause.unwrap_or_default();
            }
            Key::OverLimit => {
                let choices = [("queue", OverLimit::Queue), ("reject", OverLimit::Reject)];
                self.gate.over_limit = check.choice(&choices)?;
            }
            Key::OverRate => {
                let choices = [("pause", OverRate::Pause), ("reject", OverRate::Reject)];
                self.over_rate = Some(check.choice(&choices)?);
            }
            Key::SessionTimeout => {
                self.timeouts.session = check.duration(Duration::from_millis(1)..=YEAR, true)?;
            }
            Key::StopTimeout => {
                self.timeouts.stop = check.duration(Duration::ZERO..=DAY, false)??;
            }
            Key::IdleTimeout => {
                self.timeouts.idle = check.duration(Duration::from_millis(1)..=YEAR, true)?;
            }
            Key::LingerTimeout => {
                self.timeouts.linger = check.duration(Duration::ZERO..=DAY, false)??;
            }
            // Everything else was refused: it is not available in this version.
            _ => {}
        }
        Some(())
    }
}

fn buffer(check: &mut Check<'_>) -> Option<u32> {
    u32::try_from(check.size(1024..=1 << 30)?).ok()
}

fn interface(check: &mut Check<'_>) -> Option<String> {
    let name = check.text()?.value;
    // IFNAMSIZ is 16 with the NUL behind the name (netdevice(7)).
    if name.is_empty() || name.len() > 15 || name.contains(['/', ' ']) {
        let message = format!("`{name}` is not the name of a network interface");
        return check.wrong(&message, "names are like \"eth0\", with at most 15 characters");
    }
    Some(name)
}

fn account(
    check: &mut Check<'_>,
    lookup: fn(&str) -> Result<AccountId, IdentityError>,
) -> Option<AccountId> {
    let name = check.text()?.value;
    match lookup(&name) {
        Ok(id) => Some(id),
        Err(error) => {
            let message = format!("`{}` cannot be used: {error}", check.name);
            let number = if FAMILY == Family::Windows { "SID" } else { "number" };
            let help = format!("write the name or the {number} of an account of this machine");
            check.wrong(&message, &help)
        }
    }
}

/// `run`: the program and its arguments.
fn command(check: &mut Check<'_>, sources: &Sources) -> Option<Vec<Spanned<OsString>>> {
    let items = match &check.value.value {
        Data::List(items) if !items.is_empty() => items,
        Data::List(_) => {
            return check
                .wrong("`run` is an empty list", "the first item is the program: run = [\"...\"]");
        }
        Data::Text(text) => {
            let base = &sources.get(check.value.span.file).base;
            let words = words::of_line(text, base);
            let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
            let help = format!("write each word on its own: run = [{}]", words.join(", "));
            return check.mistyped("a list of strings", &help);
        }
        _ => return check.mistyped("a list of strings", "write run = [\"program\", \"argument\"]"),
    };
    let run = items.iter().map(|value| match &value.value {
        Data::Argument(argument) => Some(Spanned { value: argument.clone(), span: value.span }),
        _ => check
            .item(value)
            .text()
            .map(|text| Spanned { value: text.value.into(), span: text.span }),
    });
    // All items are looked at before the first that is wrong ends it.
    let run: Vec<_> = run.collect();
    let run: Vec<_> = run.into_iter().collect::<Option<_>>()?;
    if run[0].value.is_empty() {
        return check
            .wrong("the program has an empty name", "the first item of `run` is the program");
    }
    Some(run)
}

fn stderr(check: &mut Check<'_>, sources: &Sources) -> Option<Stderr> {
    let text = check.text()?;
    let path = match text.value.as_str() {
        "socket" => return Some(Stderr::Socket),
        "log" => return Some(Stderr::Log),
        "null" => return Some(Stderr::Null),
        other => other.strip_prefix("file:"),
    };
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        let names = ["socket", "log", "null"];
        let help = match nearest(&text.value, names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "use `socket`, `log`, `null` or `file:PATH`".to_owned(),
        };
        return check.wrong(&format!("`{}` is not a value of `stderr`", text.value), &help);
    };
    let path = sources.get(text.span.file).base.join(path);
    if path.is_dir() {
        return check.wrong(&format!("`{}` is a folder", path.display()), "name a file in it");
    }
    match path.parent() {
        Some(folder) if !folder.is_dir() => check.wrong(
            &format!("the folder `{}` does not exist", folder.display()),
            "create it, or name a file in another folder",
        ),
        _ => Some(Stderr::File(path)),
    }
}

/// `cwd`: an existing folder.
fn path(check: &mut Check<'_>, sources: &Sources) -> Option<Spanned<PathBuf>> {
    let text = check.text()?;
    let value = sources.get(text.span.file).base.join(&text.value);
    let value: PathBuf = value.components().collect();
    if text.value.is_empty() || !value.is_dir() {
        let what = if value.is_file() { "is not a folder" } else { "does not exist" };
        let message = format!("the working directory `{}` {what}", value.display());
        return check.wrong(&message, "name a folder that exists");
    }
    Some(Spanned { value, span: text.span })
}
