//! CreateProcessW and CreateProcessAsUserW, with exactly the handles and the job that are asked for.
//!
//! Every process of the daemon is made here. No other call may make one: a call without a handle
//! list would pass on whatever is inheritable at that moment, the connections of other peers too.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::ptr;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Console::HPCON;
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessAsUserW, CreateProcessW,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList,
    LPPROC_THREAD_ATTRIBUTE_LIST, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
    PROC_THREAD_ATTRIBUTE_JOB_LIST, PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, PROCESS_INFORMATION,
    STARTF_USESTDHANDLES, STARTUPINFOEXW, UpdateProcThreadAttribute,
};

use super::handle::{check, is_inheritable, own};
use super::job::Job;
use super::token::Token;

/// What is made. Texts end with a NUL.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// The executable. It is always named, so the system never searches for one.
    pub(super) application: &'a [u16],
    /// Its command line.
    pub(super) command_line: Vec<u16>,
    /// An environment block; `None` is our own.
    pub(super) environment: Option<&'a [u16]>,
    /// The working directory; `None` is our own.
    pub(super) directory: Option<&'a [u16]>,
    /// Standard input, output and error, inheritable; `None` passes no handle at all. With a
    /// console, null stands for the console.
    pub(super) stdio: Option<[HANDLE; 3]>,
    /// The pseudo console that it sits at.
    pub(super) console: Option<HPCON>,
    /// One more inheritable handle. The process is not told of it, but holds it until its end.
    pub(super) held: Option<HANDLE>,
    /// Who it is; `None` is our own user, with all that we may do.
    pub(super) token: Option<&'a Token>,
    /// The job that it is in from its first instruction on.
    pub(super) job: Option<&'a Job>,
    /// Creation flags.
    pub(super) flags: u32,
}

/// A new process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) handle: OwnedHandle,
    pub(super) id: u32,
}

/// Makes a process.
pub(super) fn create(order: Order<'_>) -> io::Result<Process> {
    // Null handles: it has no standard input and output.
    let stdio = order.stdio.unwrap_or([ptr::null_mut(); 3]);
    let passed = order.stdio.into_iter().flatten().chain(order.held);
    let inherited = list_of(passed.filter(|h| order.console.is_none() || !h.is_null()))?;
    let job = order.job.map(Job::as_raw);
    let mut memory = AttributeMemory::default();
    let mut attributes = Attributes::new(&mut memory, 3)?;
    if !inherited.is_empty() {
        attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &inherited)?;
    }
    if let Some(job) = &job {
        attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, std::slice::from_ref(job))?;
    }
    if let Some(console) = order.console {
        attributes.set_console(console)?;
    }

    let mut start = STARTUPINFOEXW { lpAttributeList: attributes.as_raw(), ..Default::default() };
    start.StartupInfo.cb = size_of::<STARTUPINFOEXW>().try_into().unwrap_or(0);
    start.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    [start.StartupInfo.hStdInput, start.StartupInfo.hStdOutput, start.StartupInfo.hStdError] =
        stdio;
    // Of the same name as ours is a desktop that another logon has no right to. An empty name makes
    // the system look for the one of that logon, and make it if there is none ("Process Connection
    // to a Window Station").
    let mut desktop = [0_u16];
    if order.token.is_some_and(Token::has_own_logon) {
        start.StartupInfo.lpDesktop = desktop.as_mut_ptr();
    }
    // The system may write to it.
    let mut command_line = order.command_line;
    let mut information = PROCESS_INFORMATION::default();
    let inherit = i32::from(!inherited.is_empty());
    let flags = order.flags | EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT;
    let environment = order.environment.map_or(ptr::null(), |block| block.as_ptr().cast());
    let directory = order.directory.map_or(ptr::null(), <[u16]>::as_ptr);
    check(match order.token {
        // SAFETY: all pointers are valid for the call; the texts end with a NUL (two for the
        // block); `cb` tells of the attribute list, whose values live until the end of this
        // function.
        None => unsafe {
            CreateProcessW(
                order.application.as_ptr(),
                command_line.as_mut_ptr(),
                ptr::null(),
                ptr::null(),
                inherit,
                flags,
                environment,
                directory,
                &raw const start.StartupInfo,
                &raw mut information,
            )
        },
        // SAFETY: as above, and the token is open.
        Some(token) => unsafe {
            CreateProcessAsUserW(
                token.as_raw(),
                order.application.as_ptr(),
                command_line.as_mut_ptr(),
                ptr::null(),
                ptr::null(),
                inherit,
                flags,
                environment,
                directory,
                &raw const start.StartupInfo,
                &raw mut information,
            )
        },
    })?;
    // SAFETY: a new handle that nobody else owns.
    drop(unsafe { own(information.hThread) });
    // SAFETY: a new handle that nobody else owns.
    let handle = unsafe { own(information.hProcess) }?;
    Ok(Process { handle, id: information.dwProcessId })
}

/// The handles for the list: none twice, none null, and all inheritable. Windows refuses a list
/// that is different, but with an error that tells nothing, and Wine takes it.
fn list_of(handles: impl Iterator<Item = HANDLE>) -> io::Result<Vec<HANDLE>> {
    let mut list = Vec::new();
    for handle in handles {
        if list.contains(&handle) {
            continue;
        }
        if handle.is_null() || !is_inheritable(handle)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a handle is not inheritable"));
        }
        list.push(handle);
    }
    Ok(list)
}

/// Room for a list of attributes, in units that are aligned as pointers are. Wine and every Windows
/// that is known need three words, and three more for each attribute; here is room for nine.
type AttributeMemory = [usize; 32];

/// A list of attributes for a new process. It borrows its memory and the values that are in it.
struct Attributes<'a> {
    memory: &'a mut AttributeMemory,
    values: std::marker::PhantomData<&'a [HANDLE]>,
}

impl<'a> Attributes<'a> {
    /// # Errors
    /// The system needs more memory for so many attributes.
    fn new(memory: &'a mut AttributeMemory, count: u32) -> io::Result<Self> {
        let mut size = size_of_val(memory);
        // SAFETY: pointer and size are those of the memory; less than it may be used.
        check(unsafe {
            InitializeProcThreadAttributeList(memory.as_mut_ptr().cast(), count, 0, &raw mut size)
        })?;
        Ok(Self { memory, values: std::marker::PhantomData })
    }

    fn set(&mut self, attribute: u32, value: &'a [HANDLE]) -> io::Result<()> {
        // SAFETY: the list keeps a pointer to the value, which outlives it.
        unsafe { self.set_raw(attribute, value.as_ptr().cast(), size_of_val(value)) }
    }

    /// Of all attributes only this one is itself what others point to.
    fn set_console(&mut self, console: HPCON) -> io::Result<()> {
        let value = ptr::with_exposed_provenance(console.cast_unsigned());
        // SAFETY: the list keeps the handle, which the caller keeps open.
        unsafe { self.set_raw(PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, value, size_of_val(&console)) }
    }

    /// # Safety
    /// The value is of the kind that the attribute wants, and lives as long as the list.
    unsafe fn set_raw(
        &mut self,
        attribute: u32,
        value: *const c_void,
        size: usize,
    ) -> io::Result<()> {
        // SAFETY: an initialised list; the rest by the contract of this function.
        check(unsafe {
            UpdateProcThreadAttribute(
                self.as_raw(),
                0,
                attribute as usize,
                value,
                size,
                ptr::null_mut(),
                ptr::null(),
            )
        })
    }

    fn as_raw(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.memory.as_mut_ptr().cast()
    }
}

impl Drop for Attributes<'_> {
    fn drop(&mut self) {
        // SAFETY: an initialised list that nobody uses any more.
        unsafe { DeleteProcThreadAttributeList(self.memory.as_mut_ptr().cast()) };
    }
}

#[cfg(test)]
mod tests {
    use std::os::windows::io::{AsHandle, AsRawHandle};

    use super::*;
    use crate::sys::platform::handle::inheritable_copy;

    #[test]
    fn a_handle_list_has_no_duplicates() {
        let file = std::fs::File::open("NUL").unwrap();
        let (a, b) = (inheritable_copy(file.as_handle()), inheritable_copy(file.as_handle()));
        let (a, b) = (a.unwrap(), b.unwrap());
        let (a, b) = (a.as_raw_handle(), b.as_raw_handle());
        assert_eq!(list_of([a, a, b].into_iter()).unwrap(), [a, b]);
        assert_eq!(list_of([a, a, a].into_iter()).unwrap(), [a]);
    }

    #[test]
    fn a_handle_that_is_not_inheritable_is_refused() {
        let file = std::fs::File::open("NUL").unwrap();
        assert!(list_of([file.as_raw_handle(); 3].into_iter()).is_err());
        assert!(list_of([ptr::null_mut(); 3].into_iter()).is_err());
    }
}
