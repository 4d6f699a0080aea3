//! `inetd access`: whether an address may use a service, and which rule decides.

use std::net::IpAddr;
use std::process::ExitCode;

use clap::ArgMatches;

use super::{FAILED, check, fail, output};
use crate::admission::rules::{Decision, Effect, PeerName};
use crate::config::keys::Key;
use crate::config::suggest::did_you_mean;
use crate::config::{self, Config, Purpose, ServiceConfig};

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
    let (effect, why) = explain(&config, service, address.to_canonical());
    let verdict = match effect {
        Effect::Allow => "let in",
        Effect::Deny => "refused",
    };
    let told = output::out(&format!("{verdict}: {why}\n"));
    match effect {
        Effect::Allow => told,
        Effect::Deny => ExitCode::from(FAILED),
    }
}

/// What happens to a peer with this address, and why.
fn explain(config: &Config, service: &ServiceConfig, address: IpAddr) -> (Effect, String) {
    let Some(rules) = &service.gate.rules else {
        return (Effect::Allow, format!("`{}` has no rules about addresses", service.name));
    };
    let decision = rules.decide(address, PeerName::Unknown);
    let why = match decision {
        Decision::Rule(rule) | Decision::Nameless(rule) => {
            format!("{} {} ({})", rule.effect, rule.pattern, config.place(rule.at))
        }
        Decision::Otherwise(Effect::Deny) | Decision::AskName => {
            let place = config.place(service.position(Key::Allow));
            format!("no rule is about {address}, and there is an `allow` ({place})")
        }
        Decision::Otherwise(Effect::Allow) => {
            let place = config.place(service.position(Key::Deny));
            format!("no rule is about {address}, and there is only a `deny` ({place})")
        }
    };
    (decision.effect().unwrap_or(Effect::Deny), why)
}
