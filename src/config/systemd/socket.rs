//! The section `[Socket]`.

use super::Pair;
use super::name::UnitName;
use super::syntax::Setting;
use crate::config::keys::Key;
use crate::config::raw::{Data, Entry, Value};
use crate::config::report::Problem;
use crate::config::source::{Span, Spanned};

/// What a socket says of its service.
pub(super) struct Described {
    /// `Accept=`: one process for each connection.
    pub(super) accept: bool,
    /// `Service=`.
    pub(super) service: Option<Spanned<String>>,
}

/// `MaxConnections=` where it is not written.
const MAX_CONNECTIONS: i64 = 64;

pub(super) fn translate(settings: &[Setting], pair: &mut Pair<'_>, at: Span) -> Described {
    let named = |name: &str| settings.iter().find(|setting| setting.name.value == name);
    let accept = named("Accept").and_then(|setting| pair.boolean(setting)).unwrap_or(false);
    let mut service = None;
    let only_v6 = named("BindIPv6Only").is_some_and(|s| s.value.value == "ipv6-only");
    for setting in settings {
        let text = setting.value.value.as_str();
        match setting.name.value.as_str() {
            "ListenStream" => {
                pair.extend(Key::Listen, setting, [listen(text, "tcp", only_v6)]);
            }
            "ListenDatagram" => {
                pair.extend(Key::Listen, setting, [listen(text, "udp", only_v6)]);
            }
            "ListenSequentialPacket"
            | "ListenFIFO"
            | "ListenSpecial"
            | "ListenNetlink"
            | "ListenMessageQueue"
            | "ListenUSBFunction" => {
                pair.refuse(setting, "there are stream and datagram sockets only");
            }
            "Accept" | "BindIPv6Only" => {}
            "Service" if text.is_empty() => {}
            "Service" => {
                if UnitName::of_service(text).is_none() {
                    pair.wrong(setting, "the name of a unit, as NAME.service");
                }
                service = Some(setting.value.clone());
            }
            "Backlog" => backlog(pair, setting),
            "BindToDevice" => pair.text(Key::Interface, setting),
            "FreeBind" => pair.bool(Key::Freebind, setting),
            "NoDelay" => pair.bool(Key::Nodelay, setting),
            "KeepAlive" => pair.bool(Key::Keepalive, setting),
            "SendBuffer" => pair.text(Key::SendBuffer, setting),
            "ReceiveBuffer" => pair.text(Key::ReceiveBuffer, setting),
            "SocketUser" => pair.text(Key::SocketUser, setting),
            "SocketGroup" => pair.text(Key::SocketGroup, setting),
            "SocketMode" => pair.text(Key::SocketMode, setting),
            "MaxConnections" if accept => pair.integer(Key::MaxSessions, setting),
            "MaxConnectionsPerSource" if accept => pair.integer(Key::MaxPerSource, setting),
            "IPAddressAllow" => addresses(pair, Key::Allow, setting),
            "IPAddressDeny" => addresses(pair, Key::Deny, setting),
            "MaxConnections" | "MaxConnectionsPerSource" => {
                pair.ignore(setting, "it has a meaning with Accept=yes only");
            }
            // A limit that ends the unit for good where ours would pause; what is left of it is in
            // `rate`, which the administrator may want to set.
            "TriggerLimitIntervalSec"
            | "TriggerLimitBurst"
            | "PollLimitIntervalSec"
            | "PollLimitBurst" => pair.ignore(setting, "`rate` limits connections, and pauses"),
            "FileDescriptorName" => pair.ignore(setting, "it is the name of the service"),
            // What is done without being asked.
            "ReusePort" if text == "no" => {}
            "RemoveOnStop" | "PassCredentials" | "PassSecurity" | "DirectoryMode" => {
                pair.ignore(setting, "sockets are removed, and folders not made");
            }
            "Transparent"
            | "Broadcast"
            | "ReusePort"
            | "Mark"
            | "IPTOS"
            | "IPTTL"
            | "Priority"
            | "KeepAliveTimeSec"
            | "KeepAliveIntervalSec"
            | "KeepAliveProbes"
            | "DeferAcceptSec"
            | "TCPCongestion"
            | "Symlinks"
            | "PassPacketInfo"
            | "Timestamping"
            | "PipeSize"
            | "SocketProtocol"
            | "FlushPending"
            | "Writable" => {
                pair.ignore(setting, "this socket option is not available");
            }
            "ExecStartPre" | "ExecStartPost" | "ExecStopPre" | "ExecStopPost" => {
                pair.refuse(
                    setting,
                    "nothing is run when a socket is made; do it before inetd starts",
                );
            }
            "SELinuxContextFromNet" | "SmackLabel" | "SmackLabelIPIn" | "SmackLabelIPOut" => {
                pair.refuse(setting, "security labels are not available");
            }
            other => {
                let message = format!("unknown setting {other}");
                let problem = Problem::warning(setting.name.span, message);
                pair.problems.push(problem.label("ignored"));
            }
        }
    }
    defaults(pair, accept, at);
    Described { accept, service }
}

/// What a socket unit has where it says nothing, and an `inetd.toml` has not.
fn defaults(pair: &mut Pair<'_>, accept: bool, at: Span) {
    let listens = |is_wanted: fn(&str) -> bool| {
        let is_wanted = |item: &Value| matches!(&item.value, Data::Text(text) if is_wanted(text));
        pair.entries.iter().any(|entry| {
            entry.key == Key::Listen
                && matches!(&entry.value.value, Data::List(items) if items.iter().any(is_wanted))
        })
    };
    let has_file = listens(|text| text.starts_with("unix:///"));
    let has_tcp = listens(|text| text.starts_with("tcp"));
    let mut add = |key, value| {
        if pair.entries.iter().all(|entry| entry.key != key) {
            pair.entries.push(Entry { key, name: at, value: Spanned { value, span: at } });
        }
    };
    if has_tcp {
        add(Key::Keepalive, Data::Bool(false));
    }
    add(Key::Wait, Data::Bool(!accept));
    if accept {
        add(Key::MaxSessions, Data::Integer { value: MAX_CONNECTIONS, octal: false });
        // What is too much is accepted and closed.
        add(Key::OverLimit, Data::Text("reject".to_owned()));
    }
    if has_file {
        add(Key::SocketMode, Data::Text("0666".to_owned()));
    }
}

/// An address of `ListenStream=` in our form.
fn listen(text: &str, scheme: &str, only_v6: bool) -> String {
    if text.starts_with('/') {
        return format!("unix://{text}");
    }
    if let Some(name) = text.strip_prefix('@') {
        return format!("unix:@{name}");
    }
    if text.starts_with("vsock:") {
        return text.replacen("vsock:", "vsock://", 1);
    }
    let is_v6 = text.starts_with('[') || !text.contains('.');
    let family = if only_v6 && is_v6 { "6" } else { "" };
    format!("{scheme}{family}://{text}")
}

fn backlog(pair: &mut Pair<'_>, setting: &Setting) {
    // More than anybody can ask for is the default there, and means as much as there is.
    match setting.value.value.parse::<i64>() {
        Ok(value) => {
            let value = value.clamp(1, 65_535);
            pair.add(Key::Backlog, setting, Data::Integer { value, octal: false });
        }
        Err(_) if setting.value.value.is_empty() => pair.text(Key::Backlog, setting),
        Err(_) => pair.wrong(setting, "a number"),
    }
}

/// `IPAddressAllow=` and `IPAddressDeny=` (systemd.resource-control(5)).
fn addresses(pair: &mut Pair<'_>, key: Key, setting: &Setting) {
    let items = setting.value.value.split_whitespace().flat_map(|item| match item {
        "any" => vec!["0.0.0.0/0", "::/0"],
        "localhost" => vec!["127.0.0.0/8", "::1/128"],
        "link-local" => vec!["169.254.0.0/16", "fe80::/64"],
        "multicast" => vec!["224.0.0.0/4", "ff00::/8"],
        other => vec![other],
    });
    pair.extend(key, setting, items.map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use super::*;

    // systemd.socket(5), "ListenStream=".
    #[test]
    fn addresses_have_our_form() {
        for (text, only_v6, expected) in [
            ("7000", false, "tcp://7000"),
            ("7000", true, "tcp6://7000"),
            ("127.0.0.1:7000", true, "tcp://127.0.0.1:7000"),
            ("[::1]:7000", false, "tcp://[::1]:7000"),
            ("/run/x.sock", false, "unix:///run/x.sock"),
            ("@x", false, "unix:@x"),
            ("vsock::1234", false, "vsock://:1234"),
        ] {
            assert_eq!(listen(text, "tcp", only_v6), expected, "{text}");
        }
    }
}
