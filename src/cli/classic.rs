//! The command lines of the old inetds, so that a start script of one keeps working: `inetd -R 100 -p
//! FILE /etc/inetd.conf`, `inetd FILE`, and `xinetd -pidfile FILE -stayalive` for a link of that name.

mod xinetd;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::daemon::{self, LogOptions, Options};
use super::{FAILED, USAGE, fail};
use crate::config::{ClassicFlags, ClassicSetting, FileFormat, LogTarget, Purpose};
use crate::record::event::Level;
use crate::record::facility::Facility;
use crate::record::format::Format;
use crate::sys::{Detached, startup, system_log};

/// Flags without a value, of any of them (`-E` OpenBSD, `-i` Debian, `-e -f` busybox, `-f` NetBSD).
const PLAIN: &str = "dEefilwW";
/// Flags with a value.
const VALUED: &str = "aCcpqRs";
/// What an old command line says.
#[derive(Debug, Default)]
pub struct Classic {
    file: Option<PathBuf>,
    format: Option<FileFormat>,
    control: Option<String>,
    pid_file: Option<PathBuf>,
    log_file: Option<PathBuf>,
    facility: Option<Facility>,
    json: bool,
    level: Option<Level>,
    max_sessions: Option<u32>,
    /// Stay in the foreground.
    foreground: bool,
    /// A configuration without services will do.
    stay_alive: bool,
    /// The version is asked for.
    version: bool,
    /// What it says about all services of the file.
    pub flags: ClassicFlags,
}

/// Runs the command line if it is one of an old inetd.
pub(super) fn run(arguments: &[OsString], is_command: impl Fn(&str) -> bool) -> Option<ExitCode> {
    let words: Vec<String> =
        arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    Some(match parse(&words, is_command)? {
        Err(message) => fail(USAGE, message),
        Ok(classic) if classic.version => {
            super::output::out(&format!("inetd {}\n", env!("CARGO_PKG_VERSION")))
        }
        Ok(classic) => classic.run(),
    })
}

/// Reads a command line, the name of the program first, unless it is one of ours.
///
/// # Errors
/// A flag is not known, cannot be honoured, or has no value that it could have.
pub fn parse(
    words: &[String],
    is_command: impl Fn(&str) -> bool,
) -> Option<Result<Classic, String>> {
    Some(match kind(words, is_command)? {
        Kind::Inetd => inetd(words),
        Kind::Xinetd => xinetd::read(words),
    })
}

/// Whose flags they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Inetd,
    Xinetd,
}

fn kind(words: &[String], is_command: impl Fn(&str) -> bool) -> Option<Kind> {
    let program = words.first().map(|word| Path::new(word).file_stem().unwrap_or_default());
    if program.is_some_and(|name| name == "xinetd") {
        return Some(Kind::Xinetd);
    }
    let first = words.get(1)?;
    if words.iter().skip(1).any(|word| xinetd::OWN_WORDS.contains(&word.as_str()))
        && first.starts_with('-')
    {
        return Some(Kind::Xinetd);
    }
    let ours = ["--help", "-h", "--version", "-V"].contains(&first.as_str());
    if ours || is_command(first) {
        return None;
    }
    let is_flag = first.len() > 1 && first.starts_with('-');
    (is_flag || Path::new(first).is_file()).then_some(Kind::Inetd)
}

/// The flags of the BSDs, Debian, busybox and GNU inetutils; and those of `inetd run`.
fn inetd(words: &[String]) -> Result<Classic, String> {
    let mut classic = Classic::default();
    let mut at = 1;
    while let Some(word) = words.get(at) {
        if let Some(long) = word.strip_prefix("--") {
            if long.is_empty() {
                at += 1;
                break;
            }
            classic.long(words, &mut at, long)?;
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            classic.short(words, &mut at, letters)?;
        } else {
            break;
        }
        at += 1;
    }
    match &words[at.min(words.len())..] {
        [] => {}
        [file] => classic.file = Some(file.into()),
        [_, second, ..] => {
            return Err(format!(
                "`{second}`: one file or folder is read: put several files into a folder"
            ));
        }
    }
    classic.flags.words = words.to_vec();
    if let Some(program) = classic.flags.words.first_mut() {
        // As messages show it.
        "inetd".clone_into(program);
    }
    Ok(classic)
}

impl Classic {
    /// A group of letters, of which the last may have a value behind it.
    fn short(&mut self, words: &[String], at: &mut usize, letters: &str) -> Result<(), String> {
        for (index, letter) in letters.char_indices() {
            let word = *at;
            if PLAIN.contains(letter) {
                self.plain(letter, word)?;
                continue;
            }
            if !VALUED.contains(letter) {
                return Err(unknown(&format!("-{letter}")));
            }
            let rest = &letters[index + letter.len_utf8()..];
            let value = if rest.is_empty() {
                *at += 1;
                words.get(*at).map(String::as_str)
            } else {
                Some(rest)
            };
            let value = value.ok_or_else(|| format!("-{letter} has no value"))?;
            return self.valued(letter, value, word);
        }
        Ok(())
    }

    fn plain(&mut self, letter: char, word: usize) -> Result<(), String> {
        match letter {
            'd' => {
                self.foreground = true;
                self.level = Some(Level::Debug);
            }
            'e' | 'f' | 'i' => self.foreground = true,
            'E' => self.set(ClassicSetting::PassEnv, word),
            'w' => self.set(ClassicSetting::Wrappers, word),
            'W' => self.set(ClassicSetting::InternalWrappers, word),
            // `l` of FreeBSD: "Turn on logging of successful connections." Every START is in the log
            // anyway.
            _ => {}
        }
        Ok(())
    }

    fn valued(&mut self, letter: char, value: &str, word: usize) -> Result<(), String> {
        let flag = format!("-{letter}");
        let number = || number(&flag, value);
        let setting = match letter {
            'a' => ClassicSetting::Address(value.to_owned()),
            'c' if value.parse::<u32>().is_err() => {
                return Err(format!(
                    "-c {value}: not a number of sessions; `inetd run -c {value}` runs a file"
                ));
            }
            'c' => ClassicSetting::MaxSessions(number()?),
            'C' => ClassicSetting::RatePerSource(number()?),
            'q' => ClassicSetting::Backlog(number()?),
            'R' => ClassicSetting::Rate(number()?),
            's' => ClassicSetting::MaxPerSource(number()?),
            _ => {
                self.pid_file = Some(value.into());
                return Ok(());
            }
        };
        self.set(setting, word);
        Ok(())
    }

    fn set(&mut self, setting: ClassicSetting, word: usize) {
        self.flags.settings.push((setting, word));
    }

    /// The long options of GNU inetutils, and those of `inetd run`.
    fn long(&mut self, words: &[String], at: &mut usize, option: &str) -> Result<(), String> {
        let word = *at;
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, None),
        };
        let mut value = || -> Result<String, String> {
            if let Some(value) = &value {
                return Ok(value.clone());
            }
            *at += 1;
            words.get(*at).cloned().ok_or_else(|| format!("--{name} has no value"))
        };
        match name {
            "debug" => self.plain('d', word)?,
            // Programs always have these variables.
            "environment" => {}
            "resolve" => self.set(ClassicSetting::Resolve, word),
            "rate" => {
                let value = value()?;
                self.set(ClassicSetting::Rate(number("--rate", &value)?), word);
            }
            "pidfile" => self.pid_file = Some(value()?.into()),
            "control" => self.control = Some(value()?),
            "format" => {
                self.format = Some(value()?.parse().map_err(|error| format!("--format: {error}"))?);
            }
            "log-format" => self.json = value()? == "json",
            _ => return Err(unknown(&format!("--{name}"))),
        }
        Ok(())
    }
}

fn number(flag: &str, value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| format!("{flag} {value}: not a number"))
}

fn unknown(flag: &str) -> String {
    format!("there is no flag `{flag}`: `inetd --help` tells what there is")
}

impl Classic {
    fn run(self) -> ExitCode {
        let format = self.format.unwrap_or(FileFormat::Auto);
        let default =
            if format == FileFormat::Xinetd { "/etc/xinetd.conf" } else { "/etc/inetd.conf" };
        let file = self.file.clone().unwrap_or_else(|| default.into());
        // In the background paths begin elsewhere.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let path = absolute(file);
        let pid_file = self.pid_file.map(absolute);
        let log_file = self.log_file.map(absolute);
        let detached = if self.foreground { Ok(Detached::Here) } else { startup::detach() };
        let in_background = match detached {
            Ok(Detached::Starter(code)) => return ExitCode::from(code),
            Ok(Detached::Background) => true,
            Ok(Detached::Here) => false,
            Err(error) => return fail(FAILED, format!("cannot go into the background: {error}")),
        };
        if let Err(error) = startup::prepare() {
            return fail(FAILED, error);
        }
        let target = match (log_file, system_log::OF_DAEMONS) {
            (Some(file), _) => Some(LogTarget::File(file)),
            (None, Some(kind)) if in_background => Some(LogTarget::System(kind)),
            _ => None,
        };
        let log = LogOptions {
            format: self.json.then_some(Format::Json),
            level: self.level,
            target,
            facility: self.facility,
            max_sessions: self.max_sessions,
        };
        let options = Options::classic(path, format, self.control, log, self.flags);
        let purpose =
            if self.stay_alive { Purpose::Service { reload: false } } else { Purpose::Run };
        daemon::run_with(options, purpose, pid_file.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    fn is_command(word: &str) -> bool {
        ["run", "serve"].contains(&word)
    }

    #[test]
    fn the_first_word_tells_whose_flags_they_are() {
        for (line, expected) in [
            ("inetd run -c x", None),
            ("inetd serve 7000", None),
            ("inetd --help", None),
            ("inetd nonsense", None),
            ("inetd", None),
            ("inetd -d", Some(Kind::Inetd)),
            ("/usr/sbin/inetd -R 5", Some(Kind::Inetd)),
            ("inetd Cargo.toml", Some(Kind::Inetd)),
            ("inetd --rate=5", Some(Kind::Inetd)),
            ("inetd -stayalive", Some(Kind::Xinetd)),
            ("/usr/sbin/xinetd -d", Some(Kind::Xinetd)),
            ("xinetd", Some(Kind::Xinetd)),
        ] {
            assert_eq!(kind(&words(line), is_command), expected, "{line}");
        }
    }

    // inetd(8) of FreeBSD: "inetd [-dlWw] [-a address] [-C rate] [-c maximum] [-p filename] [-R rate]
    // [-s maximum] [configuration_file]".
    #[test]
    fn the_flags_of_freebsd() {
        let classic =
            inetd(&words("inetd -l -C 60 -a 10.0.0.1 -c5 -p /run/x.pid -R 256 -s 3 /etc/x"));
        let classic = classic.unwrap();
        let settings: Vec<_> = classic.flags.settings.iter().map(|(s, _)| s.clone()).collect();
        assert_eq!(
            settings,
            [
                ClassicSetting::RatePerSource(60),
                ClassicSetting::Address("10.0.0.1".into()),
                ClassicSetting::MaxSessions(5),
                ClassicSetting::Rate(256),
                ClassicSetting::MaxPerSource(3),
            ]
        );
        assert_eq!(classic.pid_file.as_deref(), Some(Path::new("/run/x.pid")));
        assert_eq!(classic.file.as_deref(), Some(Path::new("/etc/x")));
        assert!(!classic.foreground);
        assert!(inetd(&words("inetd -d")).unwrap().foreground);
    }

    // inetd(8) of Debian's openbsd-inetd: "inetd [-d] [-E] [-i] [-l] [-q length] [-R rate]
    // [configuration_file]"; "-i Makes the program not daemonize itself."
    #[test]
    fn the_flags_of_debian_and_openbsd() {
        let classic = inetd(&words("inetd -Eil -q 64 -R 0")).unwrap();
        let settings: Vec<_> = classic.flags.settings.iter().map(|(s, _)| s.clone()).collect();
        let expected =
            [ClassicSetting::PassEnv, ClassicSetting::Backlog(64), ClassicSetting::Rate(0)];
        assert_eq!(settings, expected);
        assert!(classic.foreground && classic.file.is_none());
    }

    // inetd(8) of GNU inetutils: "--debug", "--environment", "--pidfile [filename]", "--rate rate",
    // "--resolve". inetd(8) of NetBSD: "-f Runs inetd in the foreground."
    #[test]
    fn the_flags_of_inetutils_and_netbsd() {
        let line = "inetd --environment --resolve --rate=40 --pidfile=/run/x -- /etc/inetd.d";
        let classic = inetd(&words(line)).unwrap();
        let settings: Vec<_> = classic.flags.settings.iter().map(|(s, _)| s.clone()).collect();
        assert_eq!(settings, [ClassicSetting::Resolve, ClassicSetting::Rate(40)]);
        assert_eq!(classic.file.as_deref(), Some(Path::new("/etc/inetd.d")));
        assert!(inetd(&words("inetd -f")).unwrap().foreground);
        assert!(inetd(&words("inetd --debug")).unwrap().foreground);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for (line, expected) in [
            ("inetd -x", "there is no flag `-x`"),
            ("inetd -R", "-R has no value"),
            ("inetd -R many", "-R many: not a number"),
            ("inetd -c x.toml", "-c x.toml: not a number of sessions; `inetd run -c x.toml`"),
            ("inetd --nonsense", "there is no flag `--nonsense`"),
            ("inetd -d a b", "`b`: one file or folder"),
        ] {
            let error = inetd(&words(line)).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
