//! `io = "pty"`: standard input, output and error of a program are a terminal of its own, and
//! whoever is connected sits at it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use rustix::fs::{Gid, OFlags, Uid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, Winsize, tcgetattr,
    tcsetattr, tcsetwinsize,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::spawn::Prepared;

/// The size of a new terminal: columns and rows.
const SIZE: (u16, u16) = (80, 24);
/// The character for the end of input, Ctrl-D, unless the program has chosen another one.
const END_OF_INPUT: u8 = 4;

/// The program's end.
#[derive(Debug)]
pub struct ProgramEnd {
    slave: OwnedFd,
}

/// Our end.
#[derive(Debug)]
pub struct OurEnd {
    master: Arc<OwnedFd>,
}

/// Why this system has no terminals for programs; `None` if it has them.
pub fn obstacle() -> Option<&'static str> {
    None
}

/// Makes a terminal for a program.
pub fn open(program: &Prepared) -> io::Result<(ProgramEnd, OurEnd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    if let Some(user) = program.user() {
        // As login(1) does: programs open their terminal by its name, too. The group is the one
        // that the mount of the file system has given it.
        rustix::fs::fchown(&slave, Some(Uid::from_raw(user)), None::<Gid>)?;
    }
    let mut modes = tcgetattr(&slave)?;
    // So that a backspace deletes a character and not a byte.
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    set_size(&master, SIZE)?;
    rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
    Ok((ProgramEnd { slave }, OurEnd { master: Arc::new(master) }))
}

impl AsFd for ProgramEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.slave.as_fd()
    }
}

impl OurEnd {
    /// For those who only want to change it.
    pub fn terminal(&self) -> Terminal {
        Terminal { master: Arc::downgrade(&self.master) }
    }

    /// For use inside a tokio runtime.
    pub fn into_async(self) -> io::Result<Stream> {
        // SAFETY: the descriptor stays open as long as the stream lives, and is never exchanged.
        let master = unsafe { AsyncFd::register(self.master) }?;
        Ok(Stream { master, last: None, farewell: None })
    }
}

/// A terminal that somebody else reads and writes.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// Its last owner closes it, which the program sees as a hang-up.
    master: Weak<OwnedFd>,
}

impl Terminal {
    /// Changes its size; the program is told (SIGWINCH).
    ///
    /// # Errors
    /// It is closed.
    pub fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        let master = self.master.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        set_size(&master, (columns, rows))
    }

    /// The program has ended. Its output ends by itself here.
    pub fn program_has_ended(&self) {}
}

fn set_size(master: &OwnedFd, (columns, rows): (u16, u16)) -> io::Result<()> {
    let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(tcsetwinsize(master, size)?)
}

/// Our end: what is written is typed, what is read is on the screen. Its end is a hang-up.
///
/// A terminal has no end of input: `shutdown` types the character that stands for it.
#[derive(Debug)]
pub struct Stream {
    master: AsyncFd<Arc<OwnedFd>>,
    /// The last byte that was typed.
    last: Option<u8>,
    /// What `shutdown` still has to type.
    farewell: Option<Farewell>,
}

/// A character, and how often it has to be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Farewell {
    character: u8,
    times: u8,
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.master.poll_read_ready(context))?;
            let read = |master: &AsyncFd<Arc<OwnedFd>>| {
                Ok(rustix::io::read(master.get_ref(), buffer.initialize_unfilled())?)
            };
            match ready.try_io(read) {
                Ok(Ok(count)) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                // EIO: nobody has the terminal open any more.
                Ok(Err(_)) => return Poll::Ready(Ok(())),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.master.poll_write_ready(context))?;
            let write =
                |master: &AsyncFd<Arc<OwnedFd>>| Ok(rustix::io::write(master.get_ref(), data)?);
            if let Ok(result) = ready.try_io(write) {
                if let Ok(count @ 1..) = result {
                    self.last = Some(data[count - 1]);
                }
                return Poll::Ready(result);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut farewell = match self.farewell {
            Some(farewell) => farewell,
            None => Farewell::of(&tcgetattr(self.master.get_ref())?, self.last),
        };
        while farewell.times > 0 {
            self.farewell = Some(farewell);
            ready!(self.as_mut().poll_write(context, &[farewell.character]))?;
            farewell.times -= 1;
        }
        self.farewell = Some(farewell);
        Poll::Ready(Ok(()))
    }
}

impl Farewell {
    /// The end of input for a terminal in these modes, on which `last` was typed last: behind a
    /// line it is one character; in the middle of a line the first one only hands the line over.
    fn of(modes: &Termios, last: Option<u8>) -> Self {
        if !modes.local_modes.contains(LocalModes::ICANON) {
            // The program gets every key, and knows what this one stands for.
            return Self { character: END_OF_INPUT, times: 1 };
        }
        let character = modes.special_codes[SpecialCodeIndex::VEOF];
        let is_line = match last {
            None | Some(b'\n') => true,
            Some(b'\r') => modes.input_modes.contains(InputModes::ICRNL),
            Some(other) => other == character,
        };
        // _POSIX_VDISABLE: the program does not want any.
        let times = if character == 0 { 0 } else { 2 - u8::from(is_line) };
        Self { character, times }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_input_depends_on_the_line_and_on_the_modes() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let mut modes = tcgetattr(&master).unwrap();
        let of = |modes: &Termios, last| {
            let Farewell { character, times } = Farewell::of(modes, last);
            (character, times)
        };
        assert_eq!(of(&modes, None), (4, 1));
        assert_eq!(of(&modes, Some(b'\n')), (4, 1));
        assert_eq!(of(&modes, Some(b'\r')), (4, 1));
        assert_eq!(of(&modes, Some(b'x')), (4, 2));
        assert_eq!(of(&modes, Some(4)), (4, 1));
        modes.input_modes.remove(InputModes::ICRNL);
        assert_eq!(of(&modes, Some(b'\r')), (4, 2));
        modes.special_codes[SpecialCodeIndex::VEOF] = b'z';
        assert_eq!(of(&modes, Some(b'x')), (b'z', 2));
        modes.special_codes[SpecialCodeIndex::VEOF] = 0;
        assert_eq!(of(&modes, Some(b'x')), (0, 0));
        modes.local_modes.remove(LocalModes::ICANON);
        assert_eq!(of(&modes, Some(b'x')), (4, 1));
    }

    #[test]
    fn a_closed_terminal_cannot_be_resized() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let ours = OurEnd { master: Arc::new(master) };
        let terminal = ours.terminal();
        terminal.resize(132, 50).unwrap();
        let size = rustix::termios::tcgetwinsize(&ours.master).unwrap();
        assert_eq!((size.ws_col, size.ws_row), (132, 50));
        drop(ours);
        assert_eq!(terminal.resize(80, 24).unwrap_err().kind(), io::ErrorKind::NotConnected);
    }
}
