//! Runs the scenarios one after the other, each with a deadline; Ctrl-C ends them cleanly.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::bench::Bench;
use super::{Line, Outcome, Scenario, Verdict, scenarios};
use crate::sys::signals::Signals;

/// How long a scenario may take, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long it takes until Ctrl-C has reached everybody.
const MOMENT: Duration = Duration::from_millis(200);
/// How long a scenario may take to notice that its daemons are gone.
const GRACE: Duration = Duration::from_secs(5);

/// What the runner waits for.
enum Event {
    /// The scenario with this index is over.
    Over(usize, Result<Outcome>),
    /// Somebody wants us to end.
    Interrupted,
}

/// The same, as the runner sees it.
enum Next {
    Over(Result<Outcome>),
    Interrupted,
    Late,
}

/// Runs every scenario and gives its line to `tell` when it is over.
///
/// Call it after [`crate::sys::startup::prepare`].
///
/// # Errors
/// It was interrupted, or cannot start.
pub fn run(mut tell: impl FnMut(&Line)) -> Result<()> {
    let (sender, events) = mpsc::channel();
    watch_for_requests(sender.clone())?;
    for (index, scenario) in scenarios::all().enumerate() {
        let bench = Arc::new(Bench::new().context("cannot make a folder for the self-test")?);
        let begin = Instant::now();
        let outcome = one(index, scenario, &bench, &sender, &events);
        let (result, detail) = match outcome {
            Some(Ok(Outcome::Works)) => (Verdict::Ok, String::new()),
            Some(Ok(Outcome::Seen(what))) => (Verdict::Ok, what),
            Some(Ok(Outcome::Skipped(why))) => (Verdict::Skipped, why),
            Some(Err(error)) => (Verdict::Failed, format!("{error:#}")),
            None => bail!("interrupted in the scenario `{}`", scenario.name),
        };
        let Scenario { name, shows, .. } = *scenario;
        let seconds = (begin.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        tell(&Line { name, shows, result, detail, seconds });
    }
    Ok(())
}

/// Runs one scenario. `None` if somebody wants us to end.
fn one(
    index: usize,
    scenario: &Scenario,
    bench: &Arc<Bench>,
    sender: &Sender<Event>,
    events: &Receiver<Event>,
) -> Option<Result<Outcome>> {
    let (run, thread_bench, thread_sender) = (scenario.run, Arc::clone(bench), sender.clone());
    let thread = thread::Builder::new().name(scenario.name.into()).spawn(move || {
        let outcome = run(&thread_bench);
        // Before it is over: the next one begins with nothing left of this one.
        thread_bench.close();
        drop(thread_bench);
        // Nobody waits for a scenario that was given up.
        drop(thread_sender.send(Event::Over(index, outcome)));
    });
    if let Err(error) = thread {
        return Some(Err(error.into()));
    }
    let outcome = match next(events, index, DEADLINE) {
        Next::Over(Ok(outcome)) => return Some(Ok(outcome)),
        // Ctrl-C reaches the daemons as well, and then the scenario may be the first to fail.
        Next::Over(Err(error)) => {
            let interrupted = matches!(next(events, index, MOMENT), Next::Interrupted);
            return (!interrupted).then_some(Err(error));
        }
        Next::Interrupted => None,
        Next::Late => Some(Err(anyhow!("it took longer than {} s", DEADLINE.as_secs()))),
    };
    // Without its daemons it ends soon, with an error.
    bench.close();
    next(events, index, GRACE);
    bench.remove();
    outcome
}

/// What comes next from the scenario with this index.
fn next(events: &Receiver<Event>, index: usize, limit: Duration) -> Next {
    let end = Instant::now() + limit;
    loop {
        match events.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Event::Over(done, outcome)) if done == index => return Next::Over(outcome),
            Ok(Event::Over(..)) => {} // One that was given up.
            Ok(Event::Interrupted) => return Next::Interrupted,
            Err(_) => return Next::Late,
        }
    }
}

/// Tells of Ctrl-C and the like.
fn watch_for_requests(sender: Sender<Event>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watch = move || {
        let request = runtime.block_on(async {
            let mut signals = Signals::new()?;
            signals.next().await
        });
        if request.is_ok() {
            drop(sender.send(Event::Interrupted));
        }
    };
    thread::Builder::new().spawn(watch)?;
    Ok(())
}
