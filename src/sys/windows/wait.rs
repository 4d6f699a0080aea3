//! Turns the signal of an object into a token in the queue: a registered wait of the system's
//! thread pool, which has no limit of 64 objects.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx, WT_EXECUTEINWAITTHREAD,
    WT_EXECUTEONLYONCE,
};

use super::handle::check;
use super::poll::Port;

/// A registered wait. It ends on drop; the object must be open until then.
#[derive(Debug)]
pub(super) struct Wait {
    /// Not a handle of an object: only `UnregisterWaitEx` takes it.
    registration: HANDLE,
    shared: Arc<Shared>,
}

// SAFETY: the registration is used by `drop` alone, on whatever thread that is; the system allows
// it on any. The rest can be shared anyway.
unsafe impl Send for Wait {}
// SAFETY: as above; a shared `Wait` gives access to nothing but atomics.
unsafe impl Sync for Wait {}

/// What the callback reads.
#[derive(Debug)]
struct Shared {
    port: Arc<Port>,
    token: AtomicU64,
    armed: AtomicBool,
}

impl Wait {
    /// Posts `token` once, when `object` is signalled or if it is already.
    pub(super) fn once(
        object: BorrowedHandle<'_>,
        port: Arc<Port>,
        token: u64,
    ) -> io::Result<Self> {
        let shared = Shared { port, token: token.into(), armed: true.into() };
        Self::register(object, shared, WT_EXECUTEONLYONCE)
    }

    /// Posts a token for the first signal of `event` (one that resets itself) after each call of
    /// [`Wait::arm`]; signals in between are lost.
    pub(super) fn gated(event: BorrowedHandle<'_>, port: Arc<Port>) -> io::Result<Self> {
        let shared = Shared { port, token: 0.into(), armed: false.into() };
        Self::register(event, shared, 0)
    }

    /// Lets the next signal through, as `token`.
    pub(super) fn arm(&self, token: u64) {
        self.shared.token.store(token, Ordering::Relaxed);
        self.shared.armed.store(true, Ordering::Release);
    }

    fn register(object: BorrowedHandle<'_>, shared: Shared, flags: u32) -> io::Result<Self> {
        let shared = Arc::new(shared);
        let mut registration = ptr::null_mut();
        // The callback is short and never waits, so it may run in the thread that waits.
        // SAFETY: `shared` is at that address until `drop` has made sure that no callback runs or
        // will run; the object is open until then by the contract of this type.
        check(unsafe {
            RegisterWaitForSingleObject(
                &raw mut registration,
                object.as_raw_handle(),
                Some(signalled),
                Arc::as_ptr(&shared).cast(),
                INFINITE,
                flags | WT_EXECUTEINWAITTHREAD,
            )
        })?;
        Ok(Self { registration, shared })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // INVALID_HANDLE_VALUE: returns when no callback runs any more. This is never called from
        // a callback, where that would wait for itself.
        // SAFETY: a registration that is ended here and nowhere else.
        if unsafe { UnregisterWaitEx(self.registration, INVALID_HANDLE_VALUE) } == 0 {
            // A callback may still come, so what it reads has to stay for ever.
            std::mem::forget(Arc::clone(&self.shared));
        }
    }
}

unsafe extern "system" fn signalled(context: *mut c_void, _timed_out: bool) {
    // SAFETY: the pointer that `register` gave; it outlives the registration.
    let shared = unsafe { &*context.cast::<Shared>() };
    if shared.armed.swap(false, Ordering::AcqRel) {
        // Fails only if the system has no memory for a packet; nobody here could do better.
        drop(shared.port.post(shared.token.load(Ordering::Relaxed)));
    }
}
