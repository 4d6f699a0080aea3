//! Mail, questions and answers, monitoring.

use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;

use super::page::{Server, give};
use super::{client, finish, run, text};
use crate::harness::{Client, deadline, wait_until};

#[test]
fn exim_takes_a_mail() {
    let Some(mut server) = Server::of("exim4", &["exim4", "curl"]) else { return };
    let config = server.moved("/etc/exim4/exim4.conf", "exim4.conf");
    let (spool, mail) = (server.at("spool"), server.at("mail"));
    let text_of_config = format!(
        "primary_hostname = mail.example.org\nspool_directory = {}\nlog_file_path = {}\n\
         acl_smtp_rcpt = take\nqueue_only\ntls_advertise_hosts =\nkeep_environment =\n\
         begin acl\ntake:\n  accept\n",
        spool.display(),
        server.at("%slog").display(),
    );
    std::fs::write(config, text_of_config).unwrap();
    std::fs::write(&mail, "Subject: greetings\n\nhello by mail\n").unwrap();
    give(&server.at(""), "Debian-exim");
    server.each(|served| {
        let from = ["--mail-from", "one@example.org", "--mail-rcpt", "two@example.org"];
        let send = ["-sS", "-T", text(&mail), "--crlf"];
        run("curl", &[&send[..], &from, &[&served.url("smtp", "")]].concat());
        let queue = std::fs::read_dir(spool.join("input")).unwrap();
        let mut bodies = queue.map(|file| file.unwrap().path());
        let body = bodies.find(|path| text(path).ends_with("-D")).unwrap();
        assert!(std::fs::read_to_string(body).unwrap().contains("hello by mail\n"));
        std::fs::remove_dir_all(&spool).unwrap();
    });
}

#[test]
fn fingerd_tells_about_a_user() {
    let programs = ["in.fingerd", "finger", "tcpd"];
    let Some(mut server) = Server::of("fingerd", &programs) else { return };
    server.on_port(79);
    server.each(|served| {
        let answer = run("finger", &[&format!("root@{}", served.address.ip())]);
        assert!(answer.out.contains("Login: root"), "{}", answer.out);
    });
}

/// ntalk: `CTL_MSG` and `CTL_RESPONSE` of `protocols/talkd.h`.
#[test]
fn talkd_keeps_an_invitation() {
    const INVITE: u8 = 0;
    const LOOK_UP: u8 = 1;

    let Some(server) = Server::of("inetutils-talkd", &["talkd", "tcpd"]) else { return };
    server.each(|served| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(deadline())).unwrap();
        socket.connect(served.address).unwrap();
        let place = |port: u16| {
            let mut address = vec![0, 2];
            address.extend(port.to_be_bytes());
            address.extend([127, 0, 0, 1]);
            address.resize(16, 0);
            address
        };
        let ask = |kind: u8, caller: &[u8], called: &[u8]| {
            let mut message = vec![1, kind, 0, 0, 0, 0, 0, 0];
            message.extend(place(4711));
            message.extend(place(socket.local_addr().unwrap().port()));
            message.extend(std::process::id().to_be_bytes());
            for (name, size) in [(caller, 12), (called, 12), (b"", 16)] {
                let end = message.len() + size;
                message.extend(name);
                message.resize(end, 0);
            }
            socket.send(&message).unwrap();
            let mut answer = [0; 64];
            let length = socket.recv(&mut answer).unwrap();
            assert_eq!((length, &answer[..2]), (24, &[1, kind][..]));
            answer
        };
        // Nobody is invited yet (NOT_HERE); an invitation gets a number; then the caller's address
        // is told.
        assert_eq!(ask(LOOK_UP, b"callee", b"caller")[2], 1);
        assert_eq!(ask(INVITE, b"caller", b"callee")[4..8], [0, 0, 0, 1]);
        let answer = ask(LOOK_UP, b"callee", b"caller");
        assert_eq!((answer[2], &answer[8..16]), (0, &place(4711)[..8]));
        assert_eq!(served.daemon.records(1, "START").len(), 1);
    });
}

#[test]
fn oidentd_knows_whose_connection_it_is() {
    let Some(server) = Server::of("oidentd", &["oidentd"]) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (local, remote) = (near.local_addr().unwrap().port(), near.peer_addr().unwrap().port());
    server.each(|served| {
        let mut asking = Client::connect(served.address);
        asking.send(format!("{local},{remote}\r\n").as_bytes());
        let answer = asking.line().replace(' ', "");
        assert_eq!(answer, format!("{local},{remote}:USERID:UNIX:root"));
    });
}

#[test]
fn dictd_explains_a_word() {
    let Some(mut server) = Server::of("dictd", &["dictd", "dict"]) else { return };
    let config = server.moved("/etc/dictd/dictd.conf", "dictd.conf");
    let (data, index) = (server.at("words.dict"), server.at("words.index"));
    let explanation = "superserver\n  starts the others\n";
    std::fs::write(&data, explanation).unwrap();
    // Offset 0 and length 32 in the digits of RFC 2045: A is 0, B is 1; g is 32.
    assert_eq!(explanation.len(), 32);
    std::fs::write(&index, "superserver\tA\tg\n").unwrap();
    let text_of_config = format!(
        "database words {{ data \"{}\" index \"{}\" }}\n",
        data.display(),
        index.display(),
    );
    std::fs::write(config, text_of_config).unwrap();
    server.each(|served| {
        let arguments = ["-h", "127.0.0.1", "-p", &served.port(), "-P", "-", "superserver"];
        let answer = run("dict", &arguments);
        assert!(answer.out.contains("starts the others"), "{}", answer.out);
    });
}

#[test]
fn nrpe_runs_a_check() {
    let Some(mut server) = Server::of("nagios-nrpe-server", &["nrpe", "check_nrpe"]) else {
        return;
    };
    let config = server.moved("/etc/nagios/nrpe.cfg", "nrpe.cfg");
    let text_of_config = "allowed_hosts=127.0.0.1\nnrpe_user=nagios\nnrpe_group=nagios\n\
                          command[check_hello]=/bin/echo OK, hello\n";
    std::fs::write(config, text_of_config).unwrap();
    server.each(|served| {
        let place = ["-H", "127.0.0.1", "-p", &served.port()];
        let answer = run("check_nrpe", &[&place[..], &["-c", "check_hello"]].concat());
        assert_eq!(answer.out, "OK, hello\n");
    });
}

#[test]
fn nsca_takes_the_result_of_a_check() {
    let programs = ["nsca", "send_nsca", "tcpd"];
    let Some(mut server) = Server::of("nsca", &programs) else { return };
    let config = server.moved("/etc/nsca.cfg", "nsca.cfg");
    let (results, sender) = (server.at("results"), server.at("send_nsca.cfg"));
    let text_of_config = format!(
        "command_file={0}\nalternate_dump_file={0}.dump\nappend_to_file=1\naggregate_writes=0\n\
         max_packet_age=30\ndebug=0\ndecryption_method=1\n",
        results.display(),
    );
    std::fs::write(config, text_of_config).unwrap();
    std::fs::write(&sender, "encryption_method=1\n").unwrap();
    std::fs::write(&results, "").unwrap();
    give(&server.at(""), "nagios");
    server.each(|served| {
        let mark = std::fs::read_to_string(&results).unwrap().len();
        let place = ["-H", "127.0.0.1", "-p", &served.port(), "-c", text(&sender)];
        let mut command = client("send_nsca", &place, &served.at(""));
        let (reader, mut writer) = std::io::pipe().unwrap();
        command.stdin(Stdio::from(reader));
        writer.write_all(b"web\tdisk\t1\thalf full\n").unwrap();
        drop(writer);
        finish(command);
        wait_until("the result", || {
            std::fs::read_to_string(&results).unwrap()[mark..].contains("web;disk;1;half full\n")
        });
    });
}
