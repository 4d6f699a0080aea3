//! The service of `inetd serve`: from a command line instead of a file, and as a file.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::keys::{Key, Kind};
use super::raw::{Data, Entry, Origin, Raw, RawService, Value};
use super::report::{Problem, Report};
use super::source::{Source, Span, Spanned};
use super::toml_text::{array, bare, string, table};
use super::{Config, Purpose, resolve, value};

/// What was said to `inetd serve`.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// Where to listen.
    pub listen: Vec<String>,
    /// The program and its arguments.
    pub run: Vec<OsString>,
    /// The other keys. Lists (items separated by commas) and tables (`NAME=VALUE`) may be given
    /// more than once.
    pub settings: Vec<(Key, String)>,
    /// The service's name; that of the program if there is none.
    pub name: Option<String>,
}

/// Makes the configuration of a command line. Its problems point into the command line, which is
/// shown as if it were a file.
///
/// # Errors
/// All problems, if one of them is an error.
pub fn from_command_line(line: &CommandLine, purpose: Purpose) -> Result<(Config, Report), Report> {
    let mut raw = Raw::default();
    let folder = std::env::current_dir().unwrap_or_else(|error| {
        let message = format!("cannot find out the current directory: {error}");
        raw.problems.push(Problem::error_nowhere(message));
        PathBuf::new()
    });
    let mut written = Written::default();
    let service = written.service(line, &mut raw.problems);
    let path = Path::new("command line").into();
    raw.sources.add(Source::new(path, folder.as_path().into(), written.text.into()));
    raw.services.push(service);
    resolve::resolve(raw, Origin::CommandLine, purpose, Some(folder))
}

/// The command line as a text.
#[derive(Default)]
struct Written {
    text: String,
}

impl Written {
    fn service(&mut self, line: &CommandLine, problems: &mut Vec<Problem>) -> RawService {
        self.word("inetd");
        let serve = self.word("serve");
        let name = match &line.name {
            Some(name) => {
                self.word("--name");
                Spanned { value: name.clone(), span: self.word(name) }
            }
            None => Spanned { value: default_name(&line.run), span: serve },
        };
        let mut entries: Vec<Entry> = Vec::new();
        for (key, text) in &line.settings {
            self.setting(*key, text, &mut entries, problems);
        }
        let listen = line
            .listen
            .iter()
            .map(|text| Spanned { value: Data::Text(text.clone()), span: self.word(text) });
        let listen: Vec<_> = listen.collect();
        push_list(&mut entries, Key::Listen, listen);
        self.word("--");
        let run = line.run.iter().map(|argument| {
            let span = self.word(&argument.to_string_lossy());
            Spanned { value: Data::Argument(argument.clone()), span }
        });
        let run: Vec<_> = run.collect();
        push_list(&mut entries, Key::Run, run);
        RawService { name, origin: Origin::CommandLine, layer: None, entries, incomplete: false }
    }

    /// Adds a word, quoted if a shell would want that, and says where it is.
    fn word(&mut self, word: &str) -> Span {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let start = self.text.len();
        self.text += &quote(word);
        Span::new(0, start..self.text.len())
    }

    fn setting(
        &mut self,
        key: Key,
        text: &str,
        entries: &mut Vec<Entry>,
        problems: &mut Vec<Problem>,
    ) {
        let info = key.info();
        let name = self.word(&format!("--{}", info.flag()));
        let span = self.word(text);
        let earlier = entries.iter_mut().find(|entry| entry.key == key);
        let value = match (data(key, text, span), earlier) {
            (
                Ok(Data::List(more)),
                Some(Entry { value: Value { value: Data::List(list), .. }, .. }),
            ) => {
                list.extend(more);
                return;
            }
            (
                Ok(Data::Table(more)),
                Some(Entry { value: Value { value: Data::Table(table), .. }, .. }),
            ) => {
                table.retain(|(name, _)| more.iter().all(|(new, _)| new.value != name.value));
                table.extend(more);
                return;
            }
            (_, Some(earlier)) => {
                let message = format!("--{} is given twice", info.flag());
                problems.push(
                    Problem::error(name, message)
                        .label("again here")
                        .related(earlier.name, "first here"),
                );
                return;
            }
            (Err(problem), None) => {
                problems.push(*problem);
                return;
            }
            (Ok(value), None) => value,
        };
        entries.push(Entry { key, name, value: Spanned { value, span } });
    }
}

fn push_list(entries: &mut Vec<Entry>, key: Key, list: Vec<Value>) {
    let (Some(first), Some(last)) = (list.first(), list.last()) else { return };
    let span = Span { end: last.span.end, ..first.span };
    entries.push(Entry { key, name: span, value: Spanned { value: Data::List(list), span } });
}

/// The value that a file would have. What is not of its kind stays a text, which is a problem later.
fn data(key: Key, text: &str, span: Span) -> Result<Data, Box<Problem>> {
    let string = |text: &str| Spanned { value: Data::Text(text.to_owned()), span };
    let integer = |text: &str| text.parse().ok().map(|value| Data::Integer { value, octal: false });
    Ok(match key.info().kind {
        Kind::Bool => text.parse().map_or_else(|_| Data::Text(text.to_owned()), Data::Bool),
        Kind::Integer | Kind::Size => integer(text).unwrap_or_else(|| Data::Text(text.to_owned())),
        Kind::Number => text.parse().map_or_else(|_| Data::Text(text.to_owned()), Data::Float),
        Kind::Text | Kind::Texts | Kind::Duration | Kind::Mode => Data::Text(text.to_owned()),
        Kind::List if text.is_empty() => Data::List(Vec::new()),
        Kind::List => Data::List(text.split(',').map(string).collect()),
        Kind::Integers => {
            let item = |text| integer(text).unwrap_or_else(|| Data::Text(str::to_owned(text)));
            let items = text.split(',').map(|text| Spanned { value: item(text), span });
            Data::List(items.collect())
        }
        Kind::Table => {
            let Some((name, value)) = text.split_once('=') else {
                let problem = Problem::error(span, format!("`{text}` has no `=`"));
                return Err(Box::new(problem.help("write NAME=VALUE, once for each name")));
            };
            let name = Spanned { value: name.to_owned(), span };
            let number = integer(value).filter(|_| key == Key::Limits);
            let value = Spanned { value: number.unwrap_or_else(|| Data::Text(value.into())), span };
            Data::Table(vec![(name, value)])
        }
    })
}

fn default_name(run: &[OsString]) -> String {
    let stem = run.first().and_then(|program| Path::new(program).file_stem());
    let name = value::to_name(&stem.unwrap_or_default().to_string_lossy());
    if name.is_empty() { "service".to_owned() } else { name }
}

/// A word as one would type it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:,=@%+[]\\*?~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The same service as `inetd.toml`.
pub fn to_toml(line: &CommandLine) -> String {
    let folder = std::env::current_dir().unwrap_or_default();
    let mut toml = Toml { text: String::new() };
    let name = line.name.clone().unwrap_or_else(|| default_name(&line.run));
    toml.text += &format!("[service.{}]\n", bare(&name));
    match &line.listen[..] {
        [one] => toml.key("listen", &string(one)),
        many => toml.key("listen", &array(many.iter().map(|text| string(text)))),
    }
    // In a file a path starts from the folder of the file, here it started from the current one.
    let mut run: Vec<String> =
        line.run.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut arg0 = None;
    if let Some(program) = line.run.first().filter(|program| has_folder(program)) {
        let absolute = folder.join(program).to_string_lossy().into_owned();
        arg0 = Some(std::mem::replace(&mut run[0], absolute)).filter(|name| *name != run[0]);
    }
    let starts_program = !run.is_empty();
    if starts_program {
        toml.key("run", &array(run.iter().map(|word| string(word))));
    }
    let set = |key| line.settings.iter().any(|(other, _)| *other == key);
    if let Some(arg0) = arg0.filter(|_| !set(Key::Arg0)) {
        toml.key("arg0", &string(&arg0));
    }
    if starts_program && !set(Key::Cwd) {
        toml.key("cwd", &string(&folder.to_string_lossy()));
    }
    if !set(Key::BindRetry) {
        toml.key("bind_retry", "\"off\"");
    }
    let mut done = Vec::new();
    for (key, _) in &line.settings {
        if !done.contains(key) && !matches!(key, Key::Listen | Key::Run) {
            done.push(*key);
            let values: Vec<&str> = line
                .settings
                .iter()
                .filter(|(other, _)| other == key)
                .map(|(_, value)| value.as_str())
                .collect();
            toml.key(key.name(), &setting(*key, &values, &folder));
        }
    }
    toml.text
}

struct Toml {
    text: String,
}

impl Toml {
    fn key(&mut self, name: &str, value: &str) {
        self.text += &format!("{name} = {value}\n");
    }
}

fn setting(key: Key, values: &[&str], folder: &Path) -> String {
    let last = values.last().copied().unwrap_or_default();
    match (key, key.info().kind) {
        (Key::Cwd, _) => string(&folder.join(last).to_string_lossy()),
        (Key::Access, _) => string(&match last.split_once(':') {
            Some((format, path)) => format!("{format}:{}", folder.join(path).to_string_lossy()),
            None => last.to_owned(),
        }),
        (Key::Stderr | Key::Banner | Key::BannerReject, _) => {
            string(&absolute(last, "file:", folder))
        }
        (Key::Builtin, _) => string(&absolute(last, "qotd:", folder)),
        (_, Kind::Bool) if last.parse::<bool>().is_ok() => last.to_owned(),
        (_, Kind::Integer | Kind::Size | Kind::Number) => scalar(last),
        (_, Kind::Integers) => array(values.iter().flat_map(|list| list.split(',')).map(scalar)),
        (_, Kind::List) => {
            let items =
                values.iter().filter(|list| !list.is_empty()).flat_map(|list| list.split(','));
            array(items.map(|item| match key {
                Key::Allow | Key::Deny => string(&absolute(item, "file:", folder)),
                _ => string(item),
            }))
        }
        (_, Kind::Table) => {
            // As on the command line, the last value of a name counts.
            let mut fields: Vec<(&str, &str)> = Vec::new();
            for (name, value) in values.iter().filter_map(|field| field.split_once('=')) {
                fields.retain(|(other, _)| *other != name);
                fields.push((name, value));
            }
            table(fields.into_iter().map(|(name, value)| {
                (name, if key == Key::Env { string(value) } else { scalar(value) })
            }))
        }
        _ => string(last),
    }
}

/// What begins with `prefix`, followed by a path that means the same from any folder; anything else
/// as it is.
fn absolute<'a>(text: &'a str, prefix: &str, folder: &Path) -> Cow<'a, str> {
    match text.strip_prefix(prefix) {
        Some(path) => format!("{prefix}{}", folder.join(path).to_string_lossy()).into(),
        None => text.into(),
    }
}

/// A number as it is, anything else as a string.
fn scalar(text: &str) -> String {
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(number), _) => number.to_string(),
        (_, Ok(number)) if number.is_finite() => format!("{number:?}"),
        _ => string(text),
    }
}

/// Whether a program is named by a path, and not to be looked for in PATH.
fn has_folder(program: &OsStr) -> bool {
    let path = Path::new(program);
    path.components().count() > 1 || path.is_absolute()
}
