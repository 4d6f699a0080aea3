//! What a classic line runs: a program with its arguments, or what the daemon answers itself.

use std::path::Path;

use super::lines::Word;
use super::service::FORM;
use super::{Dialect, Reader, address};
use crate::config::keys::Key;
use crate::config::raw::{Data, Entry, Value};
use crate::config::report::Problem;
use crate::config::source::Spanned;

impl Reader<'_> {
    /// A service that the daemon answers itself: its name says how.
    pub(super) fn internal(
        &mut self,
        service: &Word,
        program: &Word,
        arguments: &[Word],
        entries: &mut Vec<Entry>,
    ) {
        let name = match address::parse(service, self.dialect) {
            // inetd(8) of FreeBSD, "UNIX Domain Sockets": "the name of the internal service is
            // determined using the last component of the socket's pathname".
            Ok(address) if address.service.starts_with('/') && self.dialect == Dialect::Freebsd => {
                address.service.rsplit('/').next().unwrap_or_default().to_owned()
            }
            Ok(address) => address.service,
            Err(_) => return, // Told already.
        };
        let name = if name == "auth" {
            self.auth(arguments)
        } else {
            // The first word would be the name of a program for itself.
            if let [_, second, ..] = arguments {
                let message = format!("the built-in service `{name}` has no arguments");
                let problem = Problem::warning(self.span(second.range.clone()), message);
                self.push(problem.label("what is behind `internal` is ignored, as there"));
            }
            name
        };
        self.add(entries, Key::Builtin, program.range.clone(), Data::Text(name));
    }

    /// The program and its arguments; the first of these is its name for itself.
    pub(super) fn program(&mut self, program: &Word, arguments: &[Word], entries: &mut Vec<Entry>) {
        let span = self.span(program.range.clone());
        self.quotes(program, arguments);
        if !Path::new(&program.text).is_absolute() {
            let message = format!("the path of the program `{}` is not absolute", program.text);
            self.push(Problem::error(span, message).help(FORM));
            return;
        }
        let item = |word: &Word| Spanned {
            value: Data::Text(word.text.clone()),
            span: self.span(word.range.clone()),
        };
        let run: Vec<Value> =
            std::iter::once(program).chain(arguments.iter().skip(1)).map(item).collect();
        self.add(entries, Key::Run, program.range.clone(), Data::List(run));
        let Some(name) = arguments.first() else {
            let own = Path::new(&program.text).file_name().unwrap_or_default();
            let own = own.to_string_lossy().into_owned();
            self.push(
                Problem::warning(span, "the program has no argument 0, its name for itself")
                    .label(format!("`{own}` is used"))
                    .help(format!("write the name behind it: {} {own}", program.text)),
            );
            self.add(entries, Key::Arg0, program.range.clone(), Data::Text(own));
            return;
        };
        if name.text.starts_with('-') {
            self.push(
                Problem::warning(
                    self.span(name.range.clone()),
                    format!("the program gets `{}` as its name for itself", name.text),
                )
                .label("not as an option")
                .help(
                    "the first word behind the program is argument 0: write the name, then options",
                ),
            );
        }
        self.add(entries, Key::Arg0, name.range.clone(), Data::Text(name.text.clone()));
    }

    fn quotes(&mut self, program: &Word, arguments: &[Word]) {
        if self.dialect.has_quotes() {
            return;
        }
        let mut words = std::iter::once(program).chain(arguments);
        if let Some(word) = words.find(|word| word.text.starts_with(['"', '\''])) {
            let problem =
                Problem::warning(self.span(word.range.clone()), "a quote is an ordinary character")
                    .label("the program gets it as it is")
                    .help("netbsd and inetutils have quotes: --format inetutils");
            self.push(problem);
        }
    }
}
