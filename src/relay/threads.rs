//! The threads that relay. Each has a runtime of its own and keeps the relays that it was given: one
//! that moves its bytes all the time never waits for another thread to take part in it. A relay goes to
//! the thread that has the fewest.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::sys::processors;

/// Time for the threads to end.
const LAST_MOMENT: Duration = Duration::from_secs(1);
/// Stack of a thread.
const STACK: usize = 256 * 1024;

/// Where relays run: a thread for each processor at the most, and none before there is a relay.
#[derive(Debug, Default)]
pub struct Relays {
    threads: Mutex<Vec<Thread>>,
}

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    /// One more reference for each relay.
    relays: Arc<()>,
    /// When it is dropped the thread ends.
    stop: oneshot::Sender<()>,
    /// Closed when it has ended.
    ended: oneshot::Receiver<()>,
}

impl Relays {
    /// A place for a relay.
    ///
    /// # Errors
    /// There is no memory, thread or descriptor for the first of the threads.
    pub(super) fn place(&self) -> io::Result<Place> {
        let mut threads = self.lock();
        let busy = threads.iter().all(|thread| thread.relays() > 0);
        if busy && threads.len() < processors() {
            match Thread::start() {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => return Err(error),
                // Those that there are have to do.
                Err(_) => {}
            }
        }
        let thread = threads.iter().min_by_key(|thread| thread.relays());
        let thread = thread.ok_or(io::ErrorKind::NotFound)?;
        Ok(Place { runtime: thread.runtime.clone(), counted: Arc::clone(&thread.relays) })
    }

    /// Ends the threads, with all relays that there still are: a process should not end while its
    /// threads are in the middle of something. Call it on a runtime with a clock.
    pub async fn end(&self) {
        let threads = std::mem::take(&mut *self.lock());
        let (stops, all): (Vec<_>, Vec<_>) =
            threads.into_iter().map(|thread| (thread.stop, thread.ended)).unzip();
        drop(stops);
        let all_ended = async {
            for ended in all {
                ended.await.ok();
            }
        };
        // One that does not end in time ends with the process.
        tokio::time::timeout(LAST_MOMENT, all_ended).await.ok();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place of a relay on a thread, which counts for it.
#[derive(Debug)]
pub(super) struct Place {
    runtime: Handle,
    counted: Arc<()>,
}

impl Place {
    /// Runs the relay.
    pub(super) fn spawn(self, relay: impl Future<Output = ()> + Send + 'static) {
        let counted = self.counted;
        self.runtime.spawn(async move {
            relay.await;
            drop(counted);
        });
    }
}

impl Thread {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ends, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("relay".into()).stack_size(STACK);
        let work = move || {
            // Nothing is ever sent.
            runtime.block_on(stopped).ok();
            // This ends its relays.
            drop(runtime);
            drop(ends);
        };
        thread.spawn(work).map_err(|error| {
            io::Error::new(error.kind(), format!("the system has no thread for relays: {error}"))
        })?;
        Ok(Self { runtime: handle, relays: Arc::default(), stop, ended })
    }

    fn relays(&self) -> usize {
        Arc::strong_count(&self.relays) - 1
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn counts(relays: &Relays) -> Vec<usize> {
        relays.lock().iter().map(Thread::relays).collect()
    }

    #[test]
    fn relays_go_where_there_are_fewest_and_end_with_the_threads() {
        let relays = Relays::default();
        assert!(counts(&relays).is_empty(), "no thread without a relay");
        let (ends, ended) = std::sync::mpsc::channel::<()>();
        let count = processors() * 2;
        for _ in 0..count {
            let ends = ends.clone();
            relays.place().unwrap().spawn(async move {
                pending::<()>().await;
                drop(ends);
            });
        }
        drop(ends);
        assert_eq!(counts(&relays), vec![2; processors()]);
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(relays.end());
        // All of them are dropped by now, and no thread is left that could take another.
        assert_eq!(ended.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
        assert!(counts(&relays).is_empty());
    }

    #[test]
    fn a_thread_is_started_only_if_the_others_have_relays() {
        let relays = Relays::default();
        for _ in 0..3 {
            let (done, is_done) = std::sync::mpsc::channel();
            relays.place().unwrap().spawn(async move { done.send(()).unwrap() });
            is_done.recv().unwrap();
            // The count goes down a moment after the relay is over.
            while counts(&relays).iter().any(|count| *count > 0) {
                std::thread::yield_now();
            }
        }
        assert_eq!(counts(&relays), [0]);
    }
}
