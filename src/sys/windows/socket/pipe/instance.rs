//! One instance of a pipe, and what all instances of it have in common: its name and its rights.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Security::{DACL_SECURITY_INFORMATION, SetKernelObjectSecurity};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX, WRITE_DAC, WriteFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, GetNamedPipeClientProcessId, NAMED_PIPE_MODE, PIPE_NOWAIT,
    PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES,
    PIPE_WAIT, SetNamedPipeHandleState,
};
use windows_sys::Win32::System::Threading::CreateEventW;

use crate::config::SocketOptions;
use crate::sys::platform::handle::{check, own, wide};
use crate::sys::platform::pipe_name::{claim, full_name, in_use, is};
use crate::sys::platform::security::Descriptor;

/// What the system keeps of each direction until it is read, unless the options say otherwise.
const BUFFER: u32 = 64 * 1024;

/// The options that count for a pipe.
#[derive(Debug)]
pub(super) struct Tuning {
    /// Who may connect.
    pub(super) rights: Descriptor,
    /// The relay gets the connections.
    pub(super) relayed: bool,
    pub(super) backlog: usize,
    receive_buffer: u32,
    send_buffer: u32,
}

impl Tuning {
    pub(super) fn new(options: &SocketOptions) -> io::Result<Self> {
        Ok(Self {
            rights: Descriptor::ours_and(options.user.iter().chain(&options.group))?,
            relayed: options.relayed,
            backlog: options.backlog as usize,
            receive_buffer: options.receive_buffer.unwrap_or(BUFFER),
            send_buffer: options.send_buffer.unwrap_or(BUFFER),
        })
    }
}

/// One of the instances of a pipe.
#[derive(Debug)]
pub(in super::super) struct Instance {
    handle: OwnedHandle,
    /// It is open for overlapped calls: good for the relay, and for nobody else.
    pub(super) relayed: bool,
}

impl Instance {
    /// What a program can have as its standard input and output.
    pub(in super::super) fn for_a_program(&self) -> io::Result<BorrowedHandle<'_>> {
        if self.relayed { Err(changed()) } else { Ok(self.handle.as_handle()) }
    }

    /// Writes what there is room for, without waiting.
    pub(in super::super) fn offer(&self, text: &[u8]) -> io::Result<()> {
        self.set_mode(PIPE_NOWAIT)?;
        let size = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let mut written = 0;
        // Asked for by overlapped handles alone; nothing is under way when the call returns.
        let mut overlapped = OVERLAPPED::default();
        let overlapped = if self.relayed { &raw mut overlapped } else { ptr::null_mut() };
        // SAFETY: an open handle; the text has this size, and the call ends at once.
        let result = check(unsafe {
            WriteFile(
                self.handle.as_raw_handle(),
                text.as_ptr(),
                size,
                &raw mut written,
                overlapped,
            )
        });
        self.set_mode(PIPE_WAIT)?;
        result
    }

    /// The call that waits for a client.
    pub(super) fn connect(&self) -> Connect {
        Connect { instance: self.handle.as_raw_handle(), relayed: self.relayed }
    }

    /// Ends that call in another thread, on a synchronous instance too.
    pub(super) fn end_waiting(&self) {
        // Fails if there is no such call.
        // SAFETY: an open handle.
        unsafe { CancelIoEx(self.handle.as_raw_handle(), ptr::null()) };
    }

    /// The process id of the client.
    pub(super) fn client(&self) -> io::Result<u32> {
        let mut process = 0;
        // SAFETY: an open handle; the pointer is valid for the call.
        check(unsafe {
            GetNamedPipeClientProcessId(self.handle.as_raw_handle(), &raw mut process)
        })?;
        Ok(process)
    }

    fn set_mode(&self, mode: NAMED_PIPE_MODE) -> io::Result<()> {
        let mode = mode | PIPE_READMODE_BYTE;
        // SAFETY: an open handle; the pointer is valid for the call, and null leaves the rest as it
        // is.
        check(unsafe {
            SetNamedPipeHandleState(
                self.handle.as_raw_handle(),
                &raw const mode,
                ptr::null(),
                ptr::null(),
            )
        })
    }

    /// What the relay can use.
    pub(in super::super) fn into_relayed(self) -> io::Result<OwnedHandle> {
        if self.relayed { Ok(self.handle) } else { Err(changed()) }
    }
}

/// A client that came just when a reload made something else of the service.
fn changed() -> io::Error {
    io::Error::other("`io` was changed while the client connected to the pipe")
}

/// The call that waits for a client of an instance, apart from who owns the instance.
pub(super) struct Connect {
    instance: HANDLE,
    relayed: bool,
}

impl Connect {
    /// Waits.
    ///
    /// # Safety
    /// The instance is open until this returns.
    pub(super) unsafe fn wait(self) -> io::Result<()> {
        if self.relayed {
            return self.wait_overlapped();
        }
        // SAFETY: an open, synchronous instance by the contract of this function.
        check(unsafe { ConnectNamedPipe(self.instance, ptr::null_mut()) })
    }

    fn wait_overlapped(&self) -> io::Result<()> {
        // SAFETY: null stands for default security (not inheritable) and for no name.
        let event = unsafe { CreateEventW(ptr::null(), 1, 0, ptr::null()) };
        // SAFETY: a new handle that nobody else owns.
        let event = unsafe { own(event) }?;
        let mut overlapped = OVERLAPPED { hEvent: event.as_raw_handle(), ..OVERLAPPED::default() };
        // SAFETY: an instance that is open by the contract of `wait`. The call has ended before the
        // structure and the event go, because this function waits for it.
        match check(unsafe { ConnectNamedPipe(self.instance, &raw mut overlapped) }) {
            Err(error) if is(&error, ERROR_IO_PENDING) => {
                let (call, mut bytes) = (&raw const overlapped, 0);
                // SAFETY: the instance and the structure of the call that has just begun.
                check(unsafe { GetOverlappedResult(self.instance, call, &raw mut bytes, 1) })
            }
            other => other,
        }
    }
}

/// The name of a pipe, ours as long as this lives.
///
/// The system has a pipe as long as it has instances, and the first one says who may make others.
/// So we keep one that no client can get, because we are connected with it ourselves: even if all
/// others are gone for want of memory, nobody can take the name and our clients with it.
#[derive(Debug)]
pub(super) struct Name {
    full: Vec<u16>,
    _client: File,
    /// Here the rights to the pipe can be changed. The programs' instances cannot do that.
    first: OwnedHandle,
    _single: OwnedHandle,
}

impl Name {
    pub(super) fn claim(name: &str, tuning: &Tuning) -> io::Result<Self> {
        let name = full_name(name);
        let single = claim(&name)?;
        let full = wide(OsStr::new(&name))?;
        // Nobody but us may connect before we have.
        let ours = Tuning { rights: Descriptor::ours_alone()?, ..*tuning };
        let first =
            create(&full, FILE_FLAG_FIRST_PIPE_INSTANCE | WRITE_DAC, &ours).map_err(in_use)?;
        let client = File::open(&name).map_err(in_use)?;
        let name = Self { full, _client: client, first, _single: single };
        name.allow(&tuning.rights)?;
        Ok(name)
    }

    /// One more instance. A client can connect to it from now on.
    pub(super) fn instance(&self, tuning: &Tuning) -> io::Result<Instance> {
        let flags = if tuning.relayed { FILE_FLAG_OVERLAPPED } else { 0 };
        Ok(Instance { handle: create(&self.full, flags, tuning)?, relayed: tuning.relayed })
    }

    /// Changes who may connect. The rights belong to the pipe, not to an instance.
    pub(super) fn allow(&self, rights: &Descriptor) -> io::Result<()> {
        // SAFETY: the handle is open, and the descriptor is valid and only read.
        check(unsafe {
            SetKernelObjectSecurity(
                self.first.as_raw_handle(),
                DACL_SECURITY_INFORMATION,
                rights.pointer(),
            )
        })
    }
}

/// Makes an instance of a pipe. A client can connect to it from now on.
fn create(name: &[u16], flags: u32, tuning: &Tuning) -> io::Result<OwnedHandle> {
    let attributes = tuning.rights.attributes();
    // SAFETY: the name ends with a NUL; the attributes and the descriptor that they point to
    // outlive the call.
    let handle = unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_DUPLEX | flags,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            PIPE_UNLIMITED_INSTANCES,
            tuning.send_buffer,
            tuning.receive_buffer,
            0,
            &raw const attributes,
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new handle that nobody else owns.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}
