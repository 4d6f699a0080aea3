//! Default places of files.

use std::io;
use std::path::{Path, PathBuf};

use super::handle::system_directory;
use super::registry;

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
    let key = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList";
    registry::text(key, "ProgramData").map(PathBuf::from)
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

/// TCP wrappers has no usual place here.
pub fn hosts_file(_name: &str) -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_folder_is_that_of_the_machine() {
        assert_eq!(program_data().unwrap(), PathBuf::from(std::env::var("ProgramData").unwrap()));
        assert!(default_config().ends_with(r"ProgramData\Inetd\inetd.toml"));
    }
}
