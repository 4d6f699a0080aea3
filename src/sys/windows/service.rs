//! inetd as a service of Windows. This file is what an administrator does with it, through the
//! Service Control Manager; `body` is the service itself.

mod body;
mod rights;
mod security;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl, ServiceExitCode,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceSidType,
    ServiceStartType, ServiceState, ServiceStatus as State, ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_LEVEL,
    ERROR_INVALID_SERVICE_ACCOUNT, ERROR_NOT_SUPPORTED, ERROR_SERVICE_ALREADY_RUNNING,
    ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_EXISTS, ERROR_SERVICE_LOGON_FAILED,
    ERROR_SERVICE_MARKED_FOR_DELETE, ERROR_SERVICE_NOT_ACTIVE,
};
use windows_sys::Win32::System::Services::{ChangeServiceConfigW, SERVICE_NO_CHANGE};

pub use self::body::run;
pub(super) use self::body::{requests, started, starting, stopping};
pub(super) use self::security::SERVICE_SID;
use super::account::{Account, Kind, SYSTEM, built_in};
use super::handle::check;
use super::identity::Identity;
use super::privileges::Privilege;
use super::{paths, quote, system_log};
use crate::sys::{Installation, Installed, ServiceError, ServiceStatus, StartMode};

/// What gives the rights to do all this, for an error message.
pub const RIGHTS: &str = "use a console that was opened with \"Run as administrator\"";

const NAME: &str = "Inetd";
const DISPLAY_NAME: &str = "Inetd Internet Superserver";
const DESCRIPTION: &str = "Listens for network connections and starts a program for each one.";
/// Windows Sockets: their driver and the protocol below it. A list, with a NUL after each and one
/// at the end.
const DEPENDENCIES: &str = "Tcpip\0Afd\0\0";
/// Pauses before the first, second and every further restart after a failure.
const RESTARTS: [Duration; 3] =
    [Duration::from_secs(3), Duration::from_secs(30), Duration::from_secs(600)];
/// After this time without a failure the next one is the first again.
const FORGIVEN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the system waits for sessions to end before it shuts down without us.
const PRESHUTDOWN: Duration = Duration::from_secs(180);
/// Listeners are bound while the service runs already. After this time with them it has started.
const SETTLED: Duration = Duration::from_millis(500);
/// The shortest and the longest pause between two looks at a service.
const QUICK: Duration = Duration::from_millis(50);
const SLOW: Duration = Duration::from_millis(250);
/// How long a service may say nothing at all while it starts or stops.
const SILENCE: Duration = Duration::from_secs(60);

/// What would be installed, for people.
///
/// # Errors
/// The account does not exist.
pub fn plan(installation: &Installation) -> Result<String, ServiceError> {
    let command = command_line(installation).map_err(|e| ServiceError::System("install", e))?;
    let account = security::account(installation.account.as_deref())?;
    let rights = rights::needed_by(&account, installation)?;
    let rights: String =
        rights.iter().map(|right| format!("right    {}\n", right.name())).collect();
    Ok(format!(
        "service  {NAME} ({DISPLAY_NAME})\ncommand  {}\naccount  {account}\n{rights}start    {}\nlog      {}\n",
        String::from_utf16_lossy(command.strip_suffix(&[0]).unwrap_or(&command)),
        start_text(start_mode(installation)),
        paths::service_log().display(),
    ))
}

/// Whether a service with this account has all rights of the system.
pub fn is_privileged(account: Option<&str>) -> bool {
    account.and_then(built_in).is_some_and(|account| account.sid == SYSTEM)
}

/// Whether [`install`] takes the rights to this folder away from everybody else.
pub fn protects(folder: &Path) -> bool {
    folder.as_os_str().eq_ignore_ascii_case(paths::data_folder().as_os_str())
}

/// Installs the service. Gives what this system cannot do, if anything. After an error nothing is
/// left behind.
pub fn install(installation: &Installation) -> Result<Vec<String>, ServiceError> {
    let what = "install the service";
    let account = security::account(installation.account.as_deref())?;
    let rights = rights::needed_by(&account, installation)?;
    let command = command_line(installation).map_err(|error| ServiceError::System(what, error))?;
    let manager = manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
    let info = ServiceInfo {
        name: NAME.into(),
        display_name: DISPLAY_NAME.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: match start_mode(installation) {
            StartMode::Auto | StartMode::Delayed => ServiceStartType::AutoStart,
            StartMode::Manual => ServiceStartType::OnDemand,
        },
        error_control: ServiceErrorControl::Normal,
        executable_path: installation.executable.clone(),
        launch_arguments: Vec::new(),
        // See `configure`.
        dependencies: Vec::new(),
        account_name: Some(account.clone().into()),
        account_password: None,
    };
    let service = manager.create_service(&info, ServiceAccess::ALL_ACCESS).map_err(|error| {
        let error = system(error);
        if code(&error) == ERROR_INVALID_SERVICE_ACCOUNT {
            return ServiceError::UnknownAccount(account.clone());
        }
        explain(what, error)
    })?;
    configure(&service, installation, &account, &rights, &command).map_err(|error| {
        // Whatever goes wrong with that is less interesting than why it is done.
        drop(service.delete());
        drop(rights::take_away());
        drop(system_log::unregister());
        explain(what, error)
    })
}

/// Everything that a new service does not have yet. Gives what this system cannot do.
fn configure(
    service: &Service,
    installation: &Installation,
    account: &str,
    rights: &[Privilege],
    command: &[u16],
) -> io::Result<Vec<String>> {
    set_command(service, command)?;
    service.set_description(DESCRIPTION).map_err(system)?;
    let restart = |delay| ServiceAction { action_type: ServiceActionType::Restart, delay };
    let restarts = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(FORGIVEN),
        reboot_msg: None,
        command: None,
        actions: Some(RESTARTS.map(restart).into()),
    };
    let delayed = start_mode(installation) == StartMode::Delayed;
    let mut steps = vec![
        ("restarts after a failure", service.update_failure_actions(restarts).map_err(system)),
        (
            "restarts after an error at start",
            service.set_failure_actions_on_non_crash_failures(true).map_err(system),
        ),
        (
            "an identity of the service",
            service.set_config_service_sid_info(ServiceSidType::Unrestricted).map_err(system),
        ),
        ("time to stop at shutdown", service.set_preshutdown_timeout(PRESHUTDOWN).map_err(system)),
        ("rights to the service", security::protect_service(service)),
        ("rights to its folder", security::protect_folder(&paths::data_folder())),
        ("a source of events", system_log::register(&installation.executable)),
    ];
    if delayed {
        steps.push(("a delayed start", service.set_delayed_auto_start(true).map_err(system)));
    }
    // Other accounts were chosen because of what they may do.
    if account == security::VIRTUAL_ACCOUNT {
        steps.push(("the right to start programs as other users", rights::give(rights)));
        steps.push(("fewer privileges", security::set_privileges(service, rights)));
    }
    let mut missing = Vec::new();
    for (name, result) in steps {
        match result {
            Ok(()) => {}
            Err(error) if is_unsupported(&error) => missing.push(name.to_owned()),
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("{name}: {error}")));
            }
        }
    }
    Ok(missing)
}

/// Stops the service and takes it away. Its folder stays.
pub fn uninstall() -> Result<(), ServiceError> {
    let what = "uninstall the service";
    let service = open(ServiceAccess::DELETE | ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?;
    stop_service(&service, what)?;
    service.delete().map_err(|error| explain(what, system(error)))?;
    rights::take_away().map_err(|error| explain("take the rights of its account away", error))?;
    system_log::unregister().map_err(|error| explain("take the source of events away", error))
}

/// Starts the service and waits until it runs.
pub fn start() -> Result<(), ServiceError> {
    let what = "start the service";
    let service = open(ServiceAccess::START | ServiceAccess::QUERY_STATUS)?;
    match service.start::<OsString>(&[]).map_err(system) {
        Err(error) if code(&error) == ERROR_SERVICE_ALREADY_RUNNING => {}
        other => other.map_err(|error| explain(what, error))?,
    }
    let mut status = settle(&service, ServiceState::StartPending, what)?;
    let since = Instant::now();
    while status.current_state == ServiceState::Running && since.elapsed() < SETTLED {
        std::thread::park_timeout(QUICK);
        status = settle(&service, ServiceState::StartPending, what)?;
    }
    if status.exit_code == ServiceExitCode::NO_ERROR {
        return Ok(());
    }
    Err(ServiceError::Refused(format!(
        "the service has not started ({}): the reason is at the end of {} and in the Event Log",
        failure_text(status.exit_code),
        paths::service_log().display()
    )))
}

/// Asks the service to stop and waits until it has. Sessions get the time that they always get.
pub fn stop() -> Result<(), ServiceError> {
    stop_service(&open(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?, "stop the service")
}

/// How the service does.
pub fn status() -> Result<ServiceStatus, ServiceError> {
    let what = "look at the service";
    let service = open(ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG)?;
    let status = service.query_status().map_err(|error| explain(what, system(error)))?;
    let config = service.query_config().map_err(|error| explain(what, system(error)))?;
    let running = status.current_state == ServiceState::Running;
    let state = match (status.current_state, status.process_id, status.exit_code) {
        (ServiceState::Running, Some(pid), _) => format!("running (pid {pid})"),
        (ServiceState::StartPending, ..) => "starting".into(),
        (ServiceState::StopPending, ..) => "stopping".into(),
        (ServiceState::Stopped, _, ServiceExitCode::ServiceSpecific(code)) => {
            format!("stopped ({})", failure_text(ServiceExitCode::ServiceSpecific(code)))
        }
        (ServiceState::Stopped, ..) => "stopped".into(),
        (state, ..) => format!("{state:?}").to_lowercase(),
    };
    let start = match config.start_type {
        ServiceStartType::AutoStart => "at boot",
        ServiceStartType::OnDemand => "by hand",
        _ => "disabled",
    };
    let text = format!(
        "service  {NAME}: {state}\ncommand  {}\naccount  {}\nstart    {start}\n",
        config.executable_path.display(),
        config.account_name.unwrap_or_default().display(),
    );
    Ok(ServiceStatus { running, text })
}

/// The service as it is installed; nothing if it is not.
pub fn installed() -> Option<Installed> {
    let service = open(ServiceAccess::QUERY_STATUS | ServiceAccess::QUERY_CONFIG).ok()?;
    let (status, config) = (service.query_status().ok()?, service.query_config().ok()?);
    let account = config.account_name.and_then(|name| Account::find(&name.to_string_lossy()).ok());
    Some(Installed {
        command: config.executable_path.display().to_string(),
        account: account.filter(|account| account.kind != Kind::System).map(Identity::of),
        at_boot: config.start_type == ServiceStartType::AutoStart,
        running: status.current_state == ServiceState::Running,
    })
}

/// Who the installed service runs as, as an SID.
pub(super) fn account() -> Option<String> {
    let config = open(ServiceAccess::QUERY_CONFIG).ok()?.query_config().ok()?;
    Some(Account::find(&config.account_name?.to_string_lossy()).ok()?.sid)
}

fn stop_service(service: &Service, what: &'static str) -> Result<(), ServiceError> {
    match service.stop().map_err(system) {
        Err(error) if code(&error) == ERROR_SERVICE_NOT_ACTIVE => return Ok(()),
        other => other.map_err(|error| explain(what, error))?,
    };
    settle(service, ServiceState::StopPending, what).map(drop)
}

/// Waits until the service is out of a pending state, in the way that "Starting a Service" and
/// "Stopping a Service" describe: there is a limit only to how long it makes no progress. Gives
/// its status.
fn settle(
    service: &Service,
    pending: ServiceState,
    what: &'static str,
) -> Result<State, ServiceError> {
    let (mut checkpoint, mut since) = (0, Instant::now());
    loop {
        let status = service.query_status().map_err(|error| explain(what, system(error)))?;
        if status.current_state != pending {
            return Ok(status);
        }
        if status.checkpoint != checkpoint {
            (checkpoint, since) = (status.checkpoint, Instant::now());
        }
        if since.elapsed() > status.wait_hint.max(SILENCE) {
            let error = io::Error::new(io::ErrorKind::TimedOut, "it makes no progress");
            return Err(ServiceError::System(what, error));
        }
        std::thread::park_timeout((status.wait_hint / 10).clamp(QUICK, SLOW));
    }
}

fn failure_text(code: ServiceExitCode) -> String {
    match code {
        ServiceExitCode::ServiceSpecific(1) => "configuration or start-up error".into(),
        ServiceExitCode::ServiceSpecific(3) => "another inetd is running".into(),
        ServiceExitCode::ServiceSpecific(code) => format!("exit code {code}"),
        ServiceExitCode::Win32(code) => {
            io::Error::from_raw_os_error(code.cast_signed()).to_string()
        }
    }
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager, ServiceError> {
    ServiceManager::local_computer(None::<&str>, access)
        .map_err(|error| explain("use the Service Control Manager", system(error)))
}

fn open(access: ServiceAccess) -> Result<Service, ServiceError> {
    let service = manager(ServiceManagerAccess::CONNECT)?.open_service(NAME, access);
    service.map_err(|error| explain("use the service", system(error)))
}

/// What Windows runs: everything with blanks in quotation marks, the executable always.
fn command_line(installation: &Installation) -> io::Result<Vec<u16>> {
    let words = ["service", "run", "--config"].map(OsString::from);
    let mut argv = vec![installation.executable.clone().into_os_string()];
    argv.extend(words);
    argv.push(installation.config.clone().into_os_string());
    if let Some(format) = &installation.format {
        argv.extend(["--format".into(), format.into()]);
    }
    quote::program(&argv)
}

/// Sets the command line, because `create_service` leaves out quotation marks around an executable
/// without blanks, and what has to run before it.
fn set_command(service: &Service, command: &[u16]) -> io::Result<()> {
    let dependencies: Vec<u16> = DEPENDENCIES.encode_utf16().collect();
    // SAFETY: an open handle, a text that ends with a NUL, a list that ends with two; null and
    // SERVICE_NO_CHANGE leave things as they are.
    check(unsafe {
        ChangeServiceConfigW(
            service.raw_handle(),
            SERVICE_NO_CHANGE,
            SERVICE_NO_CHANGE,
            SERVICE_NO_CHANGE,
            command.as_ptr(),
            ptr::null(),
            ptr::null_mut(),
            dependencies.as_ptr(),
            ptr::null(),
            ptr::null(),
            ptr::null(),
        )
    })
}

fn start_mode(installation: &Installation) -> StartMode {
    installation.start.unwrap_or(StartMode::Delayed)
}

fn start_text(mode: StartMode) -> &'static str {
    match mode {
        StartMode::Auto => "at boot",
        StartMode::Delayed => "at boot, delayed",
        StartMode::Manual => "by hand",
    }
}

/// The error of the system in an error of the crate.
fn system(error: windows_service::Error) -> io::Error {
    match error {
        windows_service::Error::Winapi(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidInput, other),
    }
}

/// What to do about an error of the system.
fn explain(what: &'static str, error: io::Error) -> ServiceError {
    match code(&error) {
        ERROR_ACCESS_DENIED => ServiceError::NotPermitted(what),
        ERROR_SERVICE_DOES_NOT_EXIST => ServiceError::NotInstalled,
        ERROR_SERVICE_EXISTS => ServiceError::AlreadyInstalled,
        ERROR_SERVICE_MARKED_FOR_DELETE => ServiceError::Refused(format!(
            "cannot {what}: it was uninstalled, and Windows waits until nobody looks at it: close \
             services.msc and Event Viewer, and try again"
        )),
        ERROR_SERVICE_LOGON_FAILED => ServiceError::Refused(format!(
            "cannot {what}: its account cannot log on: give it the right to log on as a service, \
             or install the service with another --account"
        )),
        _ => ServiceError::System(what, error),
    }
}

/// Whether this Windows (or Wine) has no such thing at all.
fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || [ERROR_INVALID_LEVEL, ERROR_CALL_NOT_IMPLEMENTED, ERROR_NOT_SUPPORTED]
            .contains(&code(error))
}

/// The number of an error of the system; 0 for an error of our own.
fn code(error: &io::Error) -> u32 {
    error.raw_os_error().map_or(0, i32::cast_unsigned)
}
