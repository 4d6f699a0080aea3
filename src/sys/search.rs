//! Looking for a file at several places.

use std::io;
use std::path::{Path, PathBuf};

/// The first of `paths` that `check` lets pass. Without one, the error is that of the first that is
/// there, which tells more than that there is none.
///
/// # Errors
/// Those of `check`; `NotFound` if nothing is there.
pub(super) fn first_passing(
    paths: impl IntoIterator<Item = PathBuf>,
    check: impl Fn(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let mut first_error = None;
    for path in paths {
        match check(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| io::Error::from(io::ErrorKind::NotFound)))
}
