//! Looks up what a service runs, as whom and where.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Resolver;
use super::draft::Draft;
use super::environment::Kind;
use super::words;
use crate::config::keys::Key;
use crate::config::report::Problem;
use crate::config::source::{Span, Spanned};
use crate::config::suggest::{did_you_mean, nearest};
use crate::config::{Io, Program, Purpose};
use crate::sys::identity::{self, Identity};
use crate::sys::{IdentityError, paths, program};

/// What a service says of its identity: `user`, `group`, `groups`.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Who {
    user: Option<String>,
    group: Option<String>,
    groups: Option<Vec<String>>,
}

impl Resolver {
    /// The program of a service; what is wrong with it is a problem.
    pub(super) fn program(&mut self, draft: &Draft) -> Option<Program> {
        let identity = self.identity(draft);
        let path = self.executable(&draft.run)?;
        let mut argv: Vec<_> = draft.run.iter().map(|word| word.value.clone()).collect();
        if let Some(name) = &draft.arg0 {
            argv[0] = name.into();
        }
        let cwd = match (&draft.cwd, &self.cwd) {
            (Some(cwd), _) => cwd.value.clone(),
            (None, Some(cwd)) => cwd.clone(),
            (None, None) => paths::default_cwd(&path),
        };
        let identity = identity?;
        let kind = Kind { terminal: draft.io == Io::Pty, our_user: identity.is_none() };
        Some(Program {
            path,
            argv,
            environment: self.environments.make(&draft.env, &draft.pass_env, kind),
            cwd,
            identity,
            profile: draft.profile,
            restrict: draft.restrict,
            umask: draft.umask,
            nice: draft.nice,
            limits: draft.limits.clone(),
            tree: draft.tree,
            io: draft.io,
            stderr: draft.stderr.clone(),
        })
    }

    fn executable(&mut self, run: &[Spanned<std::ffi::OsString>]) -> Option<PathBuf> {
        let name = run.first()?;
        let folder = Arc::clone(&self.sources.get(name.span.file).base);
        let mut found = self.found.get(&name.value).into_iter().flatten();
        if let Some((_, path)) = found.find(|(other, _)| *other == folder) {
            return Some(path.clone());
        }
        let (base, word) = (&*folder, Path::new(&name.value));
        let error = match program::find(word, base, self.search.as_deref()) {
            Ok(path) => {
                // Without the `.` of "./hello".
                let path: PathBuf = path.components().collect();
                let found = self.found.entry(name.value.clone()).or_default();
                found.push((Arc::clone(&folder), path.clone()));
                return Some(path);
            }
            Err(error) => error,
        };
        let shown = word.display();
        let is_name = word.components().count() == 1 && !word.is_absolute();
        let is_name = is_name && !name.value.as_encoded_bytes().contains(&b'/');
        let problem = match error.kind() {
            io::ErrorKind::NotFound if is_name => {
                let problem = Problem::error(name.span, format!("there is no program `{shown}`"))
                    .label("not found in PATH");
                let beside = base.join(word);
                if beside.is_file() {
                    problem.help(format!(
                        "did you forget the path? write \"./{shown}\" for {}",
                        beside.display()
                    ))
                } else if let Some(near) = self.near_program(&name.value) {
                    problem.help(format!("did you mean `{near}`?"))
                } else {
                    problem.help("did you forget the path?")
                }
            }
            io::ErrorKind::NotFound if word.is_absolute() => {
                Problem::error(name.span, format!("there is no program {shown}"))
                    .help("install it, or correct the path")
            }
            io::ErrorKind::NotFound => {
                Problem::error(name.span, format!("there is no program `{shown}`"))
                    .help(format!("paths are relative to the folder {}", base.display()))
            }
            io::ErrorKind::IsADirectory => {
                Problem::error(name.span, format!("`{shown}` is a folder, not a program"))
                    .help("name a program in it")
            }
            io::ErrorKind::PermissionDenied => Problem::error(
                name.span,
                format!("the program `{shown}` cannot be executed: {error}"),
            )
            .help("is it executable, and may this user look into its folder?"),
            _ => {
                Problem::error(name.span, format!("the program `{shown}` cannot be used: {error}"))
            }
        };
        let words: Vec<_> = run.iter().map(|word| word.value.to_string_lossy()).collect();
        let whole = match error.kind() {
            io::ErrorKind::NotFound => words::program_with_blanks(&words, base),
            _ => None,
        };
        let whole = whole.map(|(path, _)| {
            format!("did you mean `{path}`? a path with blanks is one word: write it in quotes")
        });
        self.problems.push(problem.maybe_help(whole));
        None
    }

    /// A program in PATH with a name like this one.
    fn near_program(&mut self, name: &OsStr) -> Option<String> {
        let name = name.to_str()?;
        if let Some(near) = self.near.get(name) {
            return near.clone();
        }
        let search = self.search.as_deref();
        let programs = self.programs.get_or_insert_with(|| {
            let folders = search.map(std::env::split_paths).into_iter().flatten();
            let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let mut names: Vec<String> = names.collect();
            names.sort_unstable();
            names
        });
        let near = nearest(name, programs.iter().map(String::as_str)).map(str::to_owned);
        self.near.insert(name.to_owned(), near.clone());
        near
    }

    /// Who the program runs as. The outer `None` is a problem that was reported.
    fn identity(&mut self, draft: &Draft) -> Option<Option<Identity>> {
        let name = |name: &Option<Spanned<String>>| name.as_ref().map(|name| name.value.clone());
        let (user, group) = (name(&draft.user), name(&draft.group));
        let groups = draft.groups.as_ref();
        let groups: Option<Vec<String>> =
            groups.map(|names| names.iter().map(|name| name.value.clone()).collect());
        let found = self.who(Who { user, group, groups });
        let first = [Key::User, Key::Group, Key::Groups].iter().find_map(|key| draft.span(*key));
        match (found, first) {
            (Ok(Some(identity)), Some(span)) => {
                if let Some(obstacle) = identity::obstacle(&identity) {
                    self.cannot_become(&identity, span, obstacle);
                }
                Some(Some(identity))
            }
            (Ok(identity), _) => Some(identity),
            (Err(error), span) => {
                let span = span_of(draft, &error).or(span)?;
                let near = match &error {
                    IdentityError::UnknownUser(name) => self.near_user(name),
                    _ => None,
                };
                let help = near.unwrap_or_else(|| identity::SPELLINGS.to_owned());
                self.problems.push(Problem::error(span, error.to_string()).help(help));
                None
            }
        }
    }

    /// Looks an identity up, each one once: the databases of accounts may be files, or a server.
    fn who(&mut self, who: Who) -> Result<Option<Identity>, IdentityError> {
        if let Some(known) = self.identities.get(&who) {
            return Ok(known.clone());
        }
        let Who { user, group, groups } = &who;
        let found = identity::resolve(user.as_deref(), group.as_deref(), groups.as_deref())?;
        self.identities.insert(who, found.clone());
        Ok(found)
    }

    /// A user with a name like this one. Domains are not searched.
    fn near_user(&mut self, name: &str) -> Option<String> {
        let users = self.users.get_or_insert_with(identity::known_users);
        let name = name.rsplit('\\').next().unwrap_or(name);
        did_you_mean(name, users.iter().map(String::as_str))
    }

    fn cannot_become(&mut self, identity: &Identity, span: Span, obstacle: String) {
        let message = format!("this process cannot become the user `{}`", identity.name);
        let problem = match self.purpose {
            Purpose::Run | Purpose::Service { .. } => Problem::error(span, message),
            Purpose::Check | Purpose::Doctor => Problem::warning(span, message),
            // Another account than ours will run it.
            Purpose::Install { .. } => return,
        };
        self.problems.push(problem.help(obstacle));
    }
}

/// The place of a name that does not exist.
fn span_of(draft: &Draft, error: &IdentityError) -> Option<Span> {
    match error {
        IdentityError::UnknownUser(_)
        | IdentityError::NotAUser(_)
        | IdentityError::OnlyItself(_) => draft.user.as_ref().map(|user| user.span),
        IdentityError::UnknownGroup(name) => {
            let listed = draft.groups.iter().flatten();
            draft.group.iter().chain(listed).find(|group| group.value == *name).map(|g| g.span)
        }
        _ => None,
    }
}
