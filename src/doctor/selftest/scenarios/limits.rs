//! What a program may use and do.

use anyhow::{Context, Result, ensure};

use super::super::bench::Bench;
use super::super::{Outcome, Scenario};
use super::{not_shown_by_emulator, skipped};
use crate::sys::{FAMILY, Family, Use, identity, selftest, trust};

/// Megabytes that a limited program asks for, and that it may have.
const WANTED: u32 = 400;
const ALLOWED: u32 = 200;

pub(super) const ALL: &[Scenario] = &[
    Scenario { name: "memory", shows: "a limit on memory holds", run: memory },
    Scenario { name: "processes", shows: "a limit on processes holds", run: processes },
    Scenario { name: "processor", shows: "a limit on processor time holds", run: processor },
    Scenario {
        name: "user",
        shows: "a program runs as its `user`, with no more rights than that",
        run: user,
    },
    Scenario {
        name: "powers",
        shows: "programs do not get the privileges with which the daemon becomes others",
        run: powers,
    },
    Scenario {
        name: "restrict",
        shows: "restrict = true: no privileges, and low integrity",
        run: restrict,
    },
];

/// What a program with these limits answers: a number.
fn number(bench: &Bench, role: &[&str], limits: &str) -> Result<u32> {
    let daemon = bench.daemon(&bench.service("limited", role, limits))?;
    let answer = daemon.ask("limited", "")?;
    answer.trim_end().parse().with_context(|| format!("the program said {answer:?}"))
}

fn memory(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("it takes the limit and does not keep to it") {
        return Ok(skipped);
    }
    let key = if FAMILY == Family::Windows { "memory" } else { "as" };
    let limits = format!("limits = {{ {key} = \"{ALLOWED}m\" }}");
    let got = number(bench, &["memory", &WANTED.to_string()], &limits)?;
    ensure!(got > 0 && got <= ALLOWED, "{ALLOWED} MB are allowed, and it got {got}");
    Ok(Outcome::Works)
}

fn processes(bench: &Bench) -> Result<Outcome> {
    if FAMILY == Family::Unix {
        return Ok(skipped("on Linux the limit is one of the user, and does not hold for root"));
    }
    if let Some(skipped) = not_shown_by_emulator("it takes the limit and does not keep to it") {
        return Ok(skipped);
    }
    let got = number(bench, &["processes", "5"], "limits = { processes = 3 }")?;
    let text = format!("3 processes are allowed, and the program started {got} more");
    ensure!(got <= 2, "{text}");
    // The process of its console may count as well.
    Ok(Outcome::Seen(text))
}

fn processor(bench: &Bench) -> Result<Outcome> {
    if FAMILY == Family::Unix {
        return Ok(skipped("on Linux the limit is a sum and not a share"));
    }
    if let Some(skipped) = not_shown_by_emulator("it does not know the limit") {
        return Ok(skipped);
    }
    let used = number(bench, &["work"], "limits = { cpu_percent = 20 }")?;
    let text = format!("20 % of all processors are allowed, and the program used {used} %");
    ensure!(used <= 30, "{text}");
    Ok(Outcome::Seen(text))
}

fn user(bench: &Bench) -> Result<Outcome> {
    if let Some(skipped) = not_shown_by_emulator("it has one account") {
        return Ok(skipped);
    }
    let executable = std::env::current_exe()?;
    let (mut config, mut identities) = (String::new(), Vec::new());
    for name in selftest::ORDINARY_USERS {
        let Some(identity) = identity::resolve(Some(name), None, None)? else {
            return Ok(Outcome::Skipped(format!("this process is {name} itself")));
        };
        if let Some(why) = identity::obstacle(&identity) {
            return Ok(Outcome::Skipped(format!("this process cannot become {name}: {why}")));
        }
        if let Some(place) = trust::obstacle(&executable, &identity, Use::Run)? {
            return Ok(Outcome::Skipped(format!("{name} cannot get at {}", place.display())));
        }
        config += &bench.service(name, &["rights"], &format!("user = \"{name}\""));
        identities.push((*name, identity));
    }
    let daemon = bench.daemon(&config)?;
    for (name, identity) in identities {
        let answer = daemon.ask(name, "")?;
        for expected in selftest::rights_of(&identity) {
            ensure!(answer.contains(&expected), "{name}: {expected:?} is not in {answer:?}");
        }
    }
    Ok(Outcome::Seen(selftest::ORDINARY_USERS.join(", ")))
}

fn powers(bench: &Bench) -> Result<Outcome> {
    if FAMILY == Family::Unix {
        return Ok(skipped("on Linux a program without `user` has the rights of the daemon"));
    }
    if let Some(skipped) = not_shown_by_emulator("its programs get all rights anyway") {
        return Ok(skipped);
    }
    let own = selftest::rights()?;
    let line =
        |rights: &str| rights.lines().find(|line| line.starts_with("powers")).map(str::to_owned);
    if own.starts_with("user S-1-5-18\n") {
        return Ok(skipped("this process is the system itself, whose programs may do everything"));
    }
    if line(&own).as_deref() == Some("powers none") {
        return Ok(skipped("this process has none of them: only services get them"));
    }
    let daemon = bench.daemon(&bench.service("rights", &["rights"], ""))?;
    let answer = daemon.ask("rights", "")?;
    ensure!(line(&answer).as_deref() == Some("powers none"), "the program said {answer:?}");
    Ok(Outcome::Works)
}

fn restrict(bench: &Bench) -> Result<Outcome> {
    if FAMILY == Family::Unix {
        return Ok(skipped("only Windows has this key"));
    }
    if let Some(skipped) = not_shown_by_emulator("its programs get all rights anyway") {
        return Ok(skipped);
    }
    let daemon = bench.daemon(&bench.service("rights", &["rights"], "restrict = true"))?;
    let answer = daemon.ask("rights", "")?;
    ensure!(answer.contains("\nintegrity 4096\n"), "the program said {answer:?}");
    ensure!(answer.contains("\nprivileges 1\n"), "the program said {answer:?}");
    Ok(Outcome::Works)
}
