//! Job objects: the tree of processes of one session, and its limits.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_PROCESS_ABORTED, HANDLE};
use windows_sys::Win32::System::JobObjects::{
    CreateJobObjectW, JOB_OBJECT_CPU_RATE_CONTROL_ENABLE, JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP,
    JOB_OBJECT_LIMIT_ACTIVE_PROCESS, JOB_OBJECT_LIMIT_BREAKAWAY_OK,
    JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, JOB_OBJECT_LIMIT_JOB_MEMORY,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOB_OBJECT_UILIMIT, JOB_OBJECT_UILIMIT_DESKTOP,
    JOB_OBJECT_UILIMIT_DISPLAYSETTINGS, JOB_OBJECT_UILIMIT_EXITWINDOWS,
    JOB_OBJECT_UILIMIT_GLOBALATOMS, JOB_OBJECT_UILIMIT_HANDLES, JOB_OBJECT_UILIMIT_READCLIPBOARD,
    JOB_OBJECT_UILIMIT_SYSTEMPARAMETERS, JOB_OBJECT_UILIMIT_WRITECLIPBOARD,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_BASIC_UI_RESTRICTIONS,
    JOBOBJECT_CPU_RATE_CONTROL_INFORMATION, JOBOBJECT_CPU_RATE_CONTROL_INFORMATION_0,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JOBOBJECTINFOCLASS, JobObjectBasicAccountingInformation,
    JobObjectBasicUIRestrictions, JobObjectCpuRateControlInformation,
    JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject,
    TerminateJobObject,
};

use super::handle::{check, own};
use crate::config::{Limit, Resource, Tree};

/// The exit code of processes that we end.
const KILLED: u32 = ERROR_PROCESS_ABORTED;

/// `CpuRate` counts hundredths of a percent.
const CPU_RATE_PER_PERCENT: u64 = 100;

/// Everything that programs could do to others on the same desktop. A job with such limits can
/// have no other job in it ("Nested Jobs"), so this is not for every program: shells and build
/// tools make jobs of their own.
const NO_DESKTOP: JOB_OBJECT_UILIMIT = JOB_OBJECT_UILIMIT_DESKTOP
    | JOB_OBJECT_UILIMIT_DISPLAYSETTINGS
    | JOB_OBJECT_UILIMIT_EXITWINDOWS
    | JOB_OBJECT_UILIMIT_GLOBALATOMS
    | JOB_OBJECT_UILIMIT_HANDLES
    | JOB_OBJECT_UILIMIT_READCLIPBOARD
    | JOB_OBJECT_UILIMIT_SYSTEMPARAMETERS
    | JOB_OBJECT_UILIMIT_WRITECLIPBOARD;

/// The limits of a service in the system's form, the same for every session.
#[derive(Debug, Default)]
pub(super) struct JobLimits {
    kill_on_close: bool,
    breakaway: bool,
    no_desktop: bool,
    memory: Option<usize>,
    processes: Option<u32>,
    cpu_rate: Option<u32>,
}

impl JobLimits {
    /// # Errors
    /// `InvalidInput` if a value does not fit; `Unsupported` for limits that this system has not.
    pub(super) fn new(tree: Tree, limits: &[Limit], restrict: bool) -> io::Result<Self> {
        let mut job = Self {
            kill_on_close: tree == Tree::Kill,
            // A limit that a program can leave behind is none.
            breakaway: tree == Tree::Leave && limits.is_empty() && !restrict,
            no_desktop: restrict,
            ..Self::default()
        };
        for limit in limits {
            let Some(value) = limit.value else { continue };
            match limit.resource {
                Resource::JobMemory => job.memory = Some(value.try_into().map_err(too_large)?),
                Resource::JobProcesses => {
                    job.processes = Some(value.try_into().map_err(too_large)?);
                }
                Resource::JobCpuPercent if (1..=100).contains(&value) => {
                    let rate = value * CPU_RATE_PER_PERCENT;
                    job.cpu_rate = Some(rate.try_into().map_err(too_large)?);
                }
                Resource::JobCpuPercent => {
                    let text = "a share of the processors is from 1 to 100 percent";
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                Resource::AddressSpace
                | Resource::Core
                | Resource::Cpu
                | Resource::Data
                | Resource::FileSize
                | Resource::Files
                | Resource::Processes
                | Resource::Stack => {
                    let text = "Windows has no such limit: use memory, processes or cpu_percent";
                    return Err(io::Error::new(io::ErrorKind::Unsupported, text));
                }
            }
        }
        Ok(job)
    }
}

fn too_large(_: std::num::TryFromIntError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the limit is too large")
}

/// A job object. With `tree = "kill"` the end of the last handle to it, also by a crash of the
/// daemon, ends all processes in it.
#[derive(Debug)]
pub(super) struct Job {
    handle: OwnedHandle,
}

impl Job {
    /// An empty job without limits.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: null stands for default security (not inheritable) and for no name.
        let job = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
        // SAFETY: a new handle that nobody else owns.
        Ok(Self { handle: unsafe { own(job) }? })
    }

    pub(super) fn set_limits(&self, limits: &JobLimits) -> io::Result<()> {
        let mut information = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        // A crash ends a program and shows no dialog that nobody could close. Programs inherit
        // that from us as well (`startup`), but may undo it; they cannot undo this.
        let mut flags = JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        if limits.kill_on_close {
            flags |= JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        }
        if limits.breakaway {
            // Only for those who ask for it with CREATE_BREAKAWAY_FROM_JOB: the others are still
            // there when the session has to be stopped.
            flags |= JOB_OBJECT_LIMIT_BREAKAWAY_OK;
        }
        if let Some(bytes) = limits.memory {
            flags |= JOB_OBJECT_LIMIT_JOB_MEMORY;
            information.JobMemoryLimit = bytes;
        }
        if let Some(count) = limits.processes {
            flags |= JOB_OBJECT_LIMIT_ACTIVE_PROCESS;
            information.BasicLimitInformation.ActiveProcessLimit = count;
        }
        information.BasicLimitInformation.LimitFlags = flags;
        self.set(JobObjectExtendedLimitInformation, &information)?;
        if limits.no_desktop {
            let information = JOBOBJECT_BASIC_UI_RESTRICTIONS { UIRestrictionsClass: NO_DESKTOP };
            self.set(JobObjectBasicUIRestrictions, &information)?;
        }
        if let Some(rate) = limits.cpu_rate {
            let information = JOBOBJECT_CPU_RATE_CONTROL_INFORMATION {
                ControlFlags: JOB_OBJECT_CPU_RATE_CONTROL_ENABLE
                    | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP,
                Anonymous: JOBOBJECT_CPU_RATE_CONTROL_INFORMATION_0 { CpuRate: rate },
            };
            self.set(JobObjectCpuRateControlInformation, &information)?;
        }
        Ok(())
    }

    /// Ends every process in the job. Those that are ending take a moment more.
    pub(super) fn terminate(&self) {
        // SAFETY: the handle is open and has all rights, so this cannot fail.
        unsafe { TerminateJobObject(self.handle.as_raw_handle(), KILLED) };
    }

    /// How many processes in it have not ended.
    pub(super) fn active(&self) -> io::Result<u32> {
        let mut information = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: pointer and size are those of the structure that belongs to this class.
        check(unsafe {
            QueryInformationJobObject(
                self.handle.as_raw_handle(),
                JobObjectBasicAccountingInformation,
                (&raw mut information).cast(),
                size_of_val(&information).try_into().unwrap_or(0),
                ptr::null_mut(),
            )
        })?;
        Ok(information.ActiveProcesses)
    }

    pub(super) fn as_raw(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }

    fn set<T>(&self, class: JOBOBJECTINFOCLASS, information: &T) -> io::Result<()> {
        // SAFETY: pointer and size are those of the structure, which the caller chose for `class`.
        check(unsafe {
            SetInformationJobObject(
                self.handle.as_raw_handle(),
                class,
                ptr::from_ref(information).cast(),
                size_of::<T>().try_into().unwrap_or(0),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_taken_over() {
        let limit = |resource, value| Limit { resource, value: Some(value) };
        let all = [
            limit(Resource::JobMemory, 1 << 30),
            limit(Resource::JobProcesses, 3),
            limit(Resource::JobCpuPercent, 50),
            Limit { resource: Resource::JobProcesses, value: None },
        ];
        let job = JobLimits::new(Tree::Kill, &all, false).unwrap();
        assert!(job.kill_on_close);
        assert_eq!((job.memory, job.processes, job.cpu_rate), (Some(1 << 30), Some(3), Some(5000)));
        assert!(!job.breakaway);
    }

    #[test]
    fn only_a_program_without_limits_may_leave_its_job() {
        let leave = JobLimits::new(Tree::Leave, &[], false).unwrap();
        assert!(!leave.kill_on_close && leave.breakaway);
        let limit = [Limit { resource: Resource::JobProcesses, value: Some(3) }];
        let limited = JobLimits::new(Tree::Leave, &limit, false).unwrap();
        assert!(!limited.kill_on_close && !limited.breakaway);
        assert!(!JobLimits::new(Tree::Leave, &[], true).unwrap().breakaway);
    }

    #[test]
    fn limits_that_cannot_be_kept_are_errors() {
        for (resource, value) in [
            (Resource::Files, 64),
            (Resource::JobCpuPercent, 0),
            (Resource::JobCpuPercent, 101),
            (Resource::JobProcesses, u64::MAX),
        ] {
            let limits = [Limit { resource, value: Some(value) }];
            assert!(JobLimits::new(Tree::Kill, &limits, false).is_err(), "{resource:?} {value}");
        }
    }

    #[test]
    fn a_new_job_is_empty() {
        let job = Job::new().unwrap();
        job.set_limits(&JobLimits::new(Tree::Kill, &[], true).unwrap()).unwrap();
        assert_eq!(job.active().unwrap(), 0);
    }
}
