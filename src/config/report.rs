//! Problems of a configuration, and how they are shown: as the Rust compiler does, with the
//! source line, a caret and a hint.

use std::collections::HashSet;
use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::source::{Source, Sources, Span};

/// More problems than this are counted, not shown.
const SHOWN: usize = 1000;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// Something is odd.
    Warning,
    /// Something is worth knowing.
    Note,
}

impl Severity {
    /// Its name: `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that is wrong or odd, without its source line.
#[derive(Clone, Debug)]
pub struct Told {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is, as `FILE:LINE:COLUMN`, if it is at a place.
    pub place: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What else is known about it.
    pub facts: Vec<String>,
    /// What to do.
    pub help: Option<String>,
}

/// One thing that is wrong or odd.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    severity: Severity,
    message: String,
    span: Option<Span>,
    label: Option<String>,
    related: Vec<(Span, String)>,
    notes: Vec<String>,
    help: Option<String>,
}

impl Problem {
    fn new(severity: Severity, message: String, span: Option<Span>) -> Self {
        let (label, help) = (None, None);
        Self { severity, message, span, label, related: Vec::new(), notes: Vec::new(), help }
    }

    pub(crate) fn error(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into(), Some(span))
    }

    pub(crate) fn warning(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into(), Some(span))
    }

    pub(crate) fn note(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, message.into(), Some(span))
    }

    /// An error that is not at a place in a file.
    pub(crate) fn error_nowhere(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into(), None)
    }

    /// A warning that is not at a place in a file.
    pub(crate) fn warning_nowhere(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into(), None)
    }

    /// A note that is not at a place in a file.
    pub(crate) fn note_nowhere(message: impl Into<String>) -> Self {
        Self::new(Severity::Note, message.into(), None)
    }

    /// Whether the configuration cannot be used because of it.
    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Where it is, if it is in a file.
    pub(crate) fn span(&self) -> Option<Span> {
        self.span
    }

    /// What it says, in one line.
    pub(crate) fn line(&self) -> String {
        match &self.label {
            Some(label) => format!("{}: {label}", self.message),
            None => self.message.clone(),
        }
    }

    /// What is said under the caret.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Another place that has to do with it.
    pub(crate) fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    /// A fact.
    pub(crate) fn fact(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// What to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What to do, if that is known.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// All problems of one load, ready to be shown.
#[derive(Clone, Debug, Default)]
pub struct Report {
    text: String,
    told: Vec<Told>,
    summary: String,
    errors: usize,
    warnings: usize,
}

impl Report {
    pub(crate) fn new(mut problems: Vec<Problem>, sources: &Sources) -> Self {
        // One value can be found wrong many times: a default is looked at for each service.
        let mut seen = HashSet::new();
        problems.retain(|problem| seen.insert((problem.span, problem.message.clone())));
        problems.sort_by_key(|problem| problem.span.map(|span| (span.file, span.start)));
        let count =
            |severity| problems.iter().filter(|problem| problem.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let mut text = String::new();
        for problem in problems.iter().take(SHOWN) {
            text += &render(problem, sources);
            text += "\n\n";
        }
        if problems.len() > SHOWN {
            text += &format!("and {} more problems\n\n", problems.len() - SHOWN);
        }
        let summary = summary(&problems, errors, sources);
        let told = problems.into_iter().take(SHOWN).map(|problem| told(problem, sources)).collect();
        Self { text, told, summary, errors, warnings }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// Every problem with its source line, as plain text. Each one ends with an empty line.
    pub fn render(&self) -> String {
        self.text.clone()
    }

    /// Every problem, one by one.
    pub fn told(&self) -> &[Told] {
        &self.told
    }

    /// A line for a log for each problem: where it is, what is wrong, what to do.
    pub fn lines(&self) -> impl Iterator<Item = (Severity, String)> {
        self.told.iter().map(|told| (told.severity, line(told)))
    }

    /// One line for a log: the first error, where it is, and how many more there are.
    pub fn summary(&self) -> String {
        self.summary.clone()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Report {}

fn summary(problems: &[Problem], errors: usize, sources: &Sources) -> String {
    let first = problems.iter().find(|problem| problem.severity == Severity::Error);
    let Some(problem) = first.or_else(|| problems.first()) else { return String::new() };
    let place = problem.span.map_or_else(String::new, |span| place(span, sources) + ": ");
    let more = match errors.saturating_sub(1) {
        0 => String::new(),
        1 => " (and 1 more error)".into(),
        more => format!(" (and {more} more errors)"),
    };
    format!("{place}{}{more}", problem.message)
}

fn line(told: &Told) -> String {
    let place = told.place.iter().map(|place| format!("{place}: ")).collect::<String>();
    let help = told.help.iter().map(|help| format!(" ({help})")).collect::<String>();
    format!("{place}{}{help}", told.message)
}

fn told(problem: Problem, sources: &Sources) -> Told {
    let related = problem.related.into_iter();
    let related = related.map(|(span, text)| format!("{text}: {}", place(span, sources)));
    Told {
        severity: problem.severity,
        place: problem.span.map(|span| place(span, sources)),
        message: problem.message,
        facts: problem.label.into_iter().chain(problem.notes).chain(related).collect(),
        help: problem.help,
    }
}

fn place(span: Span, sources: &Sources) -> String {
    let at = sources.position(span);
    format!("{}:{}:{}", sources.get(span.file).path.display(), at.line, at.column)
}

fn render(problem: &Problem, sources: &Sources) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let Some(span) = problem.span else {
        let help = problem.help.iter().map(|help| format!("\n  = help: {help}"));
        let name = problem.severity.as_str();
        return format!("{name}: {}{}", problem.message, help.collect::<String>());
    };
    let title = Group::with_title(level.primary_title(&problem.message));
    let mut group = title.element(snippet(problem, span.file, sources));
    for (index, (related, _)) in problem.related.iter().enumerate() {
        let earlier = problem.related[..index].iter().any(|(r, _)| r.file == related.file);
        if related.file != span.file && !earlier {
            group = group.element(snippet(problem, related.file, sources));
        }
    }
    let notes = problem.notes.iter().map(|note| Level::NOTE.message(note));
    let help = problem.help.iter().map(|help| Level::HELP.message(help));
    Renderer::plain().render(&[group.elements(notes.chain(help))])
}

/// The places of one file that a problem is about. Only their lines and those between are given
/// to the renderer, so that its work does not grow with the file.
fn snippet<'a>(
    problem: &'a Problem,
    file: u16,
    sources: &'a Sources,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let source = sources.get(file);
    let primary = problem.span.filter(|span| span.file == file);
    let primary =
        primary.map(|span| (span, problem.label.as_deref(), AnnotationKind::Primary)).into_iter();
    let related = problem.related.iter().filter(|(span, _)| span.file == file);
    let related = related.map(|(span, text)| (*span, Some(text.as_str()), AnnotationKind::Context));
    let marks: Vec<_> = primary
        .chain(related)
        .map(|(span, text, kind)| (visible(source, span), text, kind))
        .collect();
    let first = marks.iter().map(|(range, ..)| source.line(range.start)).min().unwrap_or(0);
    let last = marks.iter().map(|(range, ..)| source.line(range.end)).max().unwrap_or(0);
    let lines = source.lines(first, last);
    let start = lines.start;
    Snippet::source(source.text.get(lines).unwrap_or_default())
        .line_start(first + 1)
        .path(source.path.display().to_string())
        .annotations(marks.into_iter().map(|(range, text, kind)| {
            kind.span(range.start - start..range.end - start).label(text)
        }))
}

/// The part of a span that is worth a caret: on one line, and within the text.
fn visible(source: &Source, span: Span) -> std::ops::Range<usize> {
    let text = &*source.text;
    let range = span.range();
    let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let start = boundary(range.start).unwrap_or(0);
    let end = boundary(range.end).unwrap_or(0).max(start);
    let line = text[start..end].split(['\r', '\n']).next().unwrap_or_default();
    start..start + line.len()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn sources(text: &str) -> Sources {
        let mut sources = Sources::default();
        sources.add(Source::new(Path::new("x.toml").into(), Path::new("/").into(), text.into()));
        sources
    }

    #[test]
    fn a_problem_is_shown_with_its_line_a_caret_and_a_hint() {
        let sources = sources("[service.x]\nlistne = \"7000\"\n");
        let problem = Problem::error(Span::new(0, 12..18), "unknown key `listne`")
            .help("did you mean `listen`?");
        let report = Report::new(vec![problem.clone(), problem], &sources);
        assert_eq!(
            report.render(),
            "error: unknown key `listne`
 --> x.toml:2:1
  |
2 | listne = \"7000\"
  | ^^^^^^
  |
  = help: did you mean `listen`?\n\n"
        );
        assert_eq!(report.summary(), "x.toml:2:1: unknown key `listne`");
        let line = "x.toml:2:1: unknown key `listne` (did you mean `listen`?)";
        assert_eq!(report.lines().collect::<Vec<_>>(), [(Severity::Error, line.to_owned())]);
        assert_eq!((report.errors(), report.warnings()), (1, 0));
    }

    proptest::proptest! {
        #[test]
        fn any_span_of_any_text_can_be_shown(
            text in "\\PC*[\r\n\t\u{0}]?\\PC*", spans in proptest::array::uniform4(0usize..80)
        ) {
            let sources = sources(&text);
            let [a, b, c, d] = spans;
            let problem = Problem::error(Span::new(0, a..b), "x").label("y")
                .related(Span::new(0, c..d), "z");
            Report::new(vec![problem], &sources).render();
        }
    }
}
