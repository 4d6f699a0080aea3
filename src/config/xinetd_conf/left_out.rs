//! Entries that ask for something which is not there. Such a service is left out, with a warning:
//! without what is missing more peers could come in than should, or there is nothing to serve. All
//! others run.

use super::access;
use super::service::{DISABLE, Translation};
use crate::config::report::Problem;
use crate::config::source::Span;
use crate::sys::{FAMILY, Family};

/// Why a service is left out.
struct Reason {
    at: Span,
    what: String,
    why: &'static str,
    help: &'static str,
}

impl Translation<'_> {
    /// Whether the service is left out. If so, warnings say why.
    pub(super) fn is_left_out(&mut self) -> bool {
        let mut reasons = self.of_flags();
        reasons.extend(self.of_kind());
        reasons.extend(self.of_rules());
        let name = self.settings.get("id").map_or(self.name, |id| id.one()).value.clone();
        for Reason { at, what, why, help } in &reasons {
            let message = format!("service `{name}` is left out: {what}");
            self.problems.push(Problem::warning(*at, message).label(*why).help(*help));
        }
        !reasons.is_empty()
    }

    pub(super) fn is_datagram(&self) -> bool {
        self.has_word("socket_type", "dgram")
    }

    /// Whether the entry is for a program that accepts its connections itself.
    pub(super) fn is_waiting_program(&self) -> bool {
        self.has_word("wait", "yes")
            && !self.has_word("type", "INTERNAL")
            && !self.has_word("flags", "SENSOR")
            && self.settings.get("redirect").is_none()
    }

    fn of_flags(&self) -> Vec<Reason> {
        let flag = |name: &str| {
            let flags = self.words("flags");
            flags.into_iter().find(|word| word.value.eq_ignore_ascii_case(name))
        };
        let reason = |name, why, help| {
            let at = flag(name)?.span;
            let what = format!("the flag `{name}` cannot be honoured");
            Some(Reason { at, what, why, help })
        };
        let mut reasons = Vec::new();
        reasons.extend(reason("LABELED", "SELinux contexts are not available", DISABLE));
        if self.is_waiting_program() && !self.is_datagram() {
            reasons.extend(reason(
                "IDONLY",
                "the program accepts its connections itself",
                "with `wait = no` every peer is asked for its user",
            ));
        }
        if self.is_waiting_program() {
            reasons.extend(reason(
                "INTERCEPT",
                "the program accepts its connections itself: packets are not looked at one by one",
                "with `wait = no` every peer is looked at",
            ));
        }
        if self.is_datagram() {
            reasons.extend(reason(
                "IDONLY",
                "a datagram belongs to no connection whose user could be asked for",
                "let it listen on a stream",
            ));
            reasons.extend(reason(
                "SENSOR",
                "anybody can send a datagram in the name of somebody else",
                "let it listen on a stream",
            ));
        }
        reasons
    }

    /// Built-in services and sockets that are not there.
    fn of_kind(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let at = self.name.span;
        if self.has_word("type", "INTERNAL") {
            match self.name.value.as_str() {
                "xadmin" => reasons.push(Reason {
                    at,
                    what: "there is no built-in service `xadmin`".to_owned(),
                    why: "it would tell anybody who can connect",
                    help: "`inetd status` and `inetd top` tell what runs",
                }),
                "services" | "servers" if self.is_datagram() => reasons.push(Reason {
                    at,
                    what: format!("`{}` does not answer datagrams", self.name.value),
                    why: "their sender may be forged, and the answer is much longer",
                    help: "write socket_type = stream",
                }),
                _ => {}
            }
        }
        for word in self.words("socket_type") {
            if ["raw", "seqpacket"].iter().any(|kind| word.value.eq_ignore_ascii_case(kind)) {
                reasons.push(Reason {
                    at: word.span,
                    what: format!("`{}` services are not available", word.value),
                    why: "there are streams and datagrams",
                    help: DISABLE,
                });
            }
        }
        if FAMILY == Family::Windows && self.has_word("type", "RPC") {
            reasons.push(Reason {
                at,
                what: "services of RPC are not available on Windows".to_owned(),
                why: "there is no rpcbind",
                help: DISABLE,
            });
        }
        reasons
    }

    /// Rules about peers that nobody could keep.
    fn of_rules(&self) -> Vec<Reason> {
        let (why, help) = if self.is_datagram() {
            ("a datagram does not wait for a name server", "write addresses in place of names")
        } else {
            (
                "a program with `wait` accepts its connections itself",
                "let the program, or a firewall, look at its peers",
            )
        };
        let mut reasons = Vec::new();
        for attribute in ["only_from", "no_access"] {
            let Some(given) = self.settings.get(attribute) else { continue };
            let name = given.values.iter().find(|word| access::is_name(&word.value));
            let at = match (self.is_datagram(), name) {
                (true, Some(name)) => name.span,
                (false, _) if self.is_waiting_program() => given.at,
                _ => continue,
            };
            let what = format!("`{attribute}` cannot be honoured");
            reasons.push(Reason { at, what, why, help });
        }
        reasons
    }
}
