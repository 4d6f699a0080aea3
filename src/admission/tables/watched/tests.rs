use super::*;

/// A table that is the text of its file, which is bad if it says so.
fn text(paths: &[PathBuf], files: &mut Files) -> Loaded<String> {
    let (table, remarks) = match files.read(&paths[0]) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes.unwrap_or_default()).unwrap();
            let bad = text.contains("bad").then(|| Remark::nowhere("it is bad"));
            (text, bad.into_iter().collect())
        }
        Err(message) => (String::new(), vec![Remark::nowhere(message)]),
    };
    Loaded { table, remarks, texts: Vec::new() }
}

struct Fixture {
    folder: tempfile::TempDir,
    watched: Arc<Watched<String>>,
}

fn fixture(read: Reader<String>) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules");
    std::fs::write(&path, "one").unwrap();
    let (watched, remarks, _) = Watched::read([path].into(), read, Instant::now());
    assert_eq!(remarks, []);
    Fixture { folder, watched: Arc::new(watched) }
}

impl Fixture {
    fn path(&self) -> PathBuf {
        self.folder.path().join("rules")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    fn table(&self) -> String {
        self.watched.table().to_string()
    }

    fn news(&self) -> Option<Look> {
        Some(Look::New(self.found(None)))
    }

    fn failed(&self, remark: &str) -> Option<Look> {
        Some(Look::Failed(self.found(Some(remark))))
    }

    fn found(&self, remark: Option<&str>) -> Found {
        let place = self.path().display().to_string();
        Found { place, remark: remark.map(str::to_owned) }
    }

    fn look(&self) -> Option<Look> {
        self.watched.look()
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

#[test]
fn a_change_is_found_and_a_broken_file_changes_nothing() {
    let files = fixture(text);
    assert_eq!(files.look(), None);
    // Written at once, of the same size: nothing but what is in it may differ.
    files.write("two");
    assert_eq!((files.look(), files.table()), (files.news(), "two".into()));
    files.write("bad");
    assert_eq!((files.look(), files.table()), (files.failed("it is bad"), "two".into()));
    assert_eq!(files.look(), None, "told once");
    files.write("two");
    assert_eq!(files.look(), files.news(), "it is right again, which is told");
    std::fs::remove_file(files.path()).unwrap();
    assert_eq!((files.look(), files.table()), (files.news(), String::new()));
}

#[test]
fn a_file_that_is_only_written_anew_is_no_news() {
    let files = fixture(text);
    files.write("one");
    assert_eq!(files.look(), None);
}

#[test]
fn what_cannot_be_read_is_tried_again_though_nothing_changes() {
    static BROKEN: AtomicBool = AtomicBool::new(false);
    fn moody(paths: &[PathBuf], files: &mut Files) -> Loaded<String> {
        let mut loaded = text(paths, files);
        if BROKEN.load(Ordering::SeqCst) {
            loaded.remarks.push(Remark::nowhere("the disk has an error"));
        }
        loaded
    }
    let files = fixture(moody);
    BROKEN.store(true, Ordering::SeqCst);
    files.write("two");
    assert_eq!(files.look(), files.failed("the disk has an error"));
    assert_eq!((files.look(), files.table()), (None, "one".into()));
    BROKEN.store(false, Ordering::SeqCst);
    assert_eq!((files.look(), files.table()), (files.news(), "two".into()));
}

#[test]
fn a_folder_in_the_place_of_a_file_is_an_error() {
    let files = fixture(text);
    std::fs::remove_file(files.path()).unwrap();
    std::fs::create_dir(files.path()).unwrap();
    let Some(Look::Failed(found)) = files.look() else { panic!("it was read") };
    assert!(found.remark.unwrap().starts_with("cannot read "), "the old rules hold");
    assert_eq!(files.table(), "one");
}

#[test]
fn all_who_wait_share_one_look_and_it_is_good_for_a_second() {
    static LOOKS: AtomicU64 = AtomicU64::new(0);
    static HOLD: Mutex<()> = Mutex::new(());
    fn counted(paths: &[PathBuf], files: &mut Files) -> Loaded<String> {
        LOOKS.fetch_add(1, Ordering::SeqCst);
        drop(HOLD.lock());
        text(paths, files)
    }
    let files = fixture(counted);
    let start = Instant::now();
    assert!(!files.watched.is_stale(files.watched.born));
    assert!(files.watched.is_stale(start + FRESH));
    files.write("two");
    let tell = |look: &Look| assert!(matches!(look, Look::New(_)));
    let hold = HOLD.lock().unwrap();
    run(async {
        let refresh = || files.watched.refresh(tell);
        // Nobody goes on before all of them wait.
        tokio::join!(refresh(), refresh(), refresh(), async { drop(hold) });
    });
    assert_eq!((LOOKS.load(Ordering::SeqCst), files.table()), (2, "two".into()));
    assert!(!files.watched.is_stale(start + FRESH - Duration::from_millis(1)));
    assert!(files.watched.is_stale(Instant::now() + FRESH));
}

#[test]
fn a_disk_that_hangs_holds_nobody_up_twice() {
    static HANG: Mutex<()> = Mutex::new(());
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    fn slow(paths: &[PathBuf], files: &mut Files) -> Loaded<String> {
        drop(HANG.lock());
        text(paths, files)
    }
    let files = fixture(slow);
    let hang = HANG.lock().unwrap();
    files.write("two");
    let tell = |look: &Look| TOLD.lock().unwrap().push(format!("{look:?}"));
    let later = Instant::now() + Duration::from_secs(60);
    run(async {
        // The clock goes on when nothing else does.
        tokio::time::pause();
        assert!(files.watched.is_stale(later));
        tokio::join!(files.watched.refresh(tell), files.watched.refresh(tell));
        assert!(!files.watched.is_stale(later), "nobody else waits for it");
        assert_eq!(files.table(), "one", "and the old rules can be looked at meanwhile");
        tokio::time::resume();
        let mut done = files.watched.done.subscribe();
        drop(hang);
        done.changed().await.unwrap();
    });
    assert_eq!(files.table(), "two");
    assert!(files.watched.is_stale(Instant::now() + FRESH), "it is looked at again");
    let told = TOLD.lock().unwrap();
    let [late, read] = &told[..] else { panic!("{told:?}") };
    assert!(late.contains("Failed") && late.contains("takes longer than 2 s"), "{late}");
    assert!(read.contains("New"), "{read}");
}

#[test]
fn a_reader_that_panics_leaves_the_old_rules_and_is_tried_again() {
    static FAULT: AtomicBool = AtomicBool::new(false);
    fn faulty(paths: &[PathBuf], files: &mut Files) -> Loaded<String> {
        assert!(!FAULT.swap(false, Ordering::SeqCst), "a fault");
        text(paths, files)
    }
    let files = fixture(faulty);
    files.write("two");
    FAULT.store(true, Ordering::SeqCst);
    run(files.watched.refresh(|_| ()));
    assert_eq!(files.table(), "one");
    run(files.watched.refresh(|_| ()));
    assert_eq!(files.table(), "two");
}
