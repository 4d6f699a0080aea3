//! What bash(1) does with `inetd completions bash`.

use std::process::Command;

use crate::harness::inetd;

/// What bash offers after these words.
fn offered(words: &str) -> Vec<String> {
    let script = inetd(&["completions", "bash"]).out;
    let ask = r#"
        eval "$1"
        read -ra COMP_WORDS <<<"$2"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _inetd inetd "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let bash = Command::new("bash").args(["-c", ask, "bash", &script, words]).output().unwrap();
    assert!(bash.status.success(), "{}", String::from_utf8_lossy(&bash.stderr));
    String::from_utf8(bash.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(offered("inetd rel"), ["reload"]);
    assert_eq!(offered("inetd serve --max-s"), ["--max-sessions"]);
    assert_eq!(offered("inetd service ins"), ["install"]);
    assert_eq!(offered("inetd service install --start del"), ["delayed"]);
    assert_eq!(offered("inetd service r"), [""], "`service run` is not for people");
}
