use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use windows_sys::Win32::Foundation::ERROR_NO_SYSTEM_RESOURCES;
use windows_sys::Win32::Networking::WinSock::{WSAECONNRESET, WSAEMFILE, WSAENOBUFS, WSAENOTSOCK};

use super::super::{End, Kind, ListenSocket, accept_failure, bind_failure, has_ipv6};
use super::*;
use crate::sys::platform::handle::is_inheritable;
use crate::sys::platform::testing::{PATIENCE, accepted, connect, eventually, listener, tokens};
use crate::sys::{AcceptFailure, BindFailure};

/// The socket of a listener.
fn socket_of(listener: &ListenSocket) -> &Socket {
    match &listener.kind {
        Kind::Socket(listener) => &listener.socket,
        Kind::Pipe(_) => panic!("a pipe"),
    }
}

/// The socket of a connection.
fn accepted_socket(connection: Connection) -> OwnedSocket {
    match connection.peer {
        Peer::Socket(socket) => socket,
        Peer::Pipe(_) => panic!("a pipe"),
    }
}

/// Long enough to see that nothing comes.
const SILENCE: Duration = Duration::from_millis(300);

#[test]
fn an_armed_listener_gives_one_event_and_then_is_quiet() {
    let (listener, address) = listener();
    let poller = Arc::new(Poller::new().unwrap());
    let tokens = tokens(&poller);
    let _clients = [(); 3].map(|()| connect(address));
    assert!(tokens.recv_timeout(SILENCE).is_err(), "an event before the first arm");
    for _ in 0..3 {
        // A connection is waiting already.
        listener.arm(&poller, 7).unwrap();
        assert_eq!(tokens.recv_timeout(PATIENCE).unwrap(), 7);
        assert!(listener.is_ready());
        listener.accept().unwrap();
        assert!(tokens.recv_timeout(SILENCE).is_err(), "a second event without arm");
    }
    assert!(!listener.is_ready());
    listener.arm(&poller, 8).unwrap();
    assert!(tokens.recv_timeout(SILENCE).is_err(), "an event without a connection");
    // It is armed when the connection comes.
    let _client = connect(address);
    assert_eq!(tokens.recv_timeout(PATIENCE).unwrap(), 8);
}

#[test]
fn a_dropped_listener_is_quiet_and_frees_its_port() {
    let (listener, address) = listener();
    let poller = Arc::new(Poller::new().unwrap());
    let tokens = tokens(&poller);
    let endpoint = listener.local().clone();
    listener.arm(&poller, 7).unwrap();
    drop(listener);
    assert!(TcpStream::connect(address).is_err());
    assert!(tokens.recv_timeout(SILENCE).is_err());
    ListenSocket::bind(&endpoint, &SocketOptions::default()).unwrap();
}

#[test]
fn an_accepted_socket_blocks_and_is_synchronous_and_ours_alone() {
    let (listener, address) = listener();
    let poller = Arc::new(Poller::new().unwrap());
    let tokens = tokens(&poller);
    listener.arm(&poller, 7).unwrap();
    let mut client = connect(address);
    tokens.recv_timeout(PATIENCE).unwrap();
    let (connection, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap().into());
    assert_eq!(connection.local().unwrap(), address.into());
    let socket = accepted_socket(connection);
    check_synchronous(&socket).unwrap();
    let handle = ptr::with_exposed_provenance_mut(raw(socket_of(&listener)));
    assert!(!is_inheritable(handle).unwrap());
    let number = usize::try_from(socket.as_raw_socket()).unwrap();
    assert!(!is_inheritable(ptr::with_exposed_provenance_mut(number)).unwrap());
    // It waits for a byte instead of failing with WSAEWOULDBLOCK.
    let mut server = TcpStream::from(socket);
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let reader = std::thread::spawn(move || {
        let mut byte = [0];
        server.read_exact(&mut byte).map(|()| byte)
    });
    client.write_all(b"x").unwrap();
    assert_eq!(&reader.join().unwrap().unwrap(), b"x");
}

#[test]
fn a_socket_with_the_overlapped_attribute_is_found_out() {
    let overlapped = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = check_synchronous(&overlapped).unwrap_err();
    assert!(error.to_string().contains("overlapped"), "{error}");
}

#[test]
fn options_reach_the_accepted_socket() {
    let endpoint = Endpoint::Tcp { address: "127.0.0.1:0".parse().unwrap(), only_v6: false };
    for on in [true, false] {
        let options = SocketOptions { nodelay: on, keepalive: on, ..Default::default() };
        let listener = ListenSocket::bind(&endpoint, &options).unwrap();
        let Endpoint::Tcp { address, .. } = *listener.local() else { panic!("not TCP") };
        let (_client, connection) = accepted(&listener, address);
        let socket = accepted_socket(connection);
        let socket = SockRef::from(&socket);
        assert_eq!(socket.tcp_nodelay().unwrap(), on);
        assert_eq!(socket.keepalive().unwrap(), on);
    }
}

#[test]
fn options_of_a_server_that_had_the_socket_do_not_stay() {
    let endpoint = Endpoint::Tcp { address: "127.0.0.1:0".parse().unwrap(), only_v6: false };
    let options = SocketOptions { nodelay: false, keepalive: false, ..Default::default() };
    let listener = ListenSocket::bind(&endpoint, &options).unwrap();
    let Endpoint::Tcp { address, .. } = *listener.local() else { panic!("not TCP") };
    listener.lend().unwrap();
    let End::Socket(socket) = listener.end().unwrap() else { panic!("not a socket") };
    SockRef::from(&socket).set_tcp_nodelay(true).unwrap();
    SockRef::from(&socket).set_keepalive(true).unwrap();
    listener.take_back().unwrap();
    let (_client, connection) = accepted(&listener, address);
    let socket = accepted_socket(connection);
    let socket = SockRef::from(&socket);
    assert!(!socket.tcp_nodelay().unwrap());
    assert!(!socket.keepalive().unwrap());
}

#[test]
fn options_change_while_the_socket_listens() {
    let (listener, address) = listener();
    let default = socket_of(&listener).recv_buffer_size().unwrap();
    let plain = SocketOptions::default();
    let buffer = Some(20_000);
    let (nodelay, keepalive) = (!plain.nodelay, !plain.keepalive);
    let other = SocketOptions { nodelay, keepalive, receive_buffer: buffer, ..plain.clone() };
    listener.lend().unwrap();
    listener.retune(&other).unwrap();
    assert_eq!(
        socket_of(&listener).recv_buffer_size().unwrap(),
        default,
        "touched while it is lent"
    );
    listener.take_back().unwrap();
    assert_ne!(socket_of(&listener).recv_buffer_size().unwrap(), default);
    let (_client, connection) = accepted(&listener, address);
    let socket = accepted_socket(connection);
    let socket = SockRef::from(&socket);
    assert_eq!(socket.tcp_nodelay().unwrap(), nodelay);
    assert_eq!(socket.keepalive().unwrap(), keepalive);
    let longer = SocketOptions { backlog: plain.backlog + 1, ..plain.clone() };
    assert_eq!(listener.retune(&longer).unwrap_err().kind(), io::ErrorKind::Unsupported);
    let (_client, connection) = accepted(&listener, address);
    let socket = accepted_socket(connection);
    let socket = SockRef::from(&socket);
    assert_eq!(socket.tcp_nodelay().unwrap(), plain.nodelay, "all but the backlog was applied");
}

#[test]
fn this_machine_has_ipv6_if_it_can_be_bound() {
    let bound = std::net::TcpListener::bind("[::1]:0").is_ok();
    assert!(has_ipv6() || !bound);
}

#[test]
fn an_address_belongs_to_one_listener() {
    let (first, _) = listener();
    let error = ListenSocket::bind(first.local(), &SocketOptions::default()).unwrap_err();
    assert_eq!(bind_failure(&error), BindFailure::Later, "{error}");
    let elsewhere = Endpoint::Tcp { address: "192.0.2.1:7000".parse().unwrap(), only_v6: false };
    let error = ListenSocket::bind(&elsewhere, &SocketOptions::default()).unwrap_err();
    assert_eq!(bind_failure(&error), BindFailure::Later, "{error}");
}

#[test]
fn both_families_share_a_port_unless_only_v6() {
    let any = |text: &str, only_v6| Endpoint::Tcp { address: text.parse().unwrap(), only_v6 };
    let both = ListenSocket::bind(&any("[::]:0", false), &SocketOptions::default()).unwrap();
    let Endpoint::Tcp { address, .. } = *both.local() else { panic!("not TCP") };
    let _client =
        connect(("127.0.0.1".parse::<std::net::IpAddr>().unwrap(), address.port()).into());
    eventually("no connection", || both.is_ready());
    let (_, peer) = both.accept().unwrap();
    assert!(peer.to_string().starts_with("127.0.0.1:"), "{peer}");
    let six = ListenSocket::bind(&any("[::1]:0", true), &SocketOptions::default()).unwrap();
    let Endpoint::Tcp { address, .. } = *six.local() else { panic!("not TCP") };
    assert!(TcpStream::connect(("127.0.0.1", address.port())).is_err());
}

#[test]
fn what_windows_has_not_is_refused() {
    let bind = |endpoint: &Endpoint, options: &SocketOptions| {
        let error = ListenSocket::bind(endpoint, options).unwrap_err();
        assert_eq!(bind_failure(&error), BindFailure::Final);
        error.kind()
    };
    let tcp = Endpoint::Tcp { address: "127.0.0.1:0".parse().unwrap(), only_v6: false };
    let plain = SocketOptions::default();
    assert_eq!(bind(&Endpoint::Abstract("x".into()), &plain), io::ErrorKind::Unsupported);
    let freebind = SocketOptions { freebind: true, ..plain.clone() };
    assert_eq!(bind(&tcp, &freebind), io::ErrorKind::Unsupported);
}

#[test]
fn accept_errors_are_sorted() {
    let (listener, _) = listener();
    assert_eq!(accept_failure(&listener.accept().unwrap_err()), AcceptFailure::Empty);
    for (code, class) in [
        (WSAECONNRESET, AcceptFailure::PeerGone),
        (WSAEMFILE, AcceptFailure::Resources),
        (WSAENOBUFS, AcceptFailure::Resources),
        (ERROR_NO_SYSTEM_RESOURCES.cast_signed(), AcceptFailure::Resources),
        (WSAENOTSOCK, AcceptFailure::Broken),
    ] {
        assert_eq!(accept_failure(&io::Error::from_raw_os_error(code)), class, "{code}");
    }
    assert_eq!(accept_failure(&io::Error::other("x")), AcceptFailure::Broken);
}

#[test]
fn a_long_backlog_is_a_hint() {
    assert_eq!([backlog(1), backlog(200), backlog(4096)], [1, 200, -4096]);
    assert_eq!(backlog(u32::MAX), -65_535);
}
