//! The environment of a program, apart from the facts of its connection.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::check::Check;
use crate::config::raw::Data;
use crate::config::report::Problem;
use crate::launch::environment::is_fact;
use crate::sys::{FAMILY, Family, paths};

/// Reads the table `env`.
pub(super) fn variables(check: &mut Check<'_>) -> Option<Vec<(String, String)>> {
    let Data::Table(fields) = &check.value.value else {
        return check.mistyped("a table", "write env = { NAME = \"value\" }");
    };
    let mut variables = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        if name.value.is_empty() || name.value.contains(['=', '\0']) {
            let message = format!("`{}` cannot be the name of a variable", name.value);
            let help = "a name has at least one character, and no `=`";
            check.problems.push(Problem::error(name.span, message).help(help));
        } else if is_fact(OsStr::new(&name.value)) {
            let message = format!("`{}` cannot be set here", name.value);
            let help = "inetd sets it for each connection";
            check.problems.push(Problem::error(name.span, message).help(help));
        } else {
            let mut check = Check::new(&name.value, value, check.problems);
            variables.extend(check.text().map(|text| (name.value.clone(), text.value)));
        }
    }
    (variables.len() == fields.len()).then_some(variables)
}

/// Reads the list `pass_env`.
pub(super) fn patterns(check: &mut Check<'_>) -> Option<Vec<String>> {
    let mut patterns = Vec::new();
    let mut complete = true;
    for pattern in check.list()? {
        let stem = pattern.value.strip_suffix('*').unwrap_or(&pattern.value);
        if stem.contains(['*', '=']) || pattern.value.is_empty() {
            let message = format!("`{}` is not the name of a variable", pattern.value);
            let help = "write a name, or the beginning of names and a `*`: \"LC_*\"";
            check.problems.push(Problem::error(pattern.span, message).help(help));
            complete = false;
        }
        patterns.push(pattern.value);
    }
    complete.then_some(patterns)
}

/// Makes environments; equal ones share their memory.
pub(super) struct Environments {
    /// `pass_env`, if it is not written.
    pub(super) default: Arc<[String]>,
    own: Vec<(OsString, OsString)>,
    made: HashMap<Ingredients, Arc<Vec<(OsString, OsString)>>>,
}

type Ingredients = (Vec<(String, String)>, Arc<[String]>, Kind);

/// What a program is besides its own variables.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    /// It is at a terminal, and has a TERM.
    pub(super) terminal: bool,
    /// It has our user, and more of our variables, which it needs to load; another user has its
    /// own.
    pub(super) our_user: bool,
}

impl Environments {
    pub(super) fn new() -> Self {
        let default = ["PATH", "LANG", "LC_*", "TZ"].map(str::to_owned).into();
        Self { default, own: std::env::vars_os().collect(), made: HashMap::new() }
    }

    /// Our own variables that a pattern of `pass_env` lets through, those of `env`, and what `kind`
    /// adds.
    pub(super) fn make(
        &mut self,
        env: &[(String, String)],
        pass_env: &Arc<[String]>,
        kind: Kind,
    ) -> Arc<Vec<(OsString, OsString)>> {
        let ingredients = (env.to_vec(), Arc::clone(pass_env), kind);
        if let Some(made) = self.made.get(&ingredients) {
            return Arc::clone(made);
        }
        let passed = |name: &str| {
            let always = if kind.our_user { paths::ALWAYS_PASSED } else { &[] };
            let listed = pass_env.iter().map(String::as_str).chain(always.iter().copied());
            listed.into_iter().any(|pattern| covers(pattern, name))
                && !is_fact(OsStr::new(name))
                && !env.iter().any(|(set, _)| same(set, name))
        };
        let own = self.own.iter().filter(|(name, _)| name.to_str().is_some_and(passed)).cloned();
        let set = env.iter().map(|(name, value)| (name.into(), value.into()));
        let mut environment: Vec<(OsString, OsString)> = own.chain(set).collect();
        if kind.terminal
            && FAMILY == Family::Unix
            && !environment.iter().any(|(name, _)| name == "TERM")
        {
            // What nearly every terminal understands: ours is whatever the peer has.
            environment.push(("TERM".into(), "xterm-256color".into()));
        }
        environment.sort();
        let environment = Arc::new(environment);
        self.made.insert(ingredients, Arc::clone(&environment));
        environment
    }
}

fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => name.get(..stem.len()).is_some_and(|start| same(start, stem)),
        None => same(pattern, name),
    }
}

/// Whether two names are those of one variable.
fn same(a: &str, b: &str) -> bool {
    match FAMILY {
        Family::Unix => a == b,
        Family::Windows => a.eq_ignore_ascii_case(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Kind = Kind { terminal: false, our_user: true };

    fn environments(own: &[(&str, &str)]) -> Environments {
        let own = own.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Environments { own, ..Environments::new() }
    }

    #[test]
    fn only_listed_variables_pass_and_facts_never_do() {
        let mut environments = environments(&[
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("SECRET", "x"),
            ("LISTEN_FDS", "1"),
            ("TZ", "UTC"),
        ]);
        let names = |made: &Vec<(OsString, OsString)>| -> Vec<String> {
            made.iter()
                .map(|(name, value)| format!("{}={}", name.display(), value.display()))
                .collect()
        };
        let env = [("TZ".to_owned(), "CET".to_owned())];
        let listed = ["PATH", "LC_*", "TZ"].map(str::to_owned).into();
        assert_eq!(
            names(&environments.make(&env, &listed, PLAIN)),
            ["LC_ALL=C", "PATH=/bin", "TZ=CET"]
        );
        let [every, again] = [(); 2].map(|()| ["*".to_owned()].into());
        let all = environments.make(&[], &every, PLAIN);
        assert_eq!(names(&all), ["LC_ALL=C", "PATH=/bin", "SECRET=x", "TZ=UTC"]);
        assert!(Arc::ptr_eq(&all, &environments.make(&[], &again, PLAIN)));
    }
}
