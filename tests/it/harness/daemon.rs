//! A running daemon.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::client::Client;
use super::lines::Lines;
use super::process::{Finished, Process, inetd};
use super::record::Record;
use super::start::Start;
use super::wait_until;

/// A daemon in a folder of its own.
pub struct Daemon {
    process: Process,
    folder: TempDir,
    control: String,
    file: Option<&'static str>,
    header: String,
}

impl Daemon {
    /// Runs these services (TOML) and waits until they are ready.
    #[track_caller]
    pub fn run(services: &str) -> Self {
        Start::run(services).ready()
    }

    pub(super) fn new(
        process: Process,
        folder: TempDir,
        control: String,
        file: Option<&'static str>,
        header: String,
    ) -> Self {
        Self { process, folder, control, file, header }
    }

    pub(super) fn into_parts(self) -> (Process, TempDir) {
        (self.process, self.folder)
    }

    /// Its standard output: the announcements.
    pub fn out(&self) -> &Lines {
        &self.process.out
    }

    /// Its log.
    pub fn log(&self) -> &Lines {
        &self.process.err
    }

    /// Its process id; under Wine the one that Linux has given it.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its control endpoint.
    pub fn control(&self) -> &str {
        &self.control
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder().join(self.file.expect("a daemon without a configuration file"))
    }

    /// What was announced for a service, in order: `tcp://127.0.0.1:4711` and the like.
    pub fn endpoints(&self, service: &str) -> Vec<String> {
        let prefix = format!("listening {service} ");
        let lines = self.out().all();
        lines.iter().filter_map(|line| line.strip_prefix(&prefix)).map(Into::into).collect()
    }

    /// The TCP address of a service, as soon as it is announced. The last one if there are several
    /// announcements.
    #[track_caller]
    pub fn address(&self, service: &str) -> SocketAddr {
        let prefix = format!("listening {service} tcp://");
        self.out().wait(&format!("the address of {service}"), |lines| {
            let text = lines.iter().rev().find_map(|line| line.strip_prefix(&prefix))?;
            Some(text.parse().unwrap())
        })
    }

    /// The TCP address that was announced first, whatever the service is called.
    pub fn only_address(&self) -> SocketAddr {
        let lines = self.out().all();
        let mut addresses = lines.iter().filter_map(|line| line.split_once(" tcp://"));
        addresses.next().unwrap().1.parse().unwrap()
    }

    /// A new connection to a service.
    #[track_caller]
    pub fn connect(&self, service: &str) -> Client {
        Client::connect(self.address(service))
    }

    /// Clients of the service `hold`: the program of each runs, and waits for its end of input.
    #[track_caller]
    pub fn held(&self, count: usize) -> Vec<Client> {
        let mut clients: Vec<_> = (0..count).map(|_| self.connect("hold")).collect();
        for client in &mut clients {
            let line = client.line();
            assert!(line.starts_with("ready "), "{line}");
        }
        clients
    }

    /// Sends `question`, half-closes, and gives the whole answer.
    #[track_caller]
    pub fn ask(&self, service: &str, question: &str) -> String {
        let mut client = self.connect(service);
        client.send(question.as_bytes());
        client.half_close();
        client.rest()
    }

    /// The first record of this event that is `wanted`, now or when it comes.
    #[track_caller]
    pub fn record(&self, event: &str, wanted: impl Fn(&Record) -> bool) -> Record {
        self.record_after(0, event, wanted)
    }

    /// As [`Self::record`], but only from `mark` on.
    #[track_caller]
    pub fn record_after(
        &self,
        mark: usize,
        event: &str,
        wanted: impl Fn(&Record) -> bool,
    ) -> Record {
        self.log().wait(&format!("a {event} record"), |lines| {
            lines[mark..]
                .iter()
                .filter_map(|line| Record::parse(line))
                .find(|record| record.event == event && wanted(record))
        })
    }

    /// Waits until there are `count` records of this event.
    #[track_caller]
    pub fn records(&self, count: usize, event: &str) -> Vec<Record> {
        self.log().wait(&format!("{count} {event} records"), |lines| {
            let records = lines.iter().filter_map(|line| Record::parse(line));
            let records: Vec<_> = records.filter(|record| record.event == event).collect();
            (records.len() >= count).then_some(records)
        })
    }

    /// Replaces the services in the configuration file.
    pub fn rewrite(&self, services: &str) {
        std::fs::write(self.config(), format!("{}{services}", self.header)).unwrap();
    }

    /// `inetd reload`.
    #[track_caller]
    pub fn reload(&self) -> Finished {
        inetd(&["reload", "--control", &self.control])
    }

    /// Replaces the services and reloads, which must succeed.
    #[track_caller]
    pub fn reload_with(&self, services: &str) {
        self.rewrite(services);
        let reload = self.reload();
        assert_eq!(reload.code, 0, "reload: {}\n{}", reload.err, self.log().all().join("\n"));
    }

    /// `inetd stop --no-wait`.
    #[track_caller]
    pub fn stop(&self) -> Finished {
        inetd(&["stop", "--no-wait", "--control", &self.control])
    }

    /// A command of `inetd` to this daemon.
    #[track_caller]
    pub fn tell(&self, command: &[&str]) -> Finished {
        inetd(&[command, &["--control", &self.control]].concat())
    }

    /// A command that must succeed. Gives what it prints.
    #[track_caller]
    pub fn told(&self, command: &[&str]) -> String {
        let finished = self.tell(command);
        assert_eq!(finished.code, 0, "{command:?}: {}", finished.err);
        finished.out
    }

    /// What `inetd status --json` tells about a service.
    #[track_caller]
    pub fn service(&self, name: &str) -> serde_json::Value {
        let status: serde_json::Value =
            serde_json::from_str(&self.told(&["status", "--json"])).unwrap();
        let services = status["services"].as_array().unwrap();
        services.iter().find(|service| service["name"] == name).unwrap().clone()
    }

    /// What `inetd sessions --json` tells, as soon as there are `count` sessions: one is there a
    /// moment after its START record.
    #[track_caller]
    pub fn sessions(&self, count: usize) -> Vec<serde_json::Value> {
        let mut sessions = Vec::new();
        wait_until("the sessions in the list", || {
            let answer: serde_json::Value =
                serde_json::from_str(&self.told(&["sessions", "--json"])).unwrap();
            sessions.clone_from(answer["sessions"].as_array().unwrap());
            sessions.len() == count
        });
        sessions
    }

    /// Waits until it has ended and gives its exit code.
    #[track_caller]
    pub fn exit_code(&mut self) -> i32 {
        self.process.exit_code()
    }

    /// Kills it, without any chance to clean up. Its folder stays.
    pub fn kill(self) -> TempDir {
        let (process, folder) = self.into_parts();
        drop(process);
        folder
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }
}
