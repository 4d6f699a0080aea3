//! What the commands write. A reader that has seen enough (`inetd check | head -1`) is no error.

use std::io::{self, Write};
use std::process::ExitCode;

use super::{FAILED, fail};

/// Writes to standard output, which is what the command was asked for.
pub(super) fn out(text: &str) -> ExitCode {
    match write(io::stdout().lock(), text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, format_args!("cannot write to standard output: {error}")),
    }
}

/// Writes to standard error. The exit code says the same in short, and a failure to write here
/// could be told nowhere.
pub(super) fn err(text: &str) {
    drop(write(io::stderr().lock(), text));
}

fn write(mut to: impl Write, text: &str) -> io::Result<()> {
    let written = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails always.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_may_go_but_a_full_disk_is_an_error() {
        assert!(write(Broken(io::ErrorKind::BrokenPipe), "x").is_ok());
        assert!(write(Broken(io::ErrorKind::StorageFull), "x").is_err());
        assert!(write(Broken(io::ErrorKind::StorageFull), "").is_err());
    }
}
