#![no_main]

//! TCP wrappers: hosts.allow and hosts.deny, with a line `====` between them.

use std::sync::LazyLock;

use inetd::admission::rules::PeerName;
use inetd::admission::tables::Answer;
use inetd::admission::wrappers::Request;
use inetd_fuzz::{Folder, SERVICE, halves, load, peers};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

fuzz_target!(|bytes: &[u8]| {
    let (allow, deny) = halves(bytes);
    let files =
        [FOLDER.write("hosts.allow", allow), FOLDER.write("hosts.deny", deny.unwrap_or_default())];
    let toml = format!(
        "[daemon]\nhosts_allow = 'hosts.allow'\nhosts_deny = 'hosts.deny'\n{SERVICE}tcp_wrappers = true\n"
    );
    let Some(config) = load(&FOLDER, &toml, &files) else { return };
    let wrapped = config.services[0].gate.wrappers.as_ref().expect("`tcp_wrappers` was read");
    let rules = wrapped.files.table();
    for (peer, name) in peers() {
        let local = peer;
        let request = Request { daemon: &wrapped.daemon, peer, name, local, local_name: name };
        let answer = rules.decide(&request);
        // Only a name that nobody has looked for yet can be missing.
        assert!(name == PeerName::NotAsked || answer != Answer::AskName, "{peer} {name:?}");
    }
});
