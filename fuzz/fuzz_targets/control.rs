#![no_main]

//! What clients of the control endpoint send: HTTP/1.1, with JSON in a body.

use inetd::control::server::serve;
use inetd::control::{Command, Reply};
use inetd_fuzz::run;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::mpsc;

/// Room for all answers.
const ROOM: usize = 1 << 22;

fuzz_target!(|said: &[u8]| {
    let heard = run(async {
        let (mut client, server) = duplex(ROOM);
        let (sender, mut commands) = mpsc::channel::<Command>(1);
        let supervisor = async {
            while let Some(command) = commands.recv().await {
                command.reply.send(Reply::Failed(format!("{:?}", command.action))).ok();
            }
        };
        let talk = async {
            client.write_all(said).await.expect("there is room");
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.expect("the server ends the connection");
            heard
        };
        tokio::join!(serve(server, sender), supervisor, talk).2
    });
    assert!(heard.is_empty() || heard.starts_with(b"HTTP/1."));
    assert!(heard.is_empty() || heard.windows(4).any(|end| end == b"\r\n\r\n"));
});
