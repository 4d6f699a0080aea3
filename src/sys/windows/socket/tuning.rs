//! The options of a listening socket that may change while it lives.

use std::io;

use socket2::Socket;

use crate::config::SocketOptions;

/// What the options say, and what the socket has of it.
#[derive(Debug)]
pub(super) struct Tuning {
    pub(super) nodelay: bool,
    pub(super) keepalive: bool,
    send: Buffer,
    receive: Buffer,
    /// A `wait` server has the socket, so nothing may be done with it.
    pub(super) lent: bool,
    /// One had it, and may have chosen options of its own.
    pub(super) was_lent: bool,
}

/// The size of a buffer.
#[derive(Debug)]
struct Buffer {
    wanted: Option<u32>,
    /// What was asked of the system last; nothing as long as it has its own choice.
    set: Option<u32>,
    /// The system's own choice, known from the first time on that another one is set.
    default: Option<usize>,
}

impl Tuning {
    /// For a new socket: nothing was asked of the system yet.
    pub(super) fn new(options: &SocketOptions) -> Self {
        let buffer = |wanted| Buffer { wanted, set: None, default: None };
        Self {
            nodelay: options.nodelay,
            keepalive: options.keepalive,
            send: buffer(options.send_buffer),
            receive: buffer(options.receive_buffer),
            lent: false,
            was_lent: false,
        }
    }

    /// Takes other options over.
    pub(super) fn take(&mut self, options: &SocketOptions) {
        self.nodelay = options.nodelay;
        self.keepalive = options.keepalive;
        self.send.wanted = options.send_buffer;
        self.receive.wanted = options.receive_buffer;
    }

    /// Gives the socket what it has not got yet, if it may be touched now.
    pub(super) fn apply(&mut self, socket: &Socket) -> io::Result<()> {
        if self.lent {
            return Ok(());
        }
        let send = |size| socket.set_send_buffer_size(size);
        self.send.apply(|| socket.send_buffer_size(), send)?;
        let receive = |size| socket.set_recv_buffer_size(size);
        self.receive.apply(|| socket.recv_buffer_size(), receive)
    }

    /// Gives a new connection its options. It is not documented which ones a listening socket hands
    /// down; but ours has neither of these, and the system's own choice is without them.
    pub(super) fn apply_to_connection(&self, socket: &Socket) {
        // These can only fail if the peer is gone, which the program will see.
        if self.nodelay || self.was_lent {
            drop(socket.set_tcp_nodelay(self.nodelay));
        }
        if self.keepalive || self.was_lent {
            drop(socket.set_keepalive(self.keepalive));
        }
    }
}

impl Buffer {
    fn apply(
        &mut self,
        size: impl Fn() -> io::Result<usize>,
        set: impl Fn(usize) -> io::Result<()>,
    ) -> io::Result<()> {
        // Not without need: a size that was set ends the system's own tuning of it.
        if self.wanted == self.set {
            return Ok(());
        }
        let default = match self.default {
            Some(default) => default,
            None => *self.default.insert(size()?),
        };
        set(self.wanted.map_or(default, |bytes| bytes as usize))?;
        self.set = self.wanted;
        Ok(())
    }
}
