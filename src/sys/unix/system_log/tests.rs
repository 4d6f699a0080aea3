use std::path::Path;

use super::*;
use crate::record::batch::Batch;
use crate::record::event;
use crate::record::log::{Log, Value};
use crate::record::sink::Sink;

/// A socket as the daemons of the system have it, in a folder of its own.
struct Receiver {
    folder: tempfile::TempDir,
    socket: Option<UnixDatagram>,
}

impl Receiver {
    fn new() -> Self {
        let mut receiver = Self { folder: tempfile::tempdir().unwrap(), socket: None };
        receiver.start();
        receiver
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn start(&mut self) {
        let socket = UnixDatagram::bind(self.path()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        self.socket = Some(socket);
    }

    fn stop(&mut self) {
        self.socket = None;
        std::fs::remove_file(self.path()).unwrap();
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 16];
        let length = self.socket.as_ref().unwrap().recv(&mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    fn text(&self) -> String {
        String::from_utf8(self.receive()).unwrap()
    }

    fn log(&self, kind: Kind) -> SystemLog {
        SystemLog::at(kind, facility::DAEMON, self.path())
    }

    /// A whole log that goes there, and to a file when that fails.
    fn whole_log(&self, refuge: &Path) -> Log {
        let sink = Sink::of_system(self.log(Kind::Syslog), refuge.to_owned());
        Log::with(sink, Level::Info).unwrap()
    }
}

fn write(log: &mut SystemLog, batch: &Batch, format: Format) {
    batch.records().for_each(|record| log.write(&record, format).unwrap());
}

// RFC 3164, "4.1.1": "The Priority value is calculated by first multiplying the Facility number by 8 and
// then adding the numerical value of the Severity."
#[test]
fn another_facility_is_in_the_priority() {
    let receiver = Receiver::new();
    let batch = Batch::one(event::STARTED, &[]);
    for (name, syslog) in [("authpriv", "<86>inetd["), ("local7", "<190>inetd[")] {
        let facility = facility::named(name).unwrap();
        let log = |kind| SystemLog::at(kind, facility, receiver.path());
        write(&mut log(Kind::Syslog), &batch, Format::Text);
        assert!(receiver.text().starts_with(syslog), "{name}");
        write(&mut log(Kind::Journald), &batch, Format::Text);
        let expected = format!("\nSYSLOG_FACILITY={}\n", facility.number);
        assert!(receiver.text().contains(&expected), "{name}");
    }
}

#[test]
fn syslog_gets_facility_severity_tag_and_one_line() {
    let receiver = Receiver::new();
    let mut log = receiver.log(Kind::Syslog);
    let fields = [("line", Value::Text(&"a\nb")), ("pid", Value::Number(7))];
    let batch = Batch::one(event::STDERR, &fields);
    let pid = std::process::id();
    write(&mut log, &batch, Format::Text);
    assert_eq!(receiver.text(), format!("<30>inetd[{pid}]: STDERR line=\"a\\nb\" pid=7"));
    write(&mut log, &Batch::one(event::NOT_RELOADED, &[]), Format::Text);
    assert!(receiver.text().starts_with(&format!("<27>inetd[{pid}]: Not reloaded")));
    write(&mut log, &batch, Format::Json);
    let json = receiver.text();
    let json = json.strip_prefix(&format!("<30>inetd[{pid}]: ")).unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!((&json["event_id"], &json["line"]), (&3005.into(), &"a\nb".into()));
}

#[test]
fn the_journal_gets_each_field_as_it_is() {
    let receiver = Receiver::new();
    let mut log = receiver.log(Kind::Journald);
    let fields = [
        ("service", Value::Text(&"hello")),
        ("session", Value::Number(12)),
        ("line", Value::Text(&"a\nPRIORITY=0\n")),
        ("duration", Value::Seconds(Duration::from_millis(1500))),
    ];
    write(&mut log, &Batch::one(event::STDERR_LOST, &fields), Format::Text);
    let mut expected = b"\
        MESSAGE=STDERR lines lost, the program writes too many service=hello session=12 \
        line=\"a\\nPRIORITY=0\\n\" duration=1.500s\n\
        PRIORITY=4\n\
        SYSLOG_FACILITY=3\n\
        SYSLOG_IDENTIFIER=inetd\n\
        MESSAGE_ID=e2016f0193eb4521903c75f590b43006\n\
        INETD_EVENT=3006\n\
        SERVICE=hello\n\
        SESSION=12\n\
        LINE\n"
        .to_vec();
    expected.extend(13_u64.to_le_bytes());
    expected.extend(b"a\nPRIORITY=0\n\nDURATION=1.500\n");
    let entry = receiver.receive();
    assert_eq!(String::from_utf8_lossy(&entry), String::from_utf8_lossy(&expected));
}

#[test]
fn a_text_without_end_is_cut_off_between_characters() {
    let receiver = Receiver::new();
    let long = "\u{fc}".repeat(100_000);
    let batch = Batch::one(event::STDERR, &[("line", Value::Text(&long))]);
    for kind in KINDS {
        write(&mut receiver.log(*kind), &batch, Format::Text);
        assert!((LONGEST - 10..LONGEST * 3).contains(&receiver.text().len()), "{kind:?}");
    }
}

#[test]
fn a_daemon_that_is_started_again_gets_the_next_record() {
    let mut receiver = Receiver::new();
    let mut log = receiver.log(Kind::Syslog);
    let batch = Batch::one(event::STARTED, &[]);
    for _ in 0..3 {
        write(&mut log, &batch, Format::Text);
        assert!(receiver.text().ends_with("Started"));
        receiver.stop();
        receiver.start();
    }
    receiver.stop();
    let record = batch.records().next().unwrap();
    let error = log.write(&record, Format::Text).unwrap_err().to_string();
    assert!(error.contains(&receiver.path().display().to_string()), "{error}");
}

#[test]
fn what_nobody_takes_is_saved_and_told_once() {
    let mut receiver = Receiver::new();
    receiver.stop();
    let refuge = receiver.folder.path().join("refuge");
    let log = receiver.whole_log(&refuge);
    for number in 0..3 {
        log.event(event::START, &[("session", Value::Number(number))]);
        log.flush();
    }
    let text = std::fs::read_to_string(&refuge).unwrap();
    let mut lines = text.lines();
    let first = lines.next().unwrap();
    assert!(first.contains(" WARN The log target does not work target=syslog error="), "{text}");
    let rest: Vec<_> = lines.map(|line| line.split_once(' ').unwrap().1).collect();
    let starts = ["INFO START session=0", "INFO START session=1", "INFO START session=2"];
    assert_eq!(rest, starts, "{text}");

    receiver.start();
    log.event(event::STOPPED, &[]);
    assert!(receiver.text().ends_with(": Stopped"));
    assert!(receiver.text().ends_with(": The log target works again"));
    assert_eq!(std::fs::read_to_string(&refuge).unwrap(), text);
}

#[test]
fn a_daemon_that_hangs_holds_nobody_up() {
    let receiver = Receiver::new();
    let refuge = receiver.folder.path().join("refuge");
    let log = receiver.whole_log(&refuge);
    // More than the queue of the socket takes, which is never read.
    for number in 0..2000 {
        log.event(event::START, &[("session", Value::Number(number))]);
    }
    log.event(event::STOPPED, &[]);
    log.flush();
    let text = std::fs::read_to_string(&refuge).unwrap();
    assert!(text.contains("target=syslog error=\"it does not keep up\""), "{text}");
    assert!(text.ends_with(" INFO Stopped\n"), "{text}");
}

#[test]
fn standard_error_is_the_journal_only_if_it_is_that_very_stream() {
    // The variable of the test run, if any, is not about what the tests have as standard error.
    assert_eq!(behind(None), None);
    assert_eq!(behind(Some("1:1")), None);
    let stderr = std::fs::metadata("/proc/self/fd/2").unwrap();
    let stream = format!("{}:{}", stderr.st_dev(), stderr.st_ino());
    assert_eq!(behind(Some(&stream)), Some(Kind::Journald));
}
