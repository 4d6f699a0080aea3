//! The texts that a configuration was read from, and places in them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::config::Position;

/// A place in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    pub(crate) file: u16,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// Bytes `range` of `file`. Sources are smaller than 4 GiB.
    pub(crate) fn new(file: u16, range: Range<usize>) -> Self {
        let limit = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { file, start: limit(range.start), end: limit(range.end) }
    }

    pub(crate) fn range(self) -> Range<usize> {
        let index = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
        index(self.start)..index(self.end)
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// One text.
#[derive(Debug)]
pub(crate) struct Source {
    /// As the user named it.
    pub(crate) path: Arc<Path>,
    /// The absolute folder that relative paths in it start from.
    pub(crate) base: Arc<Path>,
    pub(crate) text: Arc<str>,
    lines: Vec<u32>,
}

impl Source {
    pub(crate) fn new(path: Arc<Path>, base: Arc<Path>, text: Arc<str>) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1));
        let lines = starts.map(|at| u32::try_from(at).unwrap_or(u32::MAX)).collect();
        Self { path, base, text, lines }
    }

    /// Line (from 0) of a byte.
    pub(crate) fn line(&self, offset: usize) -> usize {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.lines.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The bytes of the lines `first` to `last`.
    pub(crate) fn lines(&self, first: usize, last: usize) -> Range<usize> {
        let start = |line: usize| {
            let start = self.lines.get(line).and_then(|start| usize::try_from(*start).ok());
            start.unwrap_or(self.text.len())
        };
        start(first)..start(last + 1)
    }

    fn position(&self, file: u16, offset: usize) -> Position {
        let line = self.line(offset);
        let start = self.lines(line, line).start;
        let before = self.text.get(start..offset).unwrap_or_default();
        Position {
            file,
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u16::try_from(before.chars().count() + 1).unwrap_or(u16::MAX),
        }
    }
}

/// All texts of one load. The index of a source is its [`Span::file`].
#[derive(Debug, Default)]
pub(crate) struct Sources {
    list: Vec<Source>,
}

impl Sources {
    /// Adds a source. `None` if there are too many.
    pub(crate) fn add(&mut self, source: Source) -> Option<u16> {
        let file = u16::try_from(self.list.len()).ok()?;
        self.list.push(source);
        Some(file)
    }

    pub(crate) fn get(&self, file: u16) -> &Source {
        &self.list[usize::from(file)]
    }

    /// Where a span begins.
    pub(crate) fn position(&self, span: Span) -> Position {
        self.get(span.file).position(span.file, span.range().start)
    }

    /// The names of all sources.
    pub(crate) fn paths(&self) -> Vec<Arc<Path>> {
        self.list.iter().map(|source| Arc::clone(&source.path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let mut sources = Sources::default();
        let source = Source::new(Path::new("x").into(), Path::new("/").into(), "a\nüber x".into());
        let file = sources.add(source).unwrap();
        let at = sources.position(Span::new(file, 8..9));
        assert_eq!((at.line, at.column), (2, 6));
        assert_eq!(sources.get(file).lines(1, 1), 2..9);
        assert_eq!(sources.get(file).lines(0, 0), 0..2);
    }
}
