//! inetd as a service of systemd: a unit file, and the commands of systemctl(1).

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use super::identity;
use crate::sys::{Installation, Installed, ServiceError, ServiceStatus, StartMode};

/// What gives the rights to do all this, for an error message.
pub const RIGHTS: &str = "be root, for example with sudo";

const UNIT: &str = "inetd.service";
const PATH: &str = "/etc/systemd/system/inetd.service";
/// Where packages have their units: Debian's openbsd-inetd has one of this name.
const OF_PACKAGES: [&str; 2] =
    ["/usr/lib/systemd/system/inetd.service", "/lib/systemd/system/inetd.service"];
/// It exists if systemd runs (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";
/// The first systemd with `Type=notify-reload`.
const NOTIFY_RELOAD: u32 = 253;

/// What would be installed: the unit file.
///
/// # Errors
/// The account does not exist.
pub fn plan(installation: &Installation) -> Result<String, ServiceError> {
    if let Some(account) = &installation.account {
        identity::user_id(account).map_err(|_| ServiceError::UnknownAccount(account.clone()))?;
    }
    unit(installation, version().unwrap_or(NOTIFY_RELOAD))
        .map_err(|error| ServiceError::System("write a unit", error))
}

/// Whether a service with this account has all rights of the system.
pub fn is_privileged(account: Option<&str>) -> bool {
    account.is_none_or(|account| identity::user_id(account).is_ok_and(|user| user == 0))
}

/// Whether [`install`] takes the rights to this folder away from everybody else: to none.
pub fn protects(_folder: &Path) -> bool {
    false
}

/// Installs the service. Gives what this system cannot do: nothing. After an error nothing is left
/// behind.
pub fn install(installation: &Installation) -> Result<Vec<String>, ServiceError> {
    need_systemd()?;
    let unit = plan(installation)?;
    if let Some(other) = OF_PACKAGES.iter().find(|path| Path::new(path).exists()) {
        return Err(ServiceError::Refused(format!(
            "there is another service of this name, {other}: remove its package first"
        )));
    }
    write_unit(&unit)?;
    let enable = installation.start != Some(StartMode::Manual);
    let mut done = systemctl("install the service", &["daemon-reload"]).map(drop);
    if done.is_ok() && enable {
        done = systemctl("install the service", &["enable", UNIT]).map(drop);
    }
    if let Err(error) = done {
        // Whatever goes wrong with that is less interesting than why it is done.
        drop(std::fs::remove_file(PATH));
        drop(systemctl("undo it", &["daemon-reload"]));
        return Err(error);
    }
    Ok(Vec::new())
}

/// Stops the service and takes it away.
pub fn uninstall() -> Result<(), ServiceError> {
    let what = "uninstall the service";
    need_installed()?;
    systemctl(what, &["disable", "--now", UNIT])?;
    std::fs::remove_file(PATH).map_err(|error| explain(what, error))?;
    systemctl(what, &["daemon-reload"]).map(drop)
}

/// Starts the service and waits until it is ready.
pub fn start() -> Result<(), ServiceError> {
    need_installed()?;
    systemctl("start the service", &["start", UNIT]).map(drop)
}

/// Stops the service and waits until it has ended.
pub fn stop() -> Result<(), ServiceError> {
    need_installed()?;
    systemctl("stop the service", &["stop", UNIT]).map(drop)
}

/// How the service does.
pub fn status() -> Result<ServiceStatus, ServiceError> {
    need_installed()?;
    let properties = "--property=ActiveState,MainPID,UnitFileState,User";
    let shown = systemctl("look at the service", &["show", UNIT, properties])?;
    Ok(status_of(&shown))
}

/// Who the installed service runs as, if it is not root. The unit is a file that only root writes.
pub(super) fn account() -> Option<u32> {
    account_of(&std::fs::read_to_string(PATH).ok()?)
}

fn account_of(unit: &str) -> Option<u32> {
    identity::user_id(unit.lines().find_map(|line| line.strip_prefix("User="))?).ok()
}

/// The service as it is installed; nothing if it is not.
pub fn installed() -> Option<Installed> {
    let unit = std::fs::read_to_string(PATH).ok()?;
    let properties = "--property=ActiveState,MainPID,UnitFileState,User";
    // Without systemd the unit is there, and nothing runs it.
    let shown = systemctl("look at the service", &["show", UNIT, properties]).unwrap_or_default();
    Some(installed_as(&unit, &shown))
}

/// What a unit and the properties that `systemctl show` prints tell.
fn installed_as(unit: &str, shown: &str) -> Installed {
    let value =
        |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let command = value("ExecStart").unwrap_or_default().replace("%%", "%").replace("$$", "$");
    let account = identity::resolve(value("User"), None, None).ok().flatten();
    Installed {
        command,
        account,
        at_boot: shown.lines().any(|line| line == "UnitFileState=enabled"),
        running: status_of(shown).running,
    }
}

/// systemd runs `inetd run`; there is no other form of the program for a service.
///
/// # Errors
/// Always.
pub fn run(_main: impl FnOnce(&Path) -> u8 + Send + 'static) -> Result<(), ServiceError> {
    let text = "`inetd service run` is for the Service Control Manager of Windows: use `inetd run`";
    Err(ServiceError::Refused(text.into()))
}

/// The unit file for a systemd of this version.
fn unit(installation: &Installation, version: u32) -> io::Result<String> {
    let mut command = vec![quoted(&installation.executable)?, "run --config".to_owned()];
    command.push(quoted(&installation.config)?);
    if let Some(format) = &installation.format {
        command.push(format!("--format {format}"));
    }
    let after = match installation.start {
        Some(StartMode::Delayed) => "Wants=network-online.target\nAfter=network-online.target",
        _ => "After=network.target",
    };
    let reload = if version < NOTIFY_RELOAD {
        "Type=notify\nExecReload=/bin/kill -HUP $MAINPID"
    } else {
        "Type=notify-reload"
    };
    // Without root it may still use the ports of the classic services, and nothing else.
    let account = installation.account.as_ref().map_or_else(String::new, |name| {
        format!(
            "User={}\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n\
             CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n",
            name.replace('%', "%%")
        )
    });
    Ok(format!(
        "\
# Written by `inetd service install`; `inetd service uninstall` removes it.
[Unit]
Description=Internet superserver
{after}

[Service]
{reload}
ExecStart={command}
{account}\
RuntimeDirectory=inetd
# inetd stops its sessions itself, each with its own stop_timeout.
KillMode=mixed
Restart=on-failure
RestartSec=3
# A wrong configuration or a second inetd does not get better by itself.
RestartPreventExitStatus=1 2 3
# One program without memory must not end all the others.
OOMPolicy=continue
# max_sessions is the limit.
TasksMax=infinity
# No ProtectSystem, PrivateTmp, NoNewPrivileges and the like: the programs of the services would
# inherit them, and some need what they take away. Use `systemctl edit inetd` for yours.

[Install]
WantedBy=multi-user.target
",
        command = command.join(" ")
    ))
}

/// A path as one word of a command line (systemd.service(5), "Command lines").
fn quoted(path: &Path) -> io::Result<String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control)).ok_or_else(|| {
        let text = format!("{}: a unit can hold printable UTF-8 only", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })?;
    let text = text.replace('\\', r"\\").replace('"', r#"\""#);
    Ok(format!("\"{}\"", text.replace('%', "%%").replace('$', "$$")))
}

fn write_unit(unit: &str) -> Result<(), ServiceError> {
    let what = "install the service";
    let new = OpenOptions::new().write(true).create_new(true).mode(0o644).open(PATH);
    let mut file = new.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => ServiceError::AlreadyInstalled,
        _ => explain(what, error),
    })?;
    file.write_all(unit.as_bytes()).map_err(|error| {
        drop(std::fs::remove_file(PATH));
        explain(what, error)
    })
}

fn need_systemd() -> Result<(), ServiceError> {
    if Path::new(SYSTEMD).is_dir() {
        return Ok(());
    }
    Err(ServiceError::Refused(
        "systemd does not run on this system: let your own init start `inetd run`, or take the \
         unit to another machine with `inetd service install --print`"
            .into(),
    ))
}

fn need_installed() -> Result<(), ServiceError> {
    need_systemd()?;
    if Path::new(PATH).exists() { Ok(()) } else { Err(ServiceError::NotInstalled) }
}

fn version() -> Option<u32> {
    let text = systemctl("ask for its version", &["--version"]).ok()?;
    text.split_whitespace().nth(1)?.parse().ok()
}

/// Runs systemctl and gives what it prints.
fn systemctl(what: &'static str, arguments: &[&str]) -> Result<String, ServiceError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a command line tool runs another one; no daemon and no session is around"
    )]
    let output = Command::new("systemctl").args(arguments).output();
    let output = output.map_err(|error| {
        let text = format!("cannot run systemctl: {error}");
        ServiceError::System(what, io::Error::new(error.kind(), text))
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().replace('\n', " ");
    Err(ServiceError::System(what, io::Error::other(format!("systemctl: {said}"))))
}

/// The status in the properties that `systemctl show` prints.
fn status_of(shown: &str) -> ServiceStatus {
    let value = |name: &str| {
        let mut values = shown.lines().filter_map(|line| line.split_once('='));
        values.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    };
    let running = matches!(value("ActiveState"), "active" | "reloading");
    let pid = value("MainPID");
    let pid = if pid.is_empty() || pid == "0" { String::new() } else { format!(" (pid {pid})") };
    let state = if running { "running" } else { value("ActiveState") };
    let account = match value("User") {
        "" => "root",
        user => user,
    };
    let start = if value("UnitFileState") == "enabled" { "at boot" } else { "by hand" };
    let text = format!(
        "service  {UNIT}: {state}{pid}\nunit     {PATH}\naccount  {account}\nstart    {start}\n"
    );
    ServiceStatus { running, text }
}

fn explain(what: &'static str, error: io::Error) -> ServiceError {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return ServiceError::NotPermitted(what);
    }
    ServiceError::System(what, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation() -> Installation {
        Installation {
            executable: "/opt/my tools/inetd".into(),
            config: "/etc/inetd/100%\"$HOME\\.toml".into(),
            format: None,
            account: None,
            start: None,
            users: Vec::new(),
            profiles: false,
        }
    }

    #[test]
    fn the_paths_of_a_unit_are_quoted() {
        let unit = unit(&installation(), 257).unwrap();
        let line =
            r#"ExecStart="/opt/my tools/inetd" run --config "/etc/inetd/100%%\"$$HOME\\.toml""#;
        assert!(unit.lines().any(|each| each == line), "{unit}");
        assert!(unit.contains("\nType=notify-reload\n"));
        assert!(unit.contains("\nAfter=network.target\n"));
        assert!(!unit.contains("User="));
        assert!(quoted(Path::new("/a\nExecStartPre=/evil")).is_err());
    }

    #[test]
    fn the_account_of_a_unit_is_known() {
        let with = |account: Option<&str>| {
            let account = account.map(Into::into);
            account_of(&unit(&Installation { account, ..installation() }, 257).unwrap())
        };
        assert_eq!(with(None), None);
        assert_eq!(with(Some("daemon")), Some(1), "daemon of Debian's base system");
        assert_eq!(with(Some("no-such-user")), None);
    }

    #[test]
    fn a_unit_says_what_was_asked_for() {
        let installation = Installation {
            format: Some("netbsd".into()),
            account: Some("www-data".into()),
            start: Some(StartMode::Delayed),
            ..installation()
        };
        let unit = unit(&installation, 252).unwrap();
        assert!(unit.contains(" --format netbsd\n"), "{unit}");
        assert!(unit.contains("\nUser=www-data\nAmbientCapabilities="), "{unit}");
        assert!(unit.contains("\nAfter=network-online.target\n"), "{unit}");
        assert!(unit.contains("\nType=notify\nExecReload="), "{unit}");
    }

    #[test]
    fn an_unknown_account_is_told() {
        let installation =
            Installation { account: Some("no-such-account".into()), ..installation() };
        let error = plan(&installation).unwrap_err();
        assert!(matches!(error, ServiceError::UnknownAccount(_)), "{error}");
    }

    #[test]
    fn an_installed_unit_is_understood() {
        let unit = unit(&installation(), 257).unwrap();
        let installed = installed_as(&unit, "ActiveState=active\nUnitFileState=enabled\n");
        let command = r#""/opt/my tools/inetd" run --config "/etc/inetd/100%\"$HOME\\.toml""#;
        assert_eq!(installed.command, command);
        assert!(installed.running && installed.at_boot);
        assert_eq!(installed.account, None);
        let other = installed_as("User=nobody\nExecStart=inetd run\n", "");
        assert!(!other.running && !other.at_boot);
        assert_eq!(other.account.map(|account| account.name).as_deref(), Some("nobody"));
    }

    #[test]
    fn what_systemctl_shows_is_understood() {
        let running = "MainPID=77\nActiveState=active\nUnitFileState=enabled\nUser=\n";
        let status = status_of(running);
        assert!(status.running);
        assert!(status.text.starts_with("service  inetd.service: running (pid 77)\n"));
        assert!(status.text.ends_with("account  root\nstart    at boot\n"), "{}", status.text);
        let failed = status_of("ActiveState=failed\nMainPID=0\nUnitFileState=disabled\nUser=x\n");
        assert!(!failed.running);
        assert!(failed.text.contains(": failed\n"), "{}", failed.text);
    }
}
