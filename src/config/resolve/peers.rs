//! Whether the keys about peers can be obeyed where a service listens.

use super::draft::Draft;
use super::tables::Asked;
use super::{Resolver, is_pipe};
use crate::admission::users;
use crate::config::keys::Key;
use crate::config::raw::RawService;
use crate::config::report::Problem;
use crate::config::{Builtin, Identify, MuxName, OverLimit, OverRate};
use crate::listener::endpoint::Endpoint;
use crate::sys::{FAMILY, Family};

/// Keys about the addresses of peers.
const OF_PEERS: [Key; 9] = [
    Key::Allow,
    Key::Deny,
    Key::Resolve,
    Key::Access,
    Key::TcpWrappers,
    Key::MaxPerSource,
    Key::SourcePrefix,
    Key::RatePerSource,
    Key::Sensor,
];

/// Keys about the life of sessions.
const OF_SESSIONS: [Key; 4] =
    [Key::SessionTimeout, Key::IdleTimeout, Key::LingerTimeout, Key::StopTimeout];

impl Resolver {
    /// Keys that do nothing for this service, if they are its own and not a default.
    pub(super) fn useless(
        &mut self,
        raw: &RawService,
        draft: &Draft,
        (listen, mux): (&[Endpoint], &[MuxName]),
    ) {
        if listen.is_empty() {
            return;
        }
        let has_file = listen.iter().any(|endpoint| matches!(endpoint, Endpoint::Unix(_)));
        let has_pipe = listen.iter().any(is_pipe);
        let has_addresses = !mux.is_empty()
            || listen
                .iter()
                .any(|endpoint| matches!(endpoint, Endpoint::Tcp { .. } | Endpoint::Udp { .. }));
        let only_datagrams = mux.is_empty() && listen.iter().all(Endpoint::is_datagram);
        for entry in &raw.entries {
            let why = match (entry.key, FAMILY) {
                (Key::SocketUser | Key::SocketGroup, Family::Windows) if !has_file && !has_pipe => {
                    "listens on no named pipe and on no Unix socket"
                }
                (Key::SocketMode | Key::SocketUser | Key::SocketGroup, Family::Unix)
                    if !has_file =>
                {
                    "listens on no Unix socket with a file"
                }
                (key, family) if OF_PEERS.contains(&key) && !has_addresses => match family {
                    Family::Unix => {
                        "has only peers without an address: `socket_mode` says who may connect"
                    }
                    Family::Windows => {
                        "has only peers without an address: `socket_user` says who may connect"
                    }
                },
                (Key::Banner | Key::BannerReject, _) if only_datagrams => {
                    "takes datagrams only, whose sender may be forged"
                }
                (Key::Backlog | Key::Nodelay | Key::Keepalive, _) if only_datagrams => {
                    "takes datagrams only"
                }
                (Key::Interface | Key::Freebind | Key::Nodelay | Key::Keepalive, _)
                    if !has_addresses =>
                {
                    "listens on no Internet address"
                }
                (Key::OverLimit, _)
                    if only_datagrams
                        && !draft.wait
                        && draft.gate.over_limit == OverLimit::Queue =>
                {
                    "takes datagrams only, and none of them can wait"
                }
                (Key::RatePause, _) if only_datagrams && !draft.wait => {
                    "takes datagrams only, and none of them can wait"
                }
                (Key::OverRate, _)
                    if only_datagrams && !draft.wait && draft.over_rate() == OverRate::Pause =>
                {
                    "takes datagrams only, and none of them can wait"
                }
                (key, _)
                    if OF_SESSIONS.contains(&key) && only_datagrams && draft.builtin.is_some() =>
                {
                    "answers each datagram at once, without a session"
                }
                (key, _)
                    if (matches!(key, Key::Banner | Key::Identify)
                        || OF_SESSIONS.contains(&key))
                        && draft.gate.sensor.is_some() =>
                {
                    "is a sensor, and lets nobody in"
                }
                (Key::RatePause | Key::OverRate, _) if draft.gate.rate.is_none() => "has no `rate`",
                (Key::RatePause, _) if draft.over_rate() == OverRate::Reject => {
                    match draft.over_rate {
                        Some(_) => "does not pause: it has over_rate = \"reject\"",
                        None => "does not pause: it has over_limit = \"reject\"",
                    }
                }
                (Key::SourcePrefix, _)
                    if draft.gate.max_per_source.is_none()
                        && draft.gate.rate_per_source.is_none()
                        && draft.gate.sensor.is_none() =>
                {
                    "counts nobody by source: it has no `max_per_source` and no `rate_per_source`"
                }
                (Key::Profile, _) if draft.profile && draft.user.is_none() => {
                    "has no `user`: it runs as the user that inetd runs as"
                }
                _ => continue,
            };
            if entry.key.info().availability.obstacle().is_none() {
                let message = format!("`{}` has no effect", entry.key.name());
                let label = format!("`{}` {why}", raw.name.value);
                self.problems.push(Problem::warning(entry.name, message).label(label));
            }
        }
    }

    /// A `wait` program accepts its connections itself: nobody here ever sees a peer, and a rule
    /// that is not kept must not look as if it were.
    pub(super) fn without_peers(&mut self, draft: &Draft, listen: &[Endpoint]) {
        // Of datagrams the sender of the first one is known.
        if listen.iter().all(Endpoint::is_datagram) {
            return;
        }
        let demands = [
            (Key::Allow, true),
            (Key::Deny, true),
            (Key::Resolve, draft.gate.resolve),
            (Key::Identify, draft.gate.identify != Identify::Off),
            (Key::Access, true),
            (Key::TcpWrappers, draft.tcp_wrappers != Asked::Nobody),
            (Key::MaxPerSource, draft.gate.max_per_source.is_some()),
            (Key::RatePerSource, draft.gate.rate_per_source.is_some()),
            (Key::Banner, draft.gate.banner.is_some()),
        ];
        for (key, demands) in demands {
            if let (true, true, Some(span)) = (draft.wait, demands, draft.span(key)) {
                let message = format!("`{}` cannot be used with `wait`", key.name());
                self.problems.push(
                    Problem::error(span, message)
                        .fact("a `wait` program accepts its connections itself")
                        .help("let the program, or a firewall, look at its peers"),
                );
            }
        }
    }

    /// What a datagram cannot do: wait for a name server, or show that its sender has sent it.
    /// Anybody could have any address refused everywhere if a forged one touched a sensor.
    pub(super) fn not_of_datagrams(&mut self, draft: &Draft, listen: &[Endpoint]) {
        let Some(datagram) = listen.iter().find(|endpoint| endpoint.is_datagram()) else { return };
        let demands = [
            (
                Key::Resolve,
                draft.gate.resolve,
                "a datagram does not wait for a name server",
                "use rules with addresses, or a service of its own for tcp://",
            ),
            (
                Key::Identify,
                draft.gate.identify != Identify::Off,
                "a datagram belongs to no connection whose user could be asked for",
                "let it listen on tcp:// alone",
            ),
            (
                Key::Access,
                draft.access.is_some(),
                "a datagram waits neither for the disk nor for a name server",
                "use `allow` and `deny`, or a service of its own for tcp://",
            ),
            (
                Key::TcpWrappers,
                draft.tcp_wrappers != Asked::Nobody,
                "a datagram waits neither for the disk nor for a name server",
                "use `allow` and `deny`, or a service of its own for tcp://",
            ),
            (
                Key::Sensor,
                draft.gate.sensor.is_some(),
                "anybody can send a datagram in the name of somebody else",
                "let it listen on tcp:// alone",
            ),
        ];
        for (key, demands, fact, help) in demands {
            if let (true, Some(span)) = (demands, draft.span(key)) {
                let message = format!("`{}` cannot be used with {datagram}", key.name());
                self.problems.push(Problem::error(span, message).fact(fact).help(help));
            }
        }
    }

    /// Where nobody can be asked for the user of a peer (RFC 1413), or where a question would be
    /// answered with a question, for ever.
    pub(super) fn nobody_to_ask(&mut self, draft: &Draft, listen: &[Endpoint]) {
        let Some(span) = draft.span(Key::Identify) else { return };
        if draft.gate.identify == Identify::Off || draft.gate.sensor.is_some() {
            return;
        }
        let local = listen.iter().find(|endpoint| {
            matches!(endpoint, Endpoint::Unix(_) | Endpoint::Abstract(_) | Endpoint::Pipe(_))
        });
        if let Some(local) = local {
            let problem = Problem::error(span, format!("`identify` cannot be used with {local}"))
                .fact("a peer without an address has no machine that could be asked");
            self.problems.push(problem.help("let it listen on tcp:// alone"));
        }
        let is_asked = listen.iter().find(|endpoint| {
            matches!(endpoint, Endpoint::Tcp { address, .. } if address.port() == users::PORT)
        });
        let what = match is_asked {
            Some(endpoint) => endpoint.to_string(),
            None if matches!(draft.builtin, Some(Builtin::Ident(_))) => {
                "builtin = \"ident\"".to_owned()
            }
            None => return,
        };
        let problem = Problem::error(span, format!("`identify` cannot be used with {what}"))
            .fact("two machines would answer each other's questions with questions, for ever");
        self.problems.push(problem.help("remove it, or write identify = \"off\""));
    }
}
