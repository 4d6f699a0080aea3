//! Named pipes as listeners.
//!
//! A client gets one instance of the pipe for itself, and the program gets the other end of the
//! same instance, which therefore must not have the overlapped attribute. Then nothing but a thread
//! that blocks can wait for a client ("Synchronous and Overlapped Input and Output"), one for each
//! instance, because nothing says which of several instances a client gets. The threads take
//! clients on, up to the backlog, and make the next instance before they hand one over; so a client
//! finds one even while many come at a time. Instances for the relay do have the attribute, and the
//! same threads.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_NO_DATA, ERROR_OPERATION_ABORTED, ERROR_PIPE_CONNECTED, ERROR_PIPE_LISTENING,
};

pub(super) use self::instance::Instance;
use self::instance::{Name, Tuning};
use super::{Connection, Peer};
use crate::config::SocketOptions;
use crate::listener::endpoint::{Address, Endpoint};
use crate::sys::platform::pipe_name::is;
use crate::sys::platform::poll::{Poller, Port};

mod instance;

/// Instances that wait for a client.
const WAITING: usize = 4;
/// A thread calls the system and nothing else.
const STACK: usize = 64 * 1024;
/// How long to wait until a thread that was about to call `ConnectNamedPipe` has done so.
const AGAIN: Duration = Duration::from_millis(1);

/// A named pipe that gives its clients as connections.
#[derive(Debug)]
pub(super) struct PipeListener {
    local: Endpoint,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the listener and its threads share.
#[derive(Debug)]
struct Shared {
    name: Name,
    state: Mutex<State>,
    /// Told when `state` has changed in a way that a thread may wait for.
    changed: Condvar,
    port: OnceLock<Arc<Port>>,
}

#[derive(Debug)]
struct State {
    tuning: Tuning,
    /// For each thread, the instance that waits for its client.
    waiting: [Option<Instance>; WAITING],
    /// Instances with clients that nobody has accepted yet.
    connected: VecDeque<Instance>,
    /// Why there is no further instance. The threads wait until somebody knows.
    failed: Option<io::Error>,
    /// What to tell of the next client.
    armed: Option<u64>,
    closing: bool,
}

impl PipeListener {
    /// # Errors
    /// `AddrInUse` if somebody serves this pipe; those of `CreateNamedPipe`.
    pub(super) fn bind(name: &str, options: &SocketOptions) -> io::Result<Self> {
        let tuning = Tuning::new(options)?;
        let shared = Arc::new(Shared {
            name: Name::claim(name, &tuning)?,
            state: Mutex::new(State {
                tuning,
                waiting: [const { None }; WAITING],
                connected: VecDeque::new(),
                failed: None,
                armed: None,
                closing: false,
            }),
            changed: Condvar::new(),
            port: OnceLock::new(),
        });
        let local = Endpoint::Pipe(name.to_owned());
        let mut listener = Self { local, shared, threads: Vec::with_capacity(WAITING) };
        for slot in 0..WAITING {
            let first = listener.shared.create()?;
            let shared = Arc::clone(&listener.shared);
            let thread = std::thread::Builder::new().name("pipe".into()).stack_size(STACK);
            listener.threads.push(thread.spawn(move || shared.serve(slot, first))?);
        }
        Ok(listener)
    }

    /// Changes what can be changed, which is everything. Clients that nobody has accepted yet are
    /// lost if the relay takes the place of the programs, or the other way round.
    pub(super) fn retune(&self, options: &SocketOptions) -> io::Result<()> {
        let tuning = Tuning::new(options)?;
        self.shared.name.allow(&tuning.rights)?;
        let mut state = self.shared.lock();
        let relayed = tuning.relayed;
        state.tuning = tuning;
        state.connected.retain(|instance| instance.relayed == relayed);
        drop(self.shared.dismiss(state, |instance| instance.relayed != relayed));
        Ok(())
    }

    pub(super) fn local(&self) -> &Endpoint {
        &self.local
    }

    pub(super) fn arm(&self, poller: &Poller, token: u64) -> io::Result<()> {
        self.shared.port.get_or_init(|| poller.port());
        let mut state = self.shared.lock();
        state.armed = Some(token);
        self.shared.tell(&mut state)
    }

    pub(super) fn accept(&self) -> io::Result<(Connection, Address)> {
        let mut state = self.shared.lock();
        let Some(instance) = state.connected.pop_front() else {
            let nobody = io::Error::from_raw_os_error(ERROR_PIPE_LISTENING.cast_signed());
            let error = state.failed.take().unwrap_or(nobody);
            self.shared.changed.notify_all();
            return Err(error);
        };
        drop(state);
        self.shared.changed.notify_all();
        let process = instance.client()?;
        let file = !instance.relayed;
        Ok((Connection { peer: Peer::Pipe(instance), file }, Address::PipeClient(process)))
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.shared.lock().connected.is_empty()
    }
}

impl Drop for PipeListener {
    /// When this is over, no instance waits any more. The name is free when the sessions are over.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closing = true;
        drop(self.shared.dismiss(state, |_| true));
        for thread in self.threads.drain(..) {
            // A panic is told by the thread itself, and there is nothing to undo.
            drop(thread.join());
        }
    }
}

impl Shared {
    /// Gives clients to the listener until it closes. The first one gets `first`.
    fn serve(&self, slot: usize, first: Instance) {
        let mut next = Some(first);
        while self.wait_for_room() {
            let instance = next.take().map_or_else(|| self.create(), Ok);
            match instance.and_then(|instance| self.connect(slot, instance)) {
                Ok(Some(instance)) => {
                    // Before anybody knows of this one, whose end may be near.
                    let created = self.create();
                    self.deliver(Ok(instance));
                    match created {
                        Ok(instance) => next = Some(instance),
                        Err(error) => self.deliver(Err(error)),
                    }
                }
                Ok(None) => {}
                Err(error) => self.deliver(Err(error)),
            }
        }
    }

    /// Waits until there is room for one more client. False if the listener closes.
    fn wait_for_room(&self) -> bool {
        let mut state = self.lock();
        while !state.closing
            && (state.failed.is_some() || state.connected.len() >= state.tuning.backlog)
        {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.closing
    }

    /// Waits for the client of an instance. `None` if there will be none.
    fn connect(&self, slot: usize, instance: Instance) -> io::Result<Option<Instance>> {
        let mut state = self.lock();
        if state.closing || instance.relayed != state.tuning.relayed {
            return Ok(None);
        }
        let call = instance.connect();
        state.waiting[slot] = Some(instance);
        drop(state);
        // SAFETY: the instance stays in its slot until this thread takes it from there.
        let connected = unsafe { call.wait() };
        let mut state = self.lock();
        let instance = state.waiting[slot].take();
        self.changed.notify_all();
        match connected {
            Ok(()) => Ok(instance),
            // The client was faster than the call.
            Err(error) if is(&error, ERROR_PIPE_CONNECTED) => Ok(instance),
            // The client has come and gone, or we have lost interest.
            Err(error) if is(&error, ERROR_NO_DATA) || is(&error, ERROR_OPERATION_ABORTED) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the waiting of these instances: when this is over, there are none of them.
    fn dismiss<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        unwanted: impl Fn(&Instance) -> bool,
    ) -> MutexGuard<'a, State> {
        self.changed.notify_all();
        loop {
            let mut left = state.waiting.iter().flatten().filter(|i| unwanted(i)).peekable();
            if left.peek().is_none() {
                return state;
            }
            for instance in left {
                // If its thread has not begun to wait yet, there is nothing to end.
                instance.end_waiting();
            }
            let changed = self.changed.wait_timeout(state, AGAIN);
            state = changed.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Hands a client, or the reason why there is none, over to whoever accepts.
    fn deliver(&self, client: io::Result<Instance>) {
        let mut state = self.lock();
        match client {
            Ok(instance) if instance.relayed != state.tuning.relayed => return,
            Ok(instance) => state.connected.push_back(instance),
            Err(error) => state.failed = Some(error),
        }
        // Fails only if the system has no memory for a packet; the next client tries again.
        drop(self.tell(&mut state));
    }

    /// Posts the token of an armed listener if there is something to accept.
    fn tell(&self, state: &mut State) -> io::Result<()> {
        if state.connected.is_empty() && state.failed.is_none() {
            return Ok(());
        }
        let (Some(port), Some(token)) = (self.port.get(), state.armed) else { return Ok(()) };
        port.post(token)?;
        state.armed = None;
        Ok(())
    }

    /// One more instance.
    fn create(&self) -> io::Result<Instance> {
        self.name.instance(&self.lock().tuning)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
