//! Files of the configuration that others can change. Whoever can do that can run any program with
//! the rights of the daemon, which is worth a word as soon as the daemon has any.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Purpose;
use super::report::Problem;
use crate::sys::{identity, service, trust};

/// What is wrong with the rights to these files, for somebody who wants to use them so.
pub(super) fn problems(files: &[Arc<Path>], purpose: Purpose) -> Vec<Problem> {
    let (matters, refused, of_service) = match purpose {
        Purpose::Check | Purpose::Run => (identity::is_privileged(), false, false),
        Purpose::Install { privileged } => (true, privileged, true),
        Purpose::Service { .. } => (true, identity::is_privileged(), true),
        // It looks at them by itself.
        Purpose::Doctor => (false, false, false),
    };
    if !matters {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    for file in files {
        // Who cannot look at the rights of a file could not read it either.
        let outsiders = if of_service {
            trust::outsiders_to_service(file)
        } else {
            trust::outsiders(file, None)
        };
        let places = places(file);
        for outsider in outsiders.unwrap_or_default() {
            if !places.contains(&outsider.path) {
                continue;
            }
            let is_settled =
                matches!(purpose, Purpose::Install { .. }) && service::protects(&outsider.path);
            if is_settled || !seen.insert(outsider.path.clone()) {
                continue;
            }
            let is_file = outsider.path.is_file();
            let what = if is_file { "the configuration" } else { "the folder" };
            let message = format!("{} can change {what} {}", outsider.who, outsider.path.display());
            let problem = if refused {
                Problem::error_nowhere(message)
                    .fact("a service with so many rights does not start with it")
            } else {
                Problem::warning_nowhere(message)
            };
            problems.push(
                problem
                    .fact("whoever can do that can run any program with the rights of inetd")
                    .help(trust::remedy(&outsider)),
            );
        }
    }
    problems
}

/// The file and its folder, also where a symbolic link leads. What is above is for `inetd doctor`:
/// there it takes more knowledge of the machine to tell a danger from a custom.
fn places(file: &Path) -> Vec<PathBuf> {
    let paths = [std::path::absolute(file), std::fs::canonicalize(file)];
    let both = |path: PathBuf| [path.parent().map(Path::to_owned), Some(path)];
    paths.into_iter().flatten().flat_map(both).flatten().collect()
}
