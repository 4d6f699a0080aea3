//! What the flags of an old inetd say about all services of its file.

use std::path::Path;

use super::keys::Key;
use super::raw::{Data, Entry, Origin, Raw, RawService};
use super::report::Problem;
use super::source::{Source, Span, Spanned};

/// The flags, as settings of services that have none of their own.
#[derive(Clone, Debug, Default)]
pub struct ClassicFlags {
    /// The command line.
    pub words: Vec<String>,
    /// What each flag says, and which word of the command line says it.
    pub settings: Vec<(ClassicSetting, usize)>,
}

/// What a flag says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassicSetting {
    /// `-a`: where services listen whose lines name no address.
    Address(String),
    /// `-c`: sessions of a service at a time.
    MaxSessions(u32),
    /// `-C`: connections of one address to a service in a minute.
    RatePerSource(u32),
    /// `-E`: programs get the whole environment.
    PassEnv,
    /// `-q`: connections that may wait to be accepted.
    Backlog(u32),
    /// `-R`: starts of a service in a minute. More of them end it for ten minutes.
    Rate(u32),
    /// `--resolve`: names of peers are looked up.
    Resolve,
    /// `-s`: sessions of one address in a service at a time.
    MaxPerSource(u32),
    /// `-w`: hosts.allow and hosts.deny hold for programs.
    Wrappers,
    /// `-W`: they hold for built-in services.
    InternalWrappers,
}

impl ClassicFlags {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// The addresses of `-a`.
    pub(super) fn hosts(&self) -> Vec<String> {
        let address = |(setting, _): &(ClassicSetting, usize)| match setting {
            ClassicSetting::Address(address) => Some(address.clone()),
            _ => None,
        };
        // As with getopt(3) the last one counts.
        self.settings.iter().rev().find_map(address).into_iter().collect()
    }

    /// Gives the services what the flags say.
    pub(super) fn apply(&self, raw: &mut Raw, origin: Origin) {
        if self.is_empty() {
            return;
        }
        let folder = std::env::current_dir().unwrap_or_default();
        let path = Path::new("command line").into();
        let source = Source::new(path, folder.as_path().into(), self.words.join(" ").into());
        let Some(file) = raw.sources.add(source) else { return };
        let span = |word: usize| {
            let start: usize = self.words[..word].iter().map(|word| word.len() + 1).sum();
            Span::new(file, start..start + self.words[word].len())
        };
        if origin != Origin::Classic {
            if raw.services.is_empty() && raw.problems.iter().any(Problem::is_error) {
                // It may be such a file, but could not be read.
                return;
            }
            let at = span(self.settings[0].1);
            let problem = Problem::error(at, "the flags of an old inetd are for its file");
            raw.problems.push(problem.help("in an inetd.toml write the keys below [defaults]"));
            return;
        }
        // A flag that comes later is nearer to the end, where the last entry of a key counts.
        for service in &mut raw.services {
            let mut entries = Vec::new();
            for (setting, word) in &self.settings {
                setting.entries(service, span(*word), &mut entries);
            }
            entries.append(&mut service.entries);
            service.entries = entries;
        }
    }
}

impl ClassicSetting {
    fn entries(&self, service: &RawService, at: Span, entries: &mut Vec<Entry>) {
        let written = |key| service.entries.iter().any(|entry| entry.key == key);
        let waits = service
            .entries
            .iter()
            .any(|entry| entry.key == Key::Wait && entry.value.value == Data::Bool(true));
        let listens = |scheme: &str| {
            let listen = service.entries.iter().filter(|entry| entry.key == Key::Listen);
            listen.flat_map(addresses).any(|address| address.starts_with(scheme))
        };
        let (has_peers, is_tcp) = (!listens("unix:") && !waits, listens("tcp") && !waits);
        let runs = written(Key::Run);
        let number = |value: u32| Data::Integer { value: value.into(), octal: false };
        let a_minute = |count: &u32| Data::Text(format!("{count}/60s"));
        let mut add = |key, value, holds: bool| {
            if holds && !written(key) {
                entries.push(Entry { key, name: at, value: Spanned { value, span: at } });
            }
        };
        match self {
            // The reader of the file has it.
            Self::Address(_) => {}
            Self::MaxSessions(count) => add(Key::MaxSessions, number(*count), !waits),
            Self::RatePerSource(0) | Self::Rate(0) | Self::MaxPerSource(0) => {}
            Self::RatePerSource(count) => add(Key::RatePerSource, a_minute(count), has_peers),
            Self::MaxPerSource(count) => add(Key::MaxPerSource, number(*count), has_peers),
            Self::Rate(count) => {
                let holds = !written(Key::Rate);
                add(Key::Rate, a_minute(count), holds);
                add(Key::RatePause, Data::Text("10m".to_owned()), holds);
            }
            Self::PassEnv => {
                let all = Spanned { value: Data::Text("*".to_owned()), span: at };
                add(Key::PassEnv, Data::List(vec![all]), runs);
            }
            Self::Backlog(length) => {
                let is_stream = !listens("udp") && !listens("tcpmux:");
                add(Key::Backlog, number(*length), is_stream);
            }
            Self::Resolve => add(Key::Resolve, Data::Bool(true), is_tcp),
            Self::Wrappers => add(Key::TcpWrappers, Data::Bool(true), has_peers && runs),
            Self::InternalWrappers => {
                add(Key::TcpWrappers, Data::Bool(true), has_peers && written(Key::Builtin));
            }
        }
    }
}

/// The addresses of a `listen`.
fn addresses(entry: &Entry) -> Vec<&str> {
    let items = match &entry.value.value {
        Data::List(items) => &items[..],
        _ => std::slice::from_ref(&entry.value),
    };
    let mut texts = Vec::new();
    for item in items {
        if let Data::Text(text) = &item.value {
            texts.push(text.as_str());
        }
    }
    texts
}
