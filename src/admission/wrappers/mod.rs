//! TCP wrappers: `/etc/hosts.allow` and `/etc/hosts.deny` as hosts_access(5) and hosts_options(5)
//! describe them. No command in them is ever run: a rule that would run one instead of the program,
//! or that would have it run with other rights, lets nobody in.

mod options;
mod parse;
mod pattern;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::options::Outcome;
use self::parse::Rule;
use self::pattern::{AskName, Host};
use super::rules::{Effect, PeerName};
use super::tables::files::Files;
use super::tables::{Answer, Extras, Loaded, Place, Remark};

/// The rules of both files.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrappers {
    /// In the order in which they are looked at.
    rules: Vec<Rule>,
}

/// Who wants to come in, and where.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The name of the program, or of a service that has none; in lower case.
    pub daemon: &'a str,
    /// The peer's address.
    pub peer: IpAddr,
    /// Its name.
    pub name: PeerName<'a>,
    /// Our address.
    pub local: IpAddr,
    /// Its name.
    pub local_name: PeerName<'a>,
}

impl Wrappers {
    /// Reads `hosts.allow` and `hosts.deny`. A file that is not there has no rules; one that cannot
    /// be read may have any.
    pub fn read(paths: &[PathBuf], files: &mut Files) -> Loaded<Self> {
        let (mut rules, mut remarks, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for (path, effect) in paths.iter().zip([Effect::Allow, Effect::Deny]) {
            match files.read(path) {
                Ok(None) => {}
                Ok(Some(bytes)) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let file = parse::read(&text, path, texts.len(), effect, files);
                    rules.extend(file.rules);
                    remarks.extend(file.remarks);
                    texts.push((path.clone(), text));
                }
                Err(message) => remarks.push(Remark::nowhere(message)),
            }
        }
        Loaded { table: Self { rules }, remarks, texts }
    }

    /// Whether any rule is about one of our addresses (`daemon@host`).
    pub fn ask_for_local(&self) -> bool {
        let mut daemons = self.rules.iter().flat_map(|rule| rule.daemons.parts.iter().flatten());
        daemons.any(|daemon| daemon.at.is_some())
    }

    /// hosts_access(5): "Access will be granted when a (daemon,client) pair matches an entry in the
    /// /etc/hosts.allow file. Otherwise, access will be denied when a (daemon,client) pair matches
    /// an entry in the /etc/hosts.deny file. Otherwise, access will be granted."
    pub fn decide(&self, request: &Request<'_>) -> Answer {
        for rule in &self.rules {
            match rule.is_about(request) {
                Ok(false) => {}
                Ok(true) => return rule.answer(request),
                Err(AskName) => return Answer::AskName,
            }
        }
        Answer::Decided(Effect::Allow, None, Extras::default())
    }
}

impl Rule {
    fn is_about(&self, request: &Request<'_>) -> Result<bool, AskName> {
        let closed = self.outcome.effect == Effect::Deny;
        let local = Host { address: request.local, name: request.local_name };
        let peer = Host { address: request.peer, name: request.name };
        let daemon =
            |pattern: &pattern::Daemon, closed| pattern.matches(request.daemon, local, closed);
        Ok(self.daemons.matches(closed, &daemon)?
            && self.clients.matches(closed, &|client: &pattern::Client, closed| {
                client.matches(peer, closed)
            })?)
    }

    fn answer(&self, request: &Request<'_>) -> Answer {
        let Outcome { effect, .. } = &self.outcome;
        let place = Place { path: Arc::clone(&self.path), line: self.line };
        Answer::Decided(*effect, Some(place), self.outcome.extras(request))
    }
}

/// The daemon's name as these files have it: that of the program, without its folder.
pub fn daemon_name(argv0: &str) -> String {
    let name = Path::new(argv0).file_name().unwrap_or_default().to_string_lossy();
    let lower = name.to_ascii_lowercase();
    lower.strip_suffix(".exe").unwrap_or(&lower).trim_start_matches('-').to_owned()
}

#[cfg(test)]
mod tests;
