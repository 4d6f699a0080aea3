//! `inetd access`: whether an address may use a service, and which rule decides.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;

use super::{FAILED, check, control, fail, output, table};
use crate::admission::names::{self, Name};
use crate::admission::rules::{Block, Decision, Effect, PeerName};
use crate::admission::tables::Answer;
use crate::admission::tables::watched::Watched;
use crate::admission::wrappers;
use crate::config::keys::Key;
use crate::config::suggest::did_you_mean;
use crate::config::{self, Config, Identify, Purpose, ServiceConfig};
use crate::control::client;
use crate::listener::endpoint::Endpoint;
use crate::sys::clock;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn access(matches: &ArgMatches) -> ExitCode {
    let (path, format) = check::file(matches);
    let config = match check::told(config::load(&path, format, Purpose::Check)) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let (Some(name), Some(address)) =
        (matches.get_one::<String>("service"), matches.get_one::<IpAddr>("address"))
    else {
        return fail(FAILED, "a service and an address are needed");
    };
    let Some(service) = config.service(name) else {
        let names = config.services.iter().map(|service| &*service.name);
        let hint = did_you_mean(name, names).map(|hint| format!(": {hint}"));
        let hint = hint.unwrap_or_else(|| format!(" in {}", path.display()));
        return fail(FAILED, format_args!("there is no service `{name}`{hint}"));
    };
    let address = address.to_canonical();
    let (effect, why) = match caught(matches, &config, address) {
        Some(why) => (Effect::Deny, why),
        None => explain(&config, service, address),
    };
    match effect {
        Effect::Allow => output::out(&format!("let in: {why}\n{}", limits(service, address))),
        Effect::Deny => {
            output::out(&format!("refused: {why}\n"));
            ExitCode::from(FAILED)
        }
    }
}

/// Whether the daemon, if it runs, refuses a peer because it has touched a sensor.
fn caught(matches: &ArgMatches, config: &Config, address: IpAddr) -> Option<String> {
    if config.services.iter().all(|service| service.gate.sensor.is_none()) {
        return None;
    }
    let endpoint = control::endpoint(matches.get_one("control"), || config.daemon.control.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let asked = async { tokio::time::timeout(PATIENCE, client::status(&endpoint)).await };
    let status = runtime.block_on(asked).ok()?.ok()?;
    let found = status.caught.iter().find(|caught| caught.is_about(address))?;
    let left = table::time(found.seconds);
    Some(format!("{} has touched a sensor, for another {left}", found.source))
}

/// Why the service is closed, if it is now.
fn closed(config: &Config, service: &ServiceConfig) -> Option<String> {
    let schedule = service.gate.schedule.as_ref()?;
    let closed = !schedule.is_open(clock::minute_of_week());
    closed.then(|| {
        let place = config.place(service.position(Key::AccessTimes));
        format!("it is not the time: {schedule} ({place})")
    })
}

/// What else the daemon looks at, which depends on what it is doing.
fn limits(service: &ServiceConfig, address: IpAddr) -> String {
    let gate = &service.gate;
    let source = Block::around(address, gate.source_prefix.bits(address))
        .map_or_else(|_| address.to_string(), |block| block.to_string());
    let mut lines = String::new();
    if let Some(schedule) = &gate.schedule {
        lines += &format!("  at these times: {schedule}\n");
    }
    if gate.identify == Identify::Require {
        lines += "  if its machine tells its user\n";
    }
    let mut add = |what: String| lines += &format!("  as long as there are no more than {what}\n");
    if let Some(most) = service.max_sessions {
        add(format!("{most} sessions"));
    }
    if let Some(most) = gate.max_per_source {
        add(format!("{most} sessions of {source}"));
    }
    if let Some(rate) = gate.rate {
        add(format!("{rate} connections"));
    }
    if let Some(rate) = gate.rate_per_source {
        add(format!("{rate} connections of {source}"));
    }
    if let Some(load) = gate.max_load {
        lines += &format!("  as long as the load average is below {load}\n");
    }
    lines
}

/// What happens to a peer with this address, and why, by the configuration alone.
fn explain(config: &Config, service: &ServiceConfig, address: IpAddr) -> (Effect, String) {
    let (effect, why) = by_rules(config, service, address);
    if effect == Effect::Deny {
        return (effect, why);
    }
    let why = match by_tables(service, address) {
        (Effect::Deny, told) => return (Effect::Deny, told),
        (Effect::Allow, told) if told.is_empty() => why,
        (Effect::Allow, told) if service.gate.rules.is_none() => told,
        (Effect::Allow, told) => format!("{why}, and {told}"),
    };
    let closed = closed(config, service).or_else(|| sensor(config, service));
    closed.map_or((Effect::Allow, why), |why| (Effect::Deny, why))
}

/// What `access` and TCP wrappers say; nothing if there are none.
fn by_tables(service: &ServiceConfig, address: IpAddr) -> (Effect, String) {
    let mut told = Vec::new();
    // Asked for once, and only if it matters.
    let name = OnceCell::new();
    let named = || name.get_or_init(|| names::confirmed(address)).as_peer();
    let gate = &service.gate;
    if let Some(access) = &gate.access {
        let table = access.table();
        let mut name = PeerName::NotAsked;
        let mut answer = table.decide(address, name);
        if answer == Answer::AskName {
            name = named();
            answer = table.decide(address, name);
        }
        let otherwise = || {
            let sought = table.looked_for(address, name);
            format!("no rule in {} is about {address}: it has none of {sought}", files(access))
        };
        let (effect, why) = tell("`access`", answer, otherwise);
        if effect == Effect::Deny {
            return (effect, why);
        }
        told.push(why);
    }
    if let Some(wrapped) = &gate.wrappers {
        let rules = wrapped.files.table();
        let decide = |local: IpAddr| {
            let request = wrappers::Request {
                daemon: &wrapped.daemon,
                peer: address,
                name: PeerName::NotAsked,
                local,
                local_name: PeerName::NotAsked,
            };
            let answer = match rules.decide(&request) {
                Answer::AskName => {
                    let ours = names::confirmed(local);
                    let (name, local_name) = (named(), ours.as_peer());
                    rules.decide(&wrappers::Request { name, local_name, ..request })
                }
                decided => decided,
            };
            tell("tcp_wrappers", answer, || {
                let daemon = &wrapped.daemon;
                format!("no rule in {} is about {daemon} and {address}", files(&wrapped.files))
            })
        };
        let asks = rules.ask_for_local();
        let locals = locals(service, address).into_iter().take(if asks { usize::MAX } else { 1 });
        let said: Vec<_> = locals.map(|local| (local, decide(local))).collect();
        let why = said.iter().map(|(local, (_, why))| match asks {
            true => format!("at {local} {why}"),
            false => why.clone(),
        });
        let why = why.collect::<Vec<_>>().join("; ");
        // At one of our addresses it may come in, and at another one not.
        if said.iter().any(|(_, (effect, _))| *effect == Effect::Deny) {
            return (Effect::Deny, why);
        }
        told.push(why);
    }
    (Effect::Allow, told.join(", and "))
}

/// The files of rules.
fn files<T>(watched: &Watched<T>) -> String {
    let names: Vec<_> = watched.paths().iter().map(|path| path.display().to_string()).collect();
    names.join(" or ")
}

/// What became of a question for which the name was looked up if it mattered; `otherwise` says what
/// was looked for if no rule has decided it.
fn tell(what: &str, answer: Answer, otherwise: impl FnOnce() -> String) -> (Effect, String) {
    // With a name there is nothing left to ask.
    let Answer::Decided(effect, place, extras) = answer else {
        return (Effect::Deny, String::new());
    };
    let sets = extras.variables.iter().map(|(name, value)| match value {
        Some(value) => format!(" {name}={value}"),
        None => format!(" without {name}"),
    });
    let told = match place {
        Some(place) => format!("{effect} by {what} ({place}){}", sets.collect::<String>()),
        None => format!("{effect} by {what}: {}", otherwise()),
    };
    (effect, told)
}

/// Our addresses at which a peer comes in. Where a service listens on all of them, that is the one
/// from which this machine would send something to the peer.
fn locals(service: &ServiceConfig, peer: IpAddr) -> Vec<IpAddr> {
    let toward = || -> std::io::Result<IpAddr> {
        let any = match peer {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        // Nothing is sent: only the route is looked up. Any port will do.
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.connect((peer, 9))?;
        Ok(socket.local_addr()?.ip())
    };
    let mut found = Vec::new();
    for endpoint in &service.listen {
        let Endpoint::Tcp { address, .. } = endpoint else { continue };
        let ip = address.ip().to_canonical();
        let ip = if ip.is_unspecified() { toward().unwrap_or(ip) } else { ip };
        if ip.is_ipv4() == peer.is_ipv4() && !found.contains(&ip) {
            found.push(ip);
        }
    }
    if found.is_empty() {
        found.push(toward().unwrap_or(peer));
    }
    found
}

/// Why nobody comes in, if the service is a sensor.
fn sensor(config: &Config, service: &ServiceConfig) -> Option<String> {
    let time = table::time(service.gate.sensor?.as_secs());
    let place = config.place(service.position(Key::Sensor));
    Some(format!("a sensor, and then everywhere for {time} ({place})"))
}

/// What `allow` and `deny` say.
fn by_rules(config: &Config, service: &ServiceConfig, address: IpAddr) -> (Effect, String) {
    let Some(rules) = &service.gate.rules else {
        return (Effect::Allow, format!("`{}` has no rules about addresses", service.name));
    };
    let mut decision = rules.decide(address, PeerName::NotAsked);
    let asked = matches!(decision, Decision::AskName);
    let name = if asked { names::confirmed(address) } else { Name::Unknown };
    if asked {
        decision = rules.decide(address, name.as_peer());
    }
    let peer = match name.known() {
        Some(name) => format!("{name} ({address})"),
        None => address.to_string(),
    };
    let why = match decision {
        Decision::Rule(rule) if asked => {
            format!("{peer}: {} {} ({})", rule.effect, rule.pattern, config.place(rule.at))
        }
        Decision::Rule(rule) => {
            format!("{} {} ({})", rule.effect, rule.pattern, config.place(rule.at))
        }
        Decision::Nameless(rule) => format!(
            "{address} has no name that leads back to it, so it could be of {} ({})",
            rule.pattern,
            config.place(rule.at)
        ),
        Decision::Otherwise(Effect::Deny) | Decision::AskName => {
            let place = config.place(service.position(Key::Allow));
            format!("no rule is about {peer}, and there is an `allow` ({place})")
        }
        Decision::Otherwise(Effect::Allow) => {
            let place = config.place(service.position(Key::Deny));
            format!("no rule is about {peer}, and there is only a `deny` ({place})")
        }
    };
    (decision.effect().unwrap_or(Effect::Deny), why)
}
