//! Work that waits (for a resolver, for files, for threads to end), beside a runtime. Not on tokio's
//! threads for this: where the system has no thread left, tokio panics, and the end of a runtime
//! would wait for them.

use std::io;
use std::thread::Builder;

use tokio::sync::oneshot;

/// Resolvers put large things on the stack.
const STACK: usize = 256 * 1024;

/// Does `work` on a thread of its own, of this name, and gives what comes out of it. Whoever waits may
/// give up; the work goes on.
///
/// # Errors
/// There is no thread for it.
pub(crate) async fn aside<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    let thread = Builder::new().name(name.into()).stack_size(STACK);
    thread.spawn(move || drop(sender.send(work())))?;
    // Only a fault of the work itself drops the sender.
    receiver.await.map_err(io::Error::other)
}
