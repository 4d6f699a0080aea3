//! Which code lies side by side in the executable (`serving.ld`).

use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_inetd");

/// What a tool of binutils says of the executable; the linker belongs to them, too.
fn said(tool: &str, option: &str) -> String {
    let output = Command::new(tool).args([option, PROGRAM]).output().unwrap();
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn number(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap()
}

/// The names of functions that lie there.
fn serving() -> Vec<String> {
    let sections = said("readelf", "-SW");
    let section = sections.lines().find_map(|line| line.split_once(" .text.serving "));
    let words: Vec<&str> = section.expect("serving.ld is in force").1.split_whitespace().collect();
    let (start, size) = (number(words[1]), number(words[3]));
    said("nm", "--defined-only")
        .lines()
        .filter_map(|line| {
            let (address, name) = line.split_once(' ')?;
            (start..start + size).contains(&number(address)).then(|| name.to_owned())
        })
        .collect()
}

/// Whether the name of a function has these parts, in this order.
fn has(name: &str, parts: &str) -> bool {
    let mut rest = name;
    parts.split('*').all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

// What is moved or renamed, and not in the script, would cost memory, and nobody would see it.
#[test]
fn all_of_ours_that_is_named_is_where_it_should_be() {
    if option_env!("INETD_ARRANGED").is_none() {
        return; // Somebody has chosen another linker.
    }
    let script = include_str!("../../../serving.ld");
    let patterns = script.split(['(', ')', ' ']).filter_map(|word| word.strip_prefix(".text.*"));
    let ours: Vec<&str> = patterns.filter(|pattern| pattern.starts_with("5inetd")).collect();
    assert!(ours.len() > 50, "{ours:?}");
    let names = serving();
    for pattern in ours {
        assert!(names.iter().any(|name| has(name, pattern)), "nothing of {pattern} is there");
    }
}
