//! How a daemon is started.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::daemon::Daemon;
use super::process::{Finished, Process, command};
use super::{native, on_windows};

/// A daemon that is not started yet.
pub struct Start {
    folder: TempDir,
    control: String,
    arguments: Vec<String>,
    file: Option<&'static str>,
    head: String,
    daemon_keys: String,
    services: String,
    environment: Vec<(String, String)>,
    prefix: Vec<String>,
    old_flags: Option<Vec<String>>,
    stdin: Stdio,
}

impl Start {
    /// `inetd run` with these services as TOML.
    pub fn run(services: &str) -> Self {
        let mut start = Self::new();
        start.file = Some("inetd.toml");
        services.clone_into(&mut start.services);
        start
    }

    /// `inetd run` with this inetd.conf.
    pub fn classic(text: &str) -> Self {
        let mut start = Self::new();
        start.file = Some("inetd.conf");
        text.clone_into(&mut start.services);
        start
    }

    /// `inetd FLAGS FILE` with these services as TOML: a command line of an old inetd.
    pub fn arguments_only(services: &str, flags: &[&str]) -> Self {
        let mut start = Self::run(services);
        start.old_flags = Some(flags.iter().map(ToString::to_string).collect());
        start
    }

    /// `inetd serve` with these options and addresses.
    pub fn serve(options: &[&str], program: &[String]) -> Self {
        let mut start = Self::new();
        let options = options.iter().map(ToString::to_string);
        start.arguments = ["serve".to_owned(), "--control".to_owned(), start.control.clone()]
            .into_iter()
            .chain(options)
            .chain(["--".to_owned()])
            .chain(program.iter().cloned())
            .collect();
        start
    }

    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::Builder::new().prefix("inetd-it-").tempdir().unwrap();
        let control = if on_windows() {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            format!(r"\\.\pipe\inetd-it-{}-{number}", std::process::id())
        } else {
            folder.path().join("control.sock").display().to_string()
        };
        Self {
            folder,
            control,
            arguments: Vec::new(),
            file: None,
            head: String::new(),
            daemon_keys: String::new(),
            services: String::new(),
            environment: Vec::new(),
            prefix: Vec::new(),
            old_flags: None,
            stdin: Stdio::null(),
        }
    }

    /// `inetd serve` as on a command line: without a control endpoint.
    pub fn serve_without_control(options: &[&str], program: &[String]) -> Self {
        let mut start = Self::serve(options, program);
        start.arguments.drain(1..3);
        start
    }

    /// `inetd run` with lines above the `[daemon]` table.
    pub fn run_with_head(head: &str, services: &str) -> Self {
        let mut start = Self::run(services);
        head.clone_into(&mut start.head);
        start
    }

    /// Replaces the services.
    pub fn services(mut self, services: &str) -> Self {
        services.clone_into(&mut self.services);
        self
    }

    /// Adds lines to the `[daemon]` table.
    pub fn daemon(mut self, keys: &str) -> Self {
        self.daemon_keys.push_str(keys);
        self.daemon_keys.push('\n');
        self
    }

    /// Sets a variable of the daemon's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Uses this control endpoint instead of one of its own.
    pub fn control(mut self, control: &str) -> Self {
        control.clone_into(&mut self.control);
        self
    }

    /// Runs the daemon by another command.
    pub fn through(mut self, prefix: &[&str], stdin: Stdio) -> Self {
        self.prefix = prefix.iter().map(ToString::to_string).collect();
        self.stdin = stdin;
        self
    }

    /// Its folder, which lives as long as the daemon.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn ready(self) -> Daemon {
        let daemon = self.begin();
        daemon.out().wait_for("`ready`", |line| line == "ready");
        daemon
    }

    /// Starts it and waits until it fails.
    #[track_caller]
    pub fn fails(self) -> Finished {
        let (process, _folder) = self.begin().into_parts();
        process.finish()
    }

    /// Starts it and does not wait.
    pub fn begin(self) -> Daemon {
        let header = match self.file {
            Some("inetd.toml") => {
                let Self { head, control, daemon_keys, .. } = &self;
                format!("{head}[daemon]\ncontrol = '{control}'\n{daemon_keys}\n")
            }
            _ => String::new(),
        };
        let prefix: Vec<_> = self.prefix.iter().map(String::as_str).collect();
        let mut command = command(&prefix);
        command.current_dir(self.folder.path()).stdin(self.stdin).envs(self.environment);
        if let Some(file) = self.file {
            let path = self.folder.path().join(file);
            std::fs::write(&path, format!("{header}{}", self.services)).unwrap();
            match &self.old_flags {
                Some(flags) => command.args(flags).arg(native(&path)),
                None => command.args(["run", "-c", &native(&path)]),
            };
            if header.is_empty() {
                command.args(["--control", &self.control]);
            }
        }
        command.args(&self.arguments);
        Daemon::new(Process::start(command), self.folder, self.control, self.file, header)
    }
}
