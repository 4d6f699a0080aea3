//! Whatever is written: it is a configuration, or it is explained.

use proptest::prelude::*;

use super::super::keys::SERVICE;
use super::super::*;

/// Reads a text as every format.
fn load_text(text: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in FileFormat::NAMES {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let (Ok((_, report)) | Err(report)) = load(&path, format, Purpose::Check);
        report.render();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_can_be_loaded(bytes: Vec<u8>) {
        load_text(&bytes);
    }

    #[test]
    fn anything_like_a_classic_file_can_be_loaded(
        words in "((7000|::1|/x|:a:b:0660:/x|\\*:|x:|stream|dgram|tcp|tcp6|tcp,sndbuf=1k|unix|wait|nowait|[/.:][0-9]*|root|a.b|internal|/bin/sh|\"|'|#|#@|\\\\|é)[ \t\n]{0,2}){0,60}"
    ) {
        load_text(words.as_bytes());
    }

    #[test]
    fn any_command_line_is_explained_or_works(
        listen in "[0-9a-z:/\\[\\].]{0,9}",
        key in 0..SERVICE.len(),
        value in "\\PC{0,9}",
        program in "\\PC{0,9}",
    ) {
        let line = CommandLine {
            listen: vec![listen.replace(|c: char| c.is_alphabetic(), "")],
            run: vec![program.into()],
            settings: vec![(SERVICE[key].key, value)],
            name: None,
        };
        let (Ok((_, report)) | Err(report)) = from_command_line(&line, Purpose::Check);
        report.render();
        to_toml(&line).parse::<toml::Table>().unwrap();
    }
}
