//! `inetd doctor --selftest`: real daemons on this machine, real connections, and a table of what
//! works. What the tests of the developers cannot show, because they never ran on this system,
//! every user can see here.
//!
//! Each scenario is a function that gets an empty folder and starts daemons in it; the programs that
//! they serve are our own executable again, in a role (`child`). A scenario passes, is skipped with
//! the reason, or fails with what went wrong. Nothing outside of the folder is touched, and nothing
//! is left behind.

mod bench;
mod child;
mod client;
mod data;
mod runner;
mod scenarios;

use std::time::Duration;

use serde::Serialize;

use self::bench::Bench;
pub use self::child::play;
pub use self::runner::run;

/// The hidden command of our executable that plays a role.
pub const CHILD: &str = "__selftest-child";

/// How long one step of a scenario may take that happens at once on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between looks at what gives no event.
const PAUSE: Duration = Duration::from_millis(5);

/// Something that has to work.
struct Scenario {
    /// A short name, which documentation refers to.
    name: &'static str,
    /// What it shows, as a sentence.
    shows: &'static str,
    run: fn(&Bench) -> anyhow::Result<Outcome>,
}

/// How a scenario went that did not fail.
enum Outcome {
    /// It works.
    Works,
    /// It works; this was measured or seen.
    Seen(String),
    /// It was not tried, for this reason.
    Skipped(String),
}

/// How a scenario went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It works.
    Ok,
    /// It does not work.
    Failed,
    /// It was not tried.
    Skipped,
}

/// A line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The name of the scenario.
    pub name: &'static str,
    /// What it shows.
    pub shows: &'static str,
    /// How it went.
    pub result: Verdict,
    /// Why it failed or was skipped, or what was seen.
    pub detail: String,
    /// How long it took.
    pub seconds: f64,
}

impl Line {
    /// The width of the first column: that of the longest name.
    fn width() -> usize {
        scenarios::all().map(|scenario| scenario.name.len()).max().unwrap_or(0)
    }

    /// The line of the table, and more lines for what there is to say.
    pub fn render(&self) -> String {
        let width = Self::width();
        let result = match self.result {
            Verdict::Ok => "ok",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "skipped",
        };
        let mut text = format!("{:width$}  {result:7}  {}\n", self.name, self.shows);
        for line in self.detail.lines() {
            text += &format!("{:width$}           {line}\n", "");
        }
        text
    }
}
