//! Tables for people: what `inetd status`, `sessions` and `top` print.

use std::time::Duration;

use crate::control::status::{CaughtStatus, ServiceStatus, SessionStatus, Status};
use crate::record::format::is_unsafe;
use crate::session::Stage;

/// A table: one line of headings, then the rows.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) heading: String,
    pub(super) rows: Vec<String>,
}

impl Table {
    /// Each column as wide as its widest cell.
    fn new<const N: usize>(headings: [&str; N], cells: Vec<[String; N]>) -> Self {
        let cells: Vec<_> = cells.into_iter().map(|row| row.map(|cell| printable(&cell))).collect();
        let width = |column: usize| {
            let widths = cells.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or(0).max(headings[column].len())
        };
        let widths: [usize; N] = std::array::from_fn(width);
        let line = |row: [&str; N]| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line += &format!("{cell:width$}  ");
            }
            line.trim_end().to_owned()
        };
        let rows = cells.iter().map(|row| line(std::array::from_fn(|i| row[i].as_str())));
        Self { rows: rows.collect(), heading: line(headings) }
    }

    /// All lines.
    pub(super) fn text(&self) -> String {
        let lines = std::iter::once(&self.heading).chain(&self.rows);
        lines.map(|line| format!("{line}\n")).collect()
    }
}

/// One line about the daemon.
pub(super) fn daemon(status: &Status) -> String {
    let Status { version, pid, sessions, seconds, .. } = status;
    let sessions = match status.max_sessions {
        Some(limit) => format!("{sessions} of {limit} sessions"),
        None => count_of_sessions(*sessions),
    };
    let what = if status.state == Stage::Running { "running" } else { "stopping" };
    let time = time(*seconds);
    format!("inetd {version} (pid {pid}), {what} for {time}, {sessions}")
}

/// `1 session`.
pub(super) fn count_of_sessions(count: u32) -> String {
    match count {
        0 => "no session".into(),
        1 => "1 session".into(),
        count => format!("{count} sessions"),
    }
}

/// A line about those who have touched a sensor, if there are any.
pub(super) fn caught(caught: &[CaughtStatus]) -> String {
    const SHOWN: usize = 10;
    if caught.is_empty() {
        return String::new();
    }
    let list: Vec<_> = caught
        .iter()
        .take(SHOWN)
        .map(|caught| format!("{} ({})", caught.source, time(caught.seconds)))
        .collect();
    let more = match caught.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("refused everywhere, because of a sensor: {}{more}\n", list.join(", "))
}

/// The services.
pub(super) fn services(services: &[ServiceStatus]) -> Table {
    let headings = ["SERVICE", "STATE", "SESSIONS", "STARTED", "REFUSED", "FAILED", "LISTEN"];
    let cells = services.iter().map(|service| {
        let [state, sessions] = [state(service).to_owned(), sessions_of(service)];
        let [started, refused, failed] =
            [service.started, service.refused, service.failed].map(|count| count.to_string());
        [service.name.clone(), state, sessions, started, refused, failed, addresses(service)]
    });
    Table::new(headings, cells.collect())
}

/// The services with the programs that were started in the last second.
pub(super) fn busy_services(services: &[ServiceStatus], rates: &[u64]) -> Table {
    let headings = ["SERVICE", "STATE", "SESSIONS", "NEW/S", "REFUSED", "FAILED", "LISTEN"];
    let cells = services.iter().zip(rates).map(|(service, rate)| {
        let [state, sessions] = [state(service).to_owned(), sessions_of(service)];
        let [rate, refused, failed] =
            [*rate, service.refused, service.failed].map(|count| count.to_string());
        [service.name.clone(), state, sessions, rate, refused, failed, addresses(service)]
    });
    Table::new(headings, cells.collect())
}

/// The sessions.
pub(super) fn sessions<'a>(sessions: impl IntoIterator<Item = &'a SessionStatus>) -> Table {
    let headings = ["SESSION", "SERVICE", "PEER", "PID", "TIME", "IO", "STATE"];
    let cells = sessions.into_iter().map(|session| {
        [
            session.id.to_string(),
            session.service.clone(),
            session.peer.clone().unwrap_or_else(|| "-".into()),
            session.pid.map_or_else(|| "-".into(), |pid| pid.to_string()),
            time(session.seconds),
            session.io.clone(),
            match session.state {
                Stage::Running => "running",
                Stage::Stopping => "stopping",
                Stage::Ending => "ending",
            }
            .into(),
        ]
    });
    Table::new(headings, cells.collect())
}

fn state(service: &ServiceStatus) -> &'static str {
    match service {
        ServiceStatus { draining: true, sessions: 0, .. } => "drained",
        ServiceStatus { draining: true, .. } => "draining",
        ServiceStatus { pending, .. } if !pending.is_empty() => "not bound",
        _ => "open",
    }
}

fn sessions_of(service: &ServiceStatus) -> String {
    let limit = service.max_sessions.map(|limit| format!("/{limit}")).unwrap_or_default();
    format!("{}{limit}", service.sessions)
}

fn addresses(service: &ServiceStatus) -> String {
    let pending = service.pending.iter().map(|address| format!("({address} not yet)"));
    service.listen.iter().cloned().chain(pending).collect::<Vec<_>>().join(" ")
}

/// `3h 5m 7s`.
pub(super) fn time(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

/// The name of a peer's Unix socket is the peer's choice: nothing in it reaches the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(peer: &str) -> SessionStatus {
        SessionStatus {
            id: 7,
            service: "hello".into(),
            peer: Some(peer.into()),
            pid: Some(77),
            started: String::new(),
            seconds: 3661,
            io: "socket".into(),
            state: Stage::Running,
        }
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let expected = "\
SESSION  SERVICE  PEER               PID  TIME      IO      STATE
7        hello    127.0.0.1:1        77   1h 1m 1s  socket  running
7        hello    192.168.100.1:234  77   1h 1m 1s  socket  running
";
        let both = [session("127.0.0.1:1"), session("192.168.100.1:234")];
        assert_eq!(sessions(&both).text(), expected);
    }

    #[test]
    fn a_peer_cannot_play_with_the_terminal() {
        let text = sessions(&[session("unix:/tmp/\u{1b}[2J\n\u{202e}x")]).text();
        assert!(text.contains(" unix:/tmp/?[2J??x "), "{text}");
        assert_eq!(text.lines().count(), 2);
    }
}
