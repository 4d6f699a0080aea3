//! What the help says at length.

pub(super) const ABOUT: &str = "\
An Internet superserver: it listens on many sockets and starts a program when
somebody connects. The program's standard input and output are the connection,
so any program that reads and prints is a network server.";

pub(super) const EXAMPLES: &str = "\
Try it:
  inetd serve 127.0.0.1:7000 -- sort          sort what a client sends
  inetd serve --max-sessions 40 7000 -- ./game --level 3
  inetd serve unix:///run/hello.sock -- ./hello

As a daemon:
  inetd check -c inetd.toml                   look for mistakes, start nothing
  inetd doctor -c inetd.toml                  what would hurt on this machine
  inetd run -c inetd.toml                     run in the foreground
  inetd reload                                read the file again, keep every session
  inetd status, sessions, top                 look at the running daemon
  inetd run -c /etc/inetd.conf                classic files work as they are
  inetd -R 100 -p FILE /etc/inetd.conf        and so do the flags of old inetds
  inetd convert /etc/xinetd.conf -o inetd.toml
  inetd service install                       start at boot, on Windows and Linux

Exit codes: 0 fine, 1 configuration or start-up error, 2 bad command line,
3 another inetd is running, 4 no daemon to talk to.";

pub(super) const SERVE: &str = "\
Runs one service in the foreground, without a configuration file. Each LISTEN is
PORT, HOST:PORT, [IPV6]:PORT (or a service name instead of PORT), tcp://...,
tcp4://..., tcp6://..., udp://..., unix:///PATH (Unix) or npipe:NAME (Windows).
Port 0 picks a free port. Each bound address is announced on standard output, then
`ready`.

The program finds its connection on standard input, output and error, its peer in
the environment (TCPREMOTEIP, TCPREMOTEPORT, ...), and its socket in Inetd_SOCK.

Every option is a key of a service in inetd.toml; docs/configuration.md explains
them all. --print-config shows the same service as a file.";

pub(super) const ACCESS: &str = "\
Says whether a peer with this address may use a service, and which rule of the
configuration decides, with its place. It also says what else the peer depends on:
free slots and rates. Only if the configuration has a sensor, the running daemon is
asked whether the peer has touched it. Exit code 0 if the peer may come in, 1 if it
is refused.";

pub(super) const STOP: &str = "\
Stops the running daemon and waits until it has ended. It accepts nothing any more;
sessions have their stop_timeout to finish, then they are asked to stop, then they
are killed. Used again while it stops, it kills all sessions at once.";

pub(super) const DRAIN: &str = "\
Lets nobody new into a service. Its sessions go on to their natural end, and
`inetd status` tells how many are left. `inetd resume` brings the service back;
a reload does not, a restart of the daemon does.

A new client's connection is refused by the system (TCP on Linux), or closed at
once (everything else; docs/control.md tells why).";

pub(super) const KILL: &str = "\
Stops one session: its program is asked to stop (SIGTERM, on Windows CTRL_BREAK),
and killed after the service's stop_timeout. The command does not wait for that.
Used on the same session again, it kills at once.";

pub(super) const RESIZE: &str = "\
Gives the terminal of a session another size, as a user does who drags the edge of
a window; the program is told. Only sessions of a service with io = \"pty\" have one.";

pub(super) const DOCTOR: &str = "\
Looks at the configuration, as `check` does, and at this machine: programs that
cannot be started or that others can change, ports that somebody else has, limits
that do not fit, output that is buffered, and the like. Each finding says why it
would hurt and what to do. Nothing is changed or started. The exit code is 1 if
there is an error among the findings.

--selftest needs no configuration: it starts daemons of its own in a temporary
folder and on the loopback interface, uses them as clients do, and prints for each
scenario whether it works on this machine. It takes less than a minute and leaves
nothing behind. The exit code is 1 if a scenario failed.";

pub(super) const SERVICE_HELP: &str = "\
inetd as a service of the system: on Windows of the Service Control Manager, on
Linux of systemd. It needs an administrator. `install` checks the configuration
first and does not start the service; `inetd status`, `reload` and `stop` talk to
it as to any other daemon.";

pub(super) const MAN: &str = "\
Prints the manual page of inetd, or of one of its commands, in the language of
man(7). To read it: inetd man serve | man -l -";

pub(super) const SECRET_HELP: &str = "\
Passwords of local and domain accounts, for services with `user` on Windows. They
are kept in the private store of the system, where administrators and the system
alone can read them, and in no file. LocalService, NetworkService, NT SERVICE\\NAME
and managed service accounts (DOMAIN\\name$) need none. It needs an administrator.";

pub(super) const CONVERT: &str = "\
Reads an inetd.conf, an xinetd.conf, a systemd socket unit, a wininetd.conf or
a folder such as xinetd.d, and writes an inetd.toml that means the same, with
comments where something was translated. A file that cannot be read is not
converted; `inetd check` looks at the values of what was written.";

pub(super) const RELOAD: &str = "\
Makes the running daemon read its configuration again. Listeners that are
still wanted stay open, sessions go on, and if anything is wrong with the new
configuration nothing changes.";
