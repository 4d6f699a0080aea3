//! `libwrap` and NOLIBWRAP. xinetd as distributions build it asks libwrap about each peer and each
//! datagram if an entry does not say that it shall not.

use super::attributes::{Given, Settings};
use super::syntax::Word;
use crate::config::keys::Key;
use crate::config::raw::{Data, Entry};
use crate::config::report::Problem;
use crate::config::source::Spanned;
use crate::sys::{FAMILY, Family};

/// `tcp_wrappers` of an entry. That nobody can ask for it is a warning.
pub(super) fn translate(
    name: &Word,
    settings: &Settings,
    problems: &mut Vec<Problem>,
    entries: &mut Vec<Entry>,
) {
    let has = |attribute, word: &str| {
        let values = settings.get(attribute).map(|given| &given.values);
        values.is_some_and(|values| values.iter().any(|v| v.value.eq_ignore_ascii_case(word)))
    };
    let given = settings.get("libwrap").map(Given::one);
    let is_datagram = has("socket_type", "dgram");
    // A sensor refuses without asking, and xinetd sets NOLIBWRAP for RPC over TCP.
    let is_rpc = has("type", "RPC") && !is_datagram;
    if has("flags", "NOLIBWRAP") || has("flags", "SENSOR") || is_rpc {
        if let Some(word) = given {
            problems.push(
                Problem::warning(word.span, "`libwrap` has no effect")
                    .label("hosts.allow and hosts.deny are not asked about this service"),
            );
        }
        return;
    }
    let at = given.map_or(name.span, |word| word.span);
    let is_internal = has("type", "INTERNAL");
    let waits = has("wait", "yes") && !is_internal;
    let why = match (FAMILY, is_datagram, waits) {
        // There is no libwrap, and no place for its files.
        (Family::Windows, ..) if given.is_none() => return,
        (Family::Windows, ..) => "this system has no place for hosts.allow and hosts.deny",
        (Family::Unix, true, _) => "a datagram waits neither for the disk nor for a name server",
        (Family::Unix, false, true) => "a program with `wait` accepts its connections itself",
        (Family::Unix, false, false) => {
            // What has no program is asked for by the name of the entry, whatever its `id`.
            let has_none = is_internal || settings.get("redirect").is_some();
            let id = settings.get("id").map(|given| &given.one().value);
            let own = Some(name).filter(|name| has_none && id.is_some_and(|id| *id != name.value));
            let daemon = given.or(own).map(|word| Data::Text(word.value.clone()));
            let value = Spanned { value: daemon.unwrap_or(Data::Bool(true)), span: at };
            entries.push(Entry { key: Key::TcpWrappers, name: at, value });
            return;
        }
    };
    problems.push(
        Problem::warning(at, "hosts.allow and hosts.deny are not asked about this service")
            .label(why)
            .help("write `flags = NOLIBWRAP` if they need not be"),
    );
}
