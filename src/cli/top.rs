//! `inetd top`: services and sessions, live.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::ArgMatches;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{
    self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{execute, queue};

use super::table::{self, Table};
use super::{FAILED, control, fail, output};
use crate::control::client::{self, ClientError};
use crate::control::status::{SessionStatus, Status};

/// How often the picture is renewed.
const PERIOD: Duration = Duration::from_secs(1);
/// The size of a terminal that does not tell its own.
const USUAL_SIZE: (u16, u16) = (80, 24);

pub(super) fn top(matches: &ArgMatches) -> ExitCode {
    control::talk(matches, async |endpoint| {
        let mut view = View::new(endpoint).await?;
        if !stdout().is_terminal() {
            return Ok(output::out(&view.text()));
        }
        // A terminal without such a mode, for instance that of a shell of Cygwin on Windows.
        let Ok(screen) = Screen::enter() else { return Ok(output::out(&view.text())) };
        let ended = live(endpoint, &mut view).await;
        drop(screen);
        Ok(match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(FAILED, format_args!("cannot use the terminal: {error}")),
        })
    })
}

async fn live(endpoint: &str, view: &mut View) -> io::Result<()> {
    loop {
        view.draw()?;
        let renew_at = Instant::now() + PERIOD;
        // Draws again if the size has changed.
        while event::poll(renew_at.saturating_duration_since(Instant::now()))? {
            match event::read()? {
                event if is_end(&event) => return Ok(()),
                Event::Resize(..) => view.draw()?,
                _ => {}
            }
        }
        view.renew(endpoint).await;
    }
}

/// `q`, Escape, and Ctrl-C, which is only a key in this mode.
fn is_end(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let interrupt = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
    key.kind == KeyEventKind::Press
        && (interrupt || matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc))
}

/// The terminal while it is ours. It is as before when this is dropped.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        let screen = Self;
        execute!(stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that has gone.
        drop(execute!(stdout(), Show, LeaveAlternateScreen));
        drop(disable_raw_mode());
    }
}

/// What is seen.
struct View {
    status: Status,
    sessions: Vec<SessionStatus>,
    /// Programs started a second, for each service.
    rates: Vec<u64>,
    taken: Instant,
    /// Why it is not of now.
    error: Option<String>,
}

impl View {
    async fn new(endpoint: &str) -> Result<Self, ClientError> {
        let (status, sessions) = look(endpoint).await?;
        let rates = vec![0; status.services.len()];
        Ok(Self { status, sessions, rates, taken: Instant::now(), error: None })
    }

    async fn renew(&mut self, endpoint: &str) {
        match look(endpoint).await {
            Ok((status, sessions)) => {
                let seconds = self.taken.elapsed().as_secs_f64().max(0.001);
                self.rates = rates(&self.status, &status, seconds);
                (self.status, self.sessions) = (status, sessions);
                self.taken = Instant::now();
                self.error = None;
            }
            // The daemon is restarted, perhaps.
            Err(error) => self.error = Some(format!("{error}; q quits")),
        }
    }

    /// All of it, for a file or another program.
    fn text(&self) -> String {
        let services = table::services(&self.status.services).text();
        let sessions = table::sessions(&self.sessions).text();
        format!("{}\n\n{services}\n{sessions}", table::daemon(&self.status))
    }

    fn draw(&self) -> io::Result<()> {
        let (width, height) = match terminal::size() {
            Ok((width @ 1.., height @ 1..)) => (width, height),
            _ => USUAL_SIZE,
        };
        let lines = self.lines(usize::from(height));
        let mut out = stdout().lock();
        queue!(out, MoveTo(0, 0))?;
        for (number, (is_heading, line)) in lines.iter().enumerate() {
            if number > 0 {
                queue!(out, Print("\r\n"))?;
            }
            // Not in the last column, where some terminals begin a new line.
            let line: String = line.chars().take(usize::from(width) - 1).collect();
            if *is_heading {
                queue!(out, SetAttribute(Attribute::Reverse))?;
            }
            queue!(out, Print(line), SetAttribute(Attribute::Reset))?;
            queue!(out, Clear(ClearType::UntilNewLine))?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        out.flush()
    }

    /// As many lines as fit, each with whether it is a heading.
    fn lines(&self, height: usize) -> Vec<(bool, String)> {
        let first = self.error.clone().unwrap_or_else(|| table::daemon(&self.status));
        // Of sessions the newest are most likely to be what one looks for.
        let sessions = table::sessions(self.sessions.iter().rev());
        let services = table::busy_services(&self.status.services, &self.rates);
        let mut lines = vec![(false, first), (false, String::new())];
        // Below are an empty line, a heading and, if there are any, at least two sessions.
        let below = 2 + sessions.rows.len().min(height / 3);
        cut(&mut lines, services, height.saturating_sub(3 + below));
        lines.push((false, String::new()));
        let left = height.saturating_sub(lines.len() + 1);
        cut(&mut lines, sessions, left);
        lines.truncate(height);
        lines
    }
}

/// Adds a table of which at most `room` rows are shown.
fn cut(lines: &mut Vec<(bool, String)>, table: Table, room: usize) {
    let count = table.rows.len();
    lines.push((true, table.heading));
    if count <= room {
        lines.extend(table.rows.into_iter().map(|row| (false, row)));
    } else {
        let shown = room.saturating_sub(1);
        lines.extend(table.rows.into_iter().take(shown).map(|row| (false, row)));
        lines.push((false, format!("... and {} more", count - shown)));
    }
}

fn rates(before: &Status, now: &Status, seconds: f64) -> Vec<u64> {
    let before: HashMap<_, _> =
        before.services.iter().map(|service| (&service.name, service.started)).collect();
    let rate = |started: u64, before: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a rate is a rough number")]
        let rate = (started.saturating_sub(before) as f64 / seconds).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
        let rate = rate as u64;
        rate
    };
    let services = now.services.iter();
    services
        .map(|service| {
            // A daemon that was restarted counts anew.
            rate(service.started, *before.get(&service.name).unwrap_or(&service.started))
        })
        .collect()
}

async fn look(endpoint: &str) -> Result<(Status, Vec<SessionStatus>), ClientError> {
    let status = client::status(endpoint).await?;
    Ok((status, client::sessions(endpoint).await?.sessions))
}
