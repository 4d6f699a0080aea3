//! `rpc`: the program and versions of Sun RPC that a service has.

use std::path::Path;

use super::Resolver;
use super::check::Check;
use super::draft::Draft;
use crate::config::keys::Key;
use crate::config::names_file::RpcFile;
use crate::config::report::Problem;
use crate::config::{Rpc, suggest};
use crate::listener::endpoint::Endpoint;

/// Names of programs (rpc(5)). Only Linux has such services.
const NAMES: &str = "/etc/rpc";
const FORM: &str = "write \"NAME/VERSION\" or \"NUMBER/FIRST-LAST\": \"rusersd/1-3\", \"100002/3\"";
/// More versions are a mistake.
const MOST_VERSIONS: u32 = 100;

/// `rpc`.
pub(super) fn read(check: &mut Check<'_>) -> Option<Rpc> {
    let text = check.text()?.value;
    let Some((name, versions)) = text.split_once('/') else {
        return check.wrong(&format!("`{text}` has no version"), FORM);
    };
    let (first, last) = versions.split_once('-').unwrap_or((versions, versions));
    let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else {
        return check.wrong(&format!("`{versions}` is not a version"), FORM);
    };
    if last < first || last - first >= MOST_VERSIONS {
        let message = format!("`{versions}` is not a range of versions");
        return check.wrong(&message, "the first one is at most the last one, and they are few");
    }
    let program = match name.parse() {
        Ok(number) => number,
        Err(_) => {
            let names = RpcFile::load(Path::new(NAMES));
            let Some(number) = names.number(name) else {
                let help = suggest::did_you_mean(name, names.names());
                let help = help.unwrap_or_else(|| "write the number of the program".into());
                let message = format!("there is no RPC program `{name}` in {NAMES}");
                return check.wrong(&message, &help);
            };
            number
        }
    };
    Some(Rpc { program, versions: first..=last })
}

impl Resolver {
    /// rpcbind knows Internet addresses only.
    pub(super) fn registering(&mut self, draft: &Draft, listen: &[Endpoint]) {
        let Some(at) = draft.span(Key::Rpc).filter(|_| draft.rpc.is_some()) else { return };
        let is_known =
            |endpoint: &Endpoint| matches!(endpoint, Endpoint::Tcp { .. } | Endpoint::Udp { .. });
        if !listen.is_empty() && !listen.iter().any(is_known) {
            let problem = Problem::error(at, "`rpc` needs a port")
                .label("rpcbind tells clients of ports, and there is none");
            self.problems.push(problem.help("listen = \"0\" lets the system choose one"));
        }
    }
}
