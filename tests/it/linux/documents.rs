//! The services in README.md and in the guide: whoever copies one has a configuration.

use crate::harness::{inetd, native};

/// What a machine may lack that the service is about.
const MAY_BE_MISSING: [&str; 5] = [
    "there is no program",
    "there is no user",
    "cannot be used: there is no group",
    "named pipes are available on Windows only",
    "is available on Windows only",
];

/// The texts in fences of TOML.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

#[test]
fn what_the_documents_show_is_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inetd.toml");
    let documents = [include_str!("../../../README.md"), include_str!("../../../docs/guide.md")];
    let mut count = 0;
    for block in documents.into_iter().flat_map(blocks) {
        const SERVICE: &str = "[service.x]\nlisten = '127.0.0.1:0'\nrun = ['cat']\n";
        let text = match block {
            _ if block.contains("[service.") => block.to_owned(),
            _ if block.starts_with('[') => format!("{block}{SERVICE}"),
            _ => format!("{SERVICE}{block}"),
        };
        std::fs::write(&path, &text).unwrap();
        let check = inetd(&["check", &native(&path)]);
        let mut problems = check
            .err
            .lines()
            .filter(|line| line.starts_with("error") || line.starts_with("warning"));
        let is_missing = |line: &str| MAY_BE_MISSING.iter().any(|what| line.contains(what));
        assert!(problems.all(is_missing), "{text}{}", check.err);
        count += 1;
    }
    assert!(count >= 8, "{count}");
}
