//! Default places of files.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::ptr;

use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RegGetValueW};

use super::handle::{system_directory, wide};

/// The configuration that is read when none is named.
pub fn default_config() -> PathBuf {
    data_folder().join("inetd.toml")
}

/// The log of the service, where nobody sees standard error.
pub(super) fn service_log() -> PathBuf {
    data_folder().join("inetd.log")
}

/// The folder of the configuration and of that log.
pub(super) fn data_folder() -> PathBuf {
    let base = program_data().ok().filter(|path| path.is_absolute());
    base.unwrap_or_else(|| r"C:\ProgramData".into()).join("Inetd")
}

/// What `%ProgramData%` is made of. The variable itself can be set by whoever starts us, and is
/// not the same for every service under Wine.
fn program_data() -> io::Result<PathBuf> {
    let key = wide(OsStr::new(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList"))?;
    let value = wide(OsStr::new("ProgramData"))?;
    let mut buffer = [0_u16; 260];
    let mut size = u32::try_from(size_of_val(&buffer)).unwrap_or(0);
    // SAFETY: the names end with a NUL, the buffer has this size in bytes, and the first handle is
    // a constant that is always open.
    let code = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            value.as_ptr(),
            RRF_RT_REG_SZ,
            ptr::null_mut(),
            buffer.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    if code != ERROR_SUCCESS {
        return Err(io::Error::from_raw_os_error(code.cast_signed()));
    }
    let text = buffer.split(|unit| *unit == 0).next().unwrap_or_default();
    Ok(OsString::from_wide(text).into())
}

/// The control endpoint when none is named.
pub fn default_control() -> String {
    r"\\.\pipe\inetd".into()
}

/// The services file.
pub fn services_file() -> PathBuf {
    let system = system_directory().unwrap_or_else(|_| r"C:\Windows\System32".into());
    system.join(r"drivers\etc\services")
}

/// Where a daemon's program runs if nothing is said: the folder that it is in. Our own directory
/// is no better: the service manager starts everybody in System32. `program` is its executable.
pub fn default_cwd(program: &Path) -> PathBuf {
    program.parent().map_or_else(|| r"C:\".into(), Path::to_owned)
}

/// Variables that every program needs to load at all, whatever `pass_env` says: where the system
/// and its libraries are (sockets do not start without `SystemRoot`), what `cmd.exe` and run-time
/// libraries look up, and places for files.
pub const ALWAYS_PASSED: &[&str] = &[
    "ALLUSERSPROFILE",
    "APPDATA",
    "COMPUTERNAME",
    "ComSpec",
    "CommonProgramFiles",
    "CommonProgramFiles(x86)",
    "CommonProgramW6432",
    "DriverData",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "NUMBER_OF_PROCESSORS",
    "OS",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROCESSOR_IDENTIFIER",
    "PROCESSOR_LEVEL",
    "PROCESSOR_REVISION",
    "PSModulePath",
    "ProgramData",
    "ProgramFiles",
    "ProgramFiles(x86)",
    "ProgramW6432",
    "PUBLIC",
    "SystemDrive",
    "SystemRoot",
    "TEMP",
    "TMP",
    "USERDOMAIN",
    "USERNAME",
    "USERPROFILE",
    "windir",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_folder_is_that_of_the_machine() {
        assert_eq!(program_data().unwrap(), PathBuf::from(std::env::var("ProgramData").unwrap()));
        assert!(default_config().ends_with(r"ProgramData\Inetd\inetd.toml"));
    }
}
