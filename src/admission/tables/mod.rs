//! `access`: rules in the files of other superservers, which are read as they are: tcprules as
//! text and as a cdb, access directories of s6. Each is read into a [`Table`]; looking a peer up
//! in it never touches a file.

mod asked;
mod cdb;
pub mod files;
mod s6;
mod tcprules;
pub mod watched;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::files::Files;
use super::rules::{Block, Effect, Lookup, PeerName};
use crate::launch::environment::is_fact;
use crate::sys::{FAMILY, Family};

/// What a table is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The text that tcprules(1) compiles.
    Tcprules,
    /// What it makes of that.
    Cdb,
    /// A directory of s6-tcpserver-access.
    S6,
}

/// What a rule adds to a connection that it lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Variables for the program, each once. They never replace a fact of the connection.
    pub variables: Vec<Variable>,
    /// Sent to the peer first.
    pub banner: Option<Arc<[u8]>>,
}

/// A variable that a rule sets, or takes away if it has no value.
pub type Variable = (Arc<str>, Option<Arc<str>>);

/// Where a rule is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, or the folder of an s6 rule.
    pub path: Arc<Path>,
    /// Its line, counted from 1; 0 where there are no lines.
    pub line: u32,
}

/// The answer about a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What happens to it, and where that was written; nowhere if no rule is about it.
    Decided(Effect, Option<Place>, Extras),
    /// It depends on its name.
    AskName,
}

/// Something to say about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Which text of [`Loaded::texts`], and which bytes of it.
    pub place: Option<(usize, Range<usize>)>,
    /// What is wrong or odd.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The table cannot be used.
    pub is_error: bool,
}

/// What was read.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The table.
    pub table: T,
    /// What there is to say about it.
    pub remarks: Vec<Remark>,
    /// The texts that it was read from.
    pub texts: Vec<(PathBuf, String)>,
}

/// All rules of a file or folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    rules: Box<[TableRule]>,
    addresses: Lookup,
    /// Hosts by name, and domains with a dot in front.
    names: HashMap<Box<str>, u32>,
    /// Whoever has a name.
    named: Option<u32>,
    /// Everybody.
    everybody: Option<u32>,
    order: Order,
}

/// In which order rules are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// One address, its name, networks, domains, whoever has a name, everybody; then allow.
    Tcprules,
    /// Addresses and networks, the name, domains, whoever has a name; then deny.
    S6,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct TableRule {
    /// It is about one address.
    is_single: bool,
    effect: Effect,
    place: Place,
    variables: Vec<Variable>,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Block(Block),
    /// A name, or a domain with a dot in front; in lower case.
    Name(String),
    Named,
    Everybody,
}

impl<T> Loaded<T> {
    fn new(table: T, remarks: Vec<Remark>, texts: Vec<(PathBuf, String)>) -> Self {
        Self { table, remarks, texts }
    }
}

impl Format {
    /// Reads a table.
    pub fn read(self, path: &Path, files: &mut Files) -> Loaded<Table> {
        match self {
            Self::Tcprules => tcprules::read(path, files),
            Self::Cdb => cdb::read(path, files),
            Self::S6 => s6::read(path, files),
        }
    }
}

impl Table {
    /// Of several rules about the same the first counts.
    fn new(found: Vec<(Key, TableRule)>, order: Order) -> Self {
        let mut seen = HashSet::with_capacity(found.len());
        let (mut rules, mut blocks) = (Vec::with_capacity(found.len()), Vec::new());
        let (mut names, mut named, mut everybody) = (HashMap::new(), None, None);
        for (key, mut rule) in found {
            if !seen.insert(key.clone()) {
                continue;
            }
            let index = u32::try_from(rules.len()).unwrap_or(u32::MAX);
            match key {
                Key::Block(block) => {
                    rule.is_single = block.is_single();
                    blocks.push((block, rule.effect, index));
                }
                Key::Name(name) => drop(names.insert(name.into_boxed_str(), index)),
                Key::Named => named = Some(index),
                Key::Everybody => everybody = Some(index),
            }
            rules.push(rule);
        }
        let addresses = Lookup::new(&blocks);
        Self { rules: rules.into(), addresses, names, named, everybody, order }
    }

    /// What happens to a peer.
    pub fn decide(&self, address: IpAddr, name: PeerName<'_>) -> Answer {
        let by_address = self.addresses.find(address);
        let first = match self.order {
            Order::Tcprules => by_address.filter(|rule| self.rules[*rule as usize].is_single),
            Order::S6 => by_address,
        };
        if let Some(rule) = first {
            return self.answer(rule);
        }
        let known = match name {
            PeerName::NotAsked if self.has_names() => return Answer::AskName,
            PeerName::Known(name) => Some(name),
            PeerName::NotAsked | PeerName::Unknown | PeerName::Mismatch => None,
        };
        let exact = known.and_then(|name| self.names.get(name)).copied();
        let named = known.and(self.named);
        let domain = || known.and_then(|name| self.domain(name));
        let found = exact.or(by_address).or_else(domain).or(named).or(self.everybody);
        match (found, self.order) {
            (Some(rule), _) => self.answer(rule),
            (None, Order::Tcprules) => Answer::Decided(Effect::Allow, None, Extras::default()),
            (None, Order::S6) => Answer::Decided(Effect::Deny, None, Extras::default()),
        }
    }

    /// Whether any rule is about names.
    pub fn has_names(&self) -> bool {
        !self.names.is_empty() || self.named.is_some()
    }

    /// The rule for the longest domain that a name is in.
    fn domain(&self, name: &str) -> Option<u32> {
        let mut domains = name.match_indices('.').map(|(dot, _)| &name[dot..]);
        domains.find_map(|domain| self.names.get(domain)).copied()
    }

    fn answer(&self, rule: u32) -> Answer {
        let TableRule { effect, place, variables, .. } = &self.rules[rule as usize];
        let extras = Extras { variables: variables.clone(), banner: None };
        Answer::Decided(*effect, Some(place.clone()), extras)
    }
}

impl Remark {
    /// The table cannot be used.
    fn error(text: usize, at: Range<usize>, message: impl Into<String>) -> Self {
        Self { place: Some((text, at)), message: message.into(), help: None, is_error: true }
    }

    /// It can, but somebody should look.
    pub(super) fn warning(text: usize, at: Range<usize>, message: impl Into<String>) -> Self {
        Self { is_error: false, ..Self::error(text, at, message) }
    }

    /// An error of a file as a whole.
    pub(super) fn nowhere(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), help: None, is_error: true }
    }

    /// A file as a whole has no rules.
    fn empty() -> Self {
        let message = "there is no rule here: everybody may come in";
        Self { is_error: false, ..Self::nowhere(message) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.path.display()),
            line => write!(f, "{}:{line}", self.path.display()),
        }
    }
}

/// A file that has to be there.
fn needed(path: &Path, files: &mut Files) -> Result<Vec<u8>, String> {
    files.read(path)?.ok_or_else(|| format!("there is no file {}", path.display()))
}

/// Adds a variable, in place of one with the same name.
pub(super) fn set(variables: &mut Vec<Variable>, variable: Variable) {
    variables.retain(|(name, _)| match FAMILY {
        Family::Unix => *name != variable.0,
        Family::Windows => !name.eq_ignore_ascii_case(&variable.0),
    });
    variables.push(variable);
}

/// A variable that a table sets, or why it cannot.
pub(super) fn variable(name: &str, value: Option<&str>) -> Result<Variable, String> {
    let nul = |text: &str| text.contains('\0');
    if name.is_empty() || name.contains('=') || nul(name) || value.is_some_and(nul) {
        return Err(format!("`{name}` cannot be a variable"));
    }
    if is_fact(OsStr::new(name)) {
        return Err(format!("`{name}` is a fact of the connection, which inetd sets"));
    }
    Ok((name.into(), value.map(Arc::from)))
}
