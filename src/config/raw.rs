//! What every format is read into: services with the keys that were written and where. Nothing is
//! checked here but that the keys exist.

use std::ffi::OsString;
use std::sync::Arc;

use super::keys::Key;
use super::report::Problem;
use super::source::{Sources, Span, Spanned};

/// Everything that was read.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    pub(crate) sources: Sources,
    pub(crate) services: Vec<RawService>,
    /// Every `[defaults]` table, whether a service uses it or not.
    pub(crate) layers: Vec<Arc<Layer>>,
    pub(crate) daemon: Option<Spanned<Vec<Field>>>,
    pub(crate) problems: Vec<Problem>,
}

/// One service.
#[derive(Debug)]
pub(crate) struct RawService {
    pub(crate) name: Spanned<String>,
    pub(crate) origin: Origin,
    /// The defaults that apply to it.
    pub(crate) layer: Option<Arc<Layer>>,
    pub(crate) entries: Vec<Entry>,
    /// Part of it could not be read: what is missing is not worth a word.
    pub(crate) incomplete: bool,
}

/// The kind of text that a service was written in; some defaults depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A TOML file.
    Toml,
    /// A classic `inetd.conf`.
    Classic,
    /// The command line of `inetd serve`.
    CommandLine,
}

/// The defaults of a file, on top of those of the file that includes it.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) entries: Vec<Entry>,
    pub(crate) parent: Option<Arc<Self>>,
}

/// A key of a service and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) name: Span,
    pub(crate) value: Value,
}

/// A name and its value in a table.
pub(crate) type Field = (Spanned<String>, Value);

/// A value and where it was written.
pub(crate) type Value = Spanned<Data>;

/// What a value can be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Text(String),
    /// An argument of the command line, which need not be Unicode.
    Argument(OsString),
    Integer {
        value: i64,
        /// It was written in octal: `0o660`.
        octal: bool,
    },
    Float(f64),
    Bool(bool),
    List(Vec<Value>),
    Table(Vec<Field>),
    /// Something that no key can be: its name.
    Other(&'static str),
}

impl Data {
    /// What it is, for a message.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Argument(_) => "a string",
            Self::Integer { .. } => "an integer",
            Self::Float(_) => "a fraction",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(name) => name,
        }
    }
}
