//! The service as the Service Control Manager sees it from inside: it starts our process, hears
//! how far we are, and asks us to stop or to reload. There is one service in the process, so
//! there is one [`Body`].

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use windows_service::define_windows_service;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{
    ServiceControlHandlerResult, ServiceStatusHandle, register,
};
use windows_service::service_dispatcher;
use windows_sys::Win32::Foundation::ERROR_FAILED_SERVICE_CONTROLLER_CONNECT;

use super::super::paths;
use super::{NAME, system};
use crate::record::log::Value;
use crate::record::{event, sink};
use crate::sys::{Request, ServiceError};

/// How long a step may take at most before the next checkpoint, or the manager thinks that we
/// hang. Reading the configuration is one step.
const STEP: Duration = Duration::from_secs(60);

/// What is run as the service: it gets the path of the service's log and gives an exit code.
type Main = Box<dyn FnOnce(&Path) -> u8 + Send>;

/// [`run`] leaves it here for the thread that the manager starts.
static MAIN: Mutex<Option<Main>> = Mutex::new(None);
static BODY: OnceLock<Body> = OnceLock::new();

struct Body {
    handle: ServiceStatusHandle,
    reported: Mutex<Reported>,
    requests: UnboundedSender<Request>,
    receiver: Mutex<Option<UnboundedReceiver<Request>>>,
}

/// What the manager knows.
struct Reported {
    state: ServiceState,
    checkpoint: u32,
}

/// Runs `main` as the service: with the path of the service's log, and with its result as the
/// exit code. [`crate::sys::signals`] passes on what the manager asks for, and
/// [`crate::sys::notify`] tells the manager how it goes.
///
/// # Errors
/// The Service Control Manager has not started this process.
pub fn run(main: impl FnOnce(&Path) -> u8 + Send + 'static) -> Result<(), ServiceError> {
    *lock(&MAIN) = Some(Box::new(main));
    service_dispatcher::start(NAME, service_main).map_err(|error| {
        let error = system(error);
        if error.raw_os_error() == Some(ERROR_FAILED_SERVICE_CONTROLLER_CONNECT.cast_signed()) {
            let text = "only the Service Control Manager runs `inetd service run`: use `inetd \
                        service start`, or `inetd run` to run the daemon in a console";
            return ServiceError::Refused(text.into());
        }
        ServiceError::System("run as a service", error)
    })
}

define_windows_service!(service_main, be_the_service);

fn be_the_service(_arguments: Vec<OsString>) {
    // Nobody sees standard error, where a fault would be told otherwise.
    std::panic::set_hook(Box::new(|fault| {
        sink::last_words(event::INTERNAL_FAULT, &[("error", Value::Text(fault))]);
    }));
    let Some(main) = lock(&MAIN).take() else { return };
    // A function instead of a closure with values in it: `register` drops a closure after the
    // first request to stop, and the manager may still ask how we do after that.
    let handle = match register(NAME, on_control) {
        Ok(handle) => handle,
        Err(error) => {
            let text = format!("cannot run as a service: {}", system(error));
            return sink::last_words(event::ENDED_BY_ERROR, &[("error", Value::Text(&text))]);
        }
    };
    let (requests, receiver) = unbounded_channel();
    let reported = Mutex::new(Reported { state: ServiceState::StartPending, checkpoint: 0 });
    let body = BODY.get_or_init(|| Body {
        handle,
        reported,
        requests,
        receiver: Mutex::new(Some(receiver)),
    });
    starting();
    let code = main(&paths::service_log());
    body.report(lock(&body.reported), ServiceState::Stopped, code);
}

fn on_control(control: ServiceControl) -> ServiceControlHandlerResult {
    let Some(body) = BODY.get() else {
        return match control {
            ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
            _ => ServiceControlHandlerResult::NotImplemented,
        };
    };
    let request = match control {
        ServiceControl::Stop | ServiceControl::Preshutdown => {
            // At once, and before the manager hears that we have heard: from here on it sends
            // nothing more.
            stopping();
            Request::Stop
        }
        ServiceControl::ParamChange => Request::Reload,
        ServiceControl::Interrogate => return ServiceControlHandlerResult::NoError,
        _ => return ServiceControlHandlerResult::NotImplemented,
    };
    // Fails only when the daemon has ended already.
    body.requests.send(request).ok();
    ServiceControlHandlerResult::NoError
}

/// The manager's requests, if this process is a service. The second call gives none.
pub(in super::super) fn requests() -> Option<UnboundedReceiver<Request>> {
    BODY.get().and_then(|body| lock(&body.receiver).take())
}

/// A step of the start is done.
pub(in super::super) fn starting() {
    advance(&[ServiceState::StartPending], ServiceState::StartPending);
}

/// The service runs.
pub(in super::super) fn started() {
    advance(&[ServiceState::StartPending], ServiceState::Running);
}

/// The service ends, and some time of that is over.
pub(in super::super) fn stopping() {
    let before = [ServiceState::StartPending, ServiceState::Running, ServiceState::StopPending];
    advance(&before, ServiceState::StopPending);
}

/// Reports `state`, if the present one is among `from`: a late word about the start or the stop
/// must not take back what came after it.
fn advance(from: &[ServiceState], state: ServiceState) {
    let Some(body) = BODY.get() else { return };
    let reported = lock(&body.reported);
    if from.contains(&reported.state) {
        body.report(reported, state, 0);
    }
}

impl Body {
    /// Under the lock, so that reports arrive in order.
    fn report(&self, mut reported: MutexGuard<'_, Reported>, state: ServiceState, code: u8) {
        let pending = matches!(state, ServiceState::StartPending | ServiceState::StopPending);
        reported.checkpoint = match pending {
            true if reported.state == state => reported.checkpoint + 1,
            true => 1,
            false => 0,
        };
        reported.state = state;
        let status = ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state: state,
            controls_accepted: match state {
                ServiceState::Running => {
                    ServiceControlAccept::STOP
                        | ServiceControlAccept::PRESHUTDOWN
                        | ServiceControlAccept::PARAM_CHANGE
                }
                _ => ServiceControlAccept::empty(),
            },
            exit_code: match code {
                0 => ServiceExitCode::NO_ERROR,
                code => ServiceExitCode::ServiceSpecific(code.into()),
            },
            checkpoint: reported.checkpoint,
            wait_hint: if pending { STEP } else { Duration::ZERO },
            process_id: None,
        };
        // If this fails, the manager is gone.
        drop(self.handle.set_service_status(status));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
