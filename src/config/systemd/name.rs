//! Names of units (systemd.unit(5)): `PREFIX.KIND`, `PREFIX@.KIND` for a template and
//! `PREFIX@INSTANCE.KIND` for what is made from it; and which folders change a unit of that name.

use super::syntax::hexadecimal;

/// The name of a unit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnitName {
    prefix: String,
    instance: Instance,
    /// What is behind the last dot.
    kind: &'static str,
}

/// What is behind the `@` of a name.
#[derive(Clone, Debug, PartialEq)]
enum Instance {
    /// There is no `@`.
    None,
    Template,
    Named(String),
    /// Each connection is another one ("Accept=yes").
    OfConnection,
}

impl UnitName {
    /// The name `stem.kind`.
    pub(super) fn new(stem: &str, kind: &'static str) -> Self {
        // "the string between the first "@" character and the type suffix"
        let (prefix, instance) = match stem.split_once('@') {
            None => (stem, Instance::None),
            Some((prefix, "")) => (prefix, Instance::Template),
            Some((prefix, instance)) => (prefix, Instance::Named(instance.to_owned())),
        };
        Self { prefix: prefix.to_owned(), instance, kind }
    }

    /// The service that `text` names.
    pub(super) fn of_service(text: &str) -> Option<Self> {
        let stem = text.strip_suffix(".service")?;
        let is_name = !stem.is_empty() && !stem.contains(['/', '\0']);
        is_name.then(|| Self::new(stem, "service"))
    }

    /// The service that a socket of this name starts, for each connection or one for all.
    pub(super) fn service(&self, accept: bool) -> Self {
        let instance = if accept { Instance::OfConnection } else { self.instance.clone() };
        Self { prefix: self.prefix.clone(), instance, kind: "service" }
    }

    /// `%n`; `None` if it is different for each connection.
    pub(super) fn full(&self) -> Option<String> {
        Some(format!("{}.{}", self.stem()?, self.kind))
    }

    /// `%N`.
    pub(super) fn stem(&self) -> Option<String> {
        let prefix = &self.prefix;
        Some(match &self.instance {
            Instance::None => prefix.clone(),
            Instance::Template => format!("{prefix}@"),
            Instance::Named(instance) => format!("{prefix}@{instance}"),
            Instance::OfConnection => return None,
        })
    }

    /// `%p`.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `%i`: "Empty for non-instantiated units"; `None` if it is different for each connection.
    pub(super) fn instance(&self) -> Option<&str> {
        match &self.instance {
            Instance::None | Instance::Template => Some(""),
            Instance::Named(instance) => Some(instance),
            Instance::OfConnection => None,
        }
    }

    /// Whether nothing of this name can run: it needs an instance.
    pub(crate) fn is_template(&self) -> bool {
        self.instance == Instance::Template
    }

    /// The names of the files that the unit can be in: "it will first search for the literal unit
    /// name", then for that of the template.
    pub(super) fn files(&self) -> Vec<String> {
        let template = self.template().and_then(|template| template.full());
        self.full().into_iter().chain(template).collect()
    }

    /// The folders of drop-ins, those that win first (systemd.unit(5): "the instance ".d/"
    /// subdirectory [...], followed by the template ".d/" subdirectory"; "for a unit name
    /// foo-bar-baz.service [...] also both foo-bar-.service.d/ and foo-.service.d/").
    pub(super) fn drop_in_folders(&self) -> Vec<String> {
        let mut folders = Vec::new();
        self.collect_folders(&mut folders);
        folders
    }

    fn collect_folders(&self, folders: &mut Vec<String>) {
        let folder = self.full().map(|name| format!("{name}.d"));
        folders.extend(folder.filter(|folder| !folders.contains(folder)));
        if let Some(template) = self.template() {
            template.collect_folders(folders);
        }
        if let Some(prefix) = shorter(&self.prefix) {
            let instance = match &self.instance {
                Instance::Template => Instance::None,
                other => other.clone(),
            };
            let prefix = prefix.to_owned();
            Self { prefix, instance, kind: self.kind }.collect_folders(folders);
        }
    }

    /// Another name of the same kind.
    pub(super) fn renamed(&self, stem: &str) -> Self {
        Self::new(stem, self.kind)
    }

    /// The folder for all units of the kind.
    pub(super) fn folder_of_kind(&self) -> String {
        format!("{}.d", self.kind)
    }

    /// What an instance is made from.
    fn template(&self) -> Option<Self> {
        match self.instance {
            Instance::Named(_) | Instance::OfConnection => {
                Some(Self { instance: Instance::Template, ..self.clone() })
            }
            Instance::None | Instance::Template => None,
        }
    }
}

/// A prefix up to the last dash that has something on both sides.
fn shorter(prefix: &str) -> Option<&str> {
    // A dash at the end is what a prefix that was made shorter has.
    let within = prefix.strip_suffix('-').unwrap_or(prefix);
    let dash = within.rfind('-').filter(|dash| *dash > 0)?;
    Some(&prefix[..=dash])
}

/// Undoes the escaping of a name (systemd.unit(5), "String escaping for inclusion in unit names");
/// `None` if it is no such text.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'-' => bytes.push(b'/'),
            b'\\' => {
                let escape: Vec<u8> = rest.by_ref().take(3).collect();
                let digits = escape.strip_prefix(b"x").filter(|digits| digits.len() == 2);
                let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok())?;
                let number = hexadecimal(digits).and_then(|number| u8::try_from(number).ok());
                bytes.push(number?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_the_folders_of_its_names() {
        let of = |stem: &str| UnitName::new(stem, "service").drop_in_folders();
        assert_eq!(of("foo"), ["foo.service.d"]);
        // The example of systemd.unit(5).
        assert_eq!(
            of("foo-bar-baz"),
            ["foo-bar-baz.service.d", "foo-bar-.service.d", "foo-.service.d"]
        );
        assert_eq!(
            of("a-b@i"),
            [
                "a-b@i.service.d",
                "a-b@.service.d",
                "a-.service.d",
                "a-@i.service.d",
                "a-@.service.d"
            ]
        );
        let each = UnitName::new("a-b", "socket").service(true);
        assert_eq!(each.drop_in_folders(), ["a-b@.service.d", "a-.service.d", "a-@.service.d"]);
        assert_eq!(of("-a"), ["-a.service.d"]);
    }

    #[test]
    fn a_service_has_the_name_of_its_socket() {
        let files = |stem: &str, accept| UnitName::new(stem, "socket").service(accept).files();
        assert_eq!(files("x", false), ["x.service"]);
        assert_eq!(files("x", true), ["x@.service"]);
        assert_eq!(files("x@1", false), ["x@1.service", "x@.service"]);
        assert_eq!(files("x@1", true), ["x@.service"]);
    }

    // systemd.unit(5): "/foo//bar/baz/ becomes "foo-bar-baz""; "C-style "\x2d" escapes".
    #[test]
    fn escapes_are_undone() {
        for (text, expected) in [
            ("foo-bar-baz", Some("foo/bar/baz")),
            (r"a\x2db", Some("a-b")),
            (r"\xc3\xa9", Some("é")),
            (r"a\x2", None),
            (r"\y41", None),
            (r"\x+1", None),
            (r"\xff", None),
        ] {
            assert_eq!(unescape(text).as_deref(), expected, "{text}");
        }
    }
}
