use tokio::sync::mpsc;

use super::*;
use crate::config::{self, Config, FileFormat, Purpose};
use crate::record::Recorder;
use crate::record::log::Log;
use crate::record::sink::Surroundings;

#[test]
fn a_reload_forgets_the_services_that_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    let config = |services: &[&str]| -> Config {
        let service =
            |name: &&str| format!("[service.{name}]\nlisten = '127.0.0.1:0'\nbuiltin = 'echo'\n");
        std::fs::write(&path, services.iter().map(service).collect::<String>()).unwrap();
        let loaded = config::load(&path, FileFormat::Auto, Purpose::Check);
        loaded.unwrap_or_else(|report| panic!("{report}")).0
    };
    let log = Log::start(&config::Log::default(), Surroundings::Console).unwrap();
    let (notices, _supervisor) = mpsc::unbounded_channel();
    let front = Front::new(Recorder::new(log), None, notices).unwrap();
    let mut listeners = Listeners::new(Arc::clone(&front));

    assert!(listeners.apply(&config(&["stays", "goes"])).unwrap().is_empty());
    let [stays, goes] = ["stays", "goes"].map(|name| listeners.service(name).unwrap().id);
    assert!(front.admission.knows(stays) && front.admission.knows(goes));
    assert!(listeners.apply(&config(&["stays", "comes"])).unwrap().is_empty());
    let comes = listeners.service("comes").unwrap().id;
    assert!(front.admission.knows(stays) && front.admission.knows(comes));
    assert!(!front.admission.knows(goes));
}
