//! The `limits` table of a service.

use std::time::Duration;

use super::check::Check;
use crate::config::keys::Availability;
use crate::config::raw::Data;
use crate::config::report::Problem;
use crate::config::suggest::{did_you_mean, enumerate};
use crate::config::{Limit, Resource};

/// What a limit counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Things, at least this many.
    Count(i64),
    Bytes,
    /// Seconds of processor time.
    Seconds,
    Percent,
}

#[rustfmt::skip]
const LIMITS: [(&str, Resource, Unit, Availability); 11] = [
    ("as", Resource::AddressSpace, Unit::Bytes, Availability::Unix),
    ("core", Resource::Core, Unit::Bytes, Availability::Unix),
    ("cpu", Resource::Cpu, Unit::Seconds, Availability::Unix),
    ("data", Resource::Data, Unit::Bytes, Availability::Unix),
    ("fsize", Resource::FileSize, Unit::Bytes, Availability::Unix),
    // Standard input, output and error are descriptors, too.
    ("nofile", Resource::Files, Unit::Count(3), Availability::Unix),
    ("nproc", Resource::Processes, Unit::Count(0), Availability::Unix),
    ("stack", Resource::Stack, Unit::Bytes, Availability::Unix),
    ("memory", Resource::JobMemory, Unit::Bytes, Availability::Windows),
    ("processes", Resource::JobProcesses, Unit::Count(1), Availability::Windows),
    ("cpu_percent", Resource::JobCpuPercent, Unit::Percent, Availability::Windows),
];

/// Reads the table.
pub(super) fn read(check: &mut Check<'_>) -> Option<Vec<Limit>> {
    let Data::Table(fields) = &check.value.value else {
        return check.mistyped("a table", "write limits = { nofile = 64 }");
    };
    let mut limits = Vec::with_capacity(fields.len());
    let mut complete = true;
    for (name, value) in fields {
        let found = LIMITS.iter().find(|(other, ..)| *other == name.value);
        let Some((name_of, resource, unit, availability)) = found else {
            let names =
                || LIMITS.iter().filter(|limit| limit.3.obstacle().is_none()).map(|limit| limit.0);
            let help = did_you_mean(&name.value, names()).unwrap_or_else(|| {
                format!("there are {}", enumerate(names()).replace(" or ", " and "))
            });
            let message = format!("unknown limit `{}`", name.value);
            check.problems.push(Problem::error(name.span, message).help(help));
            complete = false;
            continue;
        };
        if let Some(obstacle) = availability.obstacle() {
            let message = format!("the limit `{name_of}` {obstacle}");
            check.problems.push(Problem::error(name.span, message).help("remove it"));
            complete = false;
            continue;
        }
        let mut check = Check::new(name_of, value, check.problems);
        match amount(&mut check, *unit, *availability) {
            Some(value) => limits.push(Limit { resource: *resource, value }),
            None => complete = false,
        }
    }
    complete.then_some(limits)
}

fn amount(check: &mut Check<'_>, unit: Unit, availability: Availability) -> Option<Option<u64>> {
    let unlimited = matches!(&check.value.value, Data::Text(text) if text == "unlimited");
    if unlimited && availability == Availability::Unix {
        return Some(None);
    }
    let amount = match unit {
        Unit::Count(least) => {
            // The table of a program's descriptors cannot be larger than this on any system.
            let value = check.integer(least..=1 << 30)?;
            u64::try_from(value).ok()
        }
        Unit::Bytes => Some(check.size(0..=1 << 60)?),
        Unit::Seconds => match &check.value.value {
            Data::Integer { .. } => u64::try_from(check.integer(1..=1 << 30)?).ok(),
            _ => {
                let range = Duration::from_secs(1)..=Duration::from_secs(1 << 30);
                Some(check.duration(range, false)??.as_secs())
            }
        },
        Unit::Percent => u64::try_from(check.integer(1..=100)?).ok(),
    };
    amount.map(Some)
}
