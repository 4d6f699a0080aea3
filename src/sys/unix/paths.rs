//! Default places of files.

use std::path::PathBuf;

/// The configuration that is read when none is named.
pub fn default_config() -> PathBuf {
    if is_root() {
        return "/etc/inetd/inetd.toml".into();
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(|| "/etc".into()).join("inetd/inetd.toml")
}

/// The control endpoint when none is named.
pub fn default_control() -> String {
    let base = if is_root() { None } else { std::env::var_os("XDG_RUNTIME_DIR") };
    let base = base.map_or_else(|| PathBuf::from("/run"), PathBuf::from);
    base.join("inetd/control.sock").display().to_string()
}

/// The services file (services(5)).
pub fn services_file() -> PathBuf {
    "/etc/services".into()
}

/// Where a daemon's program runs if nothing is said: a directory that always exists and never
/// keeps a file system busy. `program` is its executable.
pub fn default_cwd(_program: &std::path::Path) -> PathBuf {
    "/".into()
}

/// Variables that every program needs to load at all, whatever `pass_env` says.
pub const ALWAYS_PASSED: &[&str] = &[];

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where TCP wrappers has its files.
pub fn hosts_file(name: &str) -> Option<PathBuf> {
    Some(PathBuf::from("/etc").join(name))
}
