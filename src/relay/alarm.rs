//! When something is due that no byte brings about.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that may be asked for another time at each look.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Whether it is that time. If not, the task is woken then, or earlier.
    pub(super) fn is_time(&mut self, context: &mut Context<'_>, at: Instant) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        // Not for each byte: a timer that is too early is set anew when it fires.
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        // The clock decides: when the task's budget is used up, the timer is never ready.
        while Instant::now() < at {
            if timer.as_mut().poll(context).is_pending() {
                return false;
            }
            timer.as_mut().reset(at);
        }
        true
    }
}
