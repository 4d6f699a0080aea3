//! What is left of the settings of a unit and its drop-ins: the last one of a kind, or a list since it
//! was emptied, with the specifiers replaced. Never looks at what a setting means.

use super::Pair;
use super::syntax::Setting;

/// Settings that every line adds to. "If the empty string is assigned to this option, the list [...]
/// is reset, prior assignments of this option will have no effect" (systemd.service(5), and likewise in
/// the other manuals).
const LISTS: [&str; 17] = [
    "Environment",
    "EnvironmentFile",
    "ExecCondition",
    "ExecReload",
    "ExecStart",
    "ExecStartPost",
    "ExecStartPre",
    "ExecStop",
    "ExecStopPost",
    "ExecStopPre",
    "IPAddressAllow",
    "IPAddressDeny",
    "PassEnvironment",
    "Sockets",
    "SupplementaryGroups",
    "Symlinks",
    "UnsetEnvironment",
];

/// All addresses are one list: "If the empty string is assigned to any of these options, the list of
/// addresses to listen on is reset, all prior uses of any of these options will have no effect"
/// (systemd.socket(5)).
const LISTEN: &str = "Listen";

/// Settings whose value has specifiers as a whole. Those of commands and variables are replaced in
/// each word.
const WITH_SPECIFIERS: [&str; 13] = [
    "EnvironmentFile",
    "Group",
    "ListenDatagram",
    "ListenSequentialPacket",
    "ListenStream",
    "PassEnvironment",
    "Service",
    "SocketGroup",
    "SocketUser",
    "StandardError",
    "SupplementaryGroups",
    "User",
    "WorkingDirectory",
];

/// The settings of one section that count, in their order.
pub(super) fn effective(settings: Vec<Setting>, pair: &mut Pair<'_>) -> Vec<Setting> {
    let mut kept: Vec<Setting> = Vec::with_capacity(settings.len());
    for setting in settings {
        let name = setting.name.value.as_str();
        // "If an option or section name is prefixed with X-, it is ignored completely by systemd"
        // (systemd.unit(5)).
        if name.starts_with("X-") {
            continue;
        }
        let is_reset = setting.value.value.is_empty();
        match list(name) {
            Some(_) if !is_reset => kept.push(setting),
            Some(list_of) => kept.retain(|other| list(&other.name.value) != Some(list_of)),
            None => {
                kept.retain(|other| other.name.value != name);
                kept.push(setting);
            }
        }
    }
    kept.retain_mut(|setting| {
        if !WITH_SPECIFIERS.contains(&setting.name.value.as_str()) {
            return true;
        }
        match pair.expanded(&setting.value.value, setting) {
            Some(value) => setting.value.value = value,
            None => return false,
        }
        true
    });
    kept
}

/// The list that a setting adds to.
fn list(name: &str) -> Option<&str> {
    if name.starts_with(LISTEN) {
        return Some(LISTEN);
    }
    LISTS.contains(&name).then_some(name)
}
