//! What a Windows executable has besides its code: the texts of the events for the Event Log, a
//! version, a manifest. And the order of the code in a Linux executable.

use std::env;
use std::path::{Path, PathBuf};

use winresource::WindowsResource;

#[path = "src/record/event.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of the daemon; only the table is needed")]
mod event;

/// As the system numbers the types of resources (RT_MESSAGETABLE).
const MESSAGE_TABLE: u32 = 11;

const MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <trustInfo xmlns="urn:schemas-microsoft-com:asm.v3">
    <security>
      <requestedPrivileges>
        <requestedExecutionLevel level="asInvoker" uiAccess="false"/>
      </requestedPrivileges>
    </security>
  </trustInfo>
  <compatibility xmlns="urn:schemas-microsoft-com:compatibility.v1">
    <application>
      <!-- Windows 10, 11, Server 2016 and later -->
      <supportedOS Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/>
    </application>
  </compatibility>
  <application xmlns="urn:schemas-microsoft-com:asm.v3">
    <windowsSettings>
      <longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware>
      <activeCodePage xmlns="http://schemas.microsoft.com/SMI/2019/WindowsSettings">UTF-8</activeCodePage>
    </windowsSettings>
  </application>
</assembly>
"#;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/record/event.rs");
    println!("cargo::rerun-if-changed=serving.ld");
    match variable("CARGO_CFG_TARGET_OS").as_str() {
        "windows" => add_resources(),
        "linux" => arrange(),
        _ => {}
    }
}

/// What serves lies side by side. Not where somebody has chosen a linker, which may not know such a script:
/// it is for memory alone. Tests hear whether it is so.
fn arrange() {
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let is_chosen = flags.contains("linker") || flags.contains("fuse-ld");
    if !is_chosen && env::var_os("RUSTC_LINKER").is_none() {
        let script = Path::new(&variable("CARGO_MANIFEST_DIR")).join("serving.ld");
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
        println!("cargo::rustc-env=INETD_ARRANGED=1");
    }
}

fn add_resources() {
    let Err(error) = embed() else { return };
    // Checking the code needs no resources, and there may be no compiler for them there.
    let elsewhere = !variable("HOST").contains("windows");
    assert!(
        elsewhere && variable("CARGO_CFG_TARGET_ENV") == "msvc",
        "cannot compile the resources of inetd.exe: {error} (with mingw, windres of its binutils \
         does that; with MSVC, rc.exe of the Windows SDK)"
    );
    println!(
        "cargo::warning=an inetd.exe that is linked now has no event texts, version and manifest: \
         {error} (llvm-rc and clang would compile them)"
    );
}

fn embed() -> std::io::Result<()> {
    let messages = PathBuf::from(variable("OUT_DIR")).join("messages.bin");
    std::fs::write(&messages, message_table())?;
    let mut resource = WindowsResource::new();
    resource
        .set("CompanyName", "The inetd project")
        .set("ProductName", "inetd")
        .set("FileDescription", "Internet superserver")
        .set("InternalName", "inetd")
        .set("OriginalFilename", "inetd.exe")
        .set("LegalCopyright", &format!("License: {}", variable("CARGO_PKG_LICENSE")))
        .set_manifest(MANIFEST)
        // The language is neutral: the texts are found whatever the language of the system is.
        .append_rc_content(&format!("LANGUAGE 0, 0\n1 {MESSAGE_TABLE} \"{}\"\n", quoted(&messages)))
        .compile()
}

fn quoted(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\")
}

/// The texts of the events, as FormatMessage reads them (MESSAGE_RESOURCE_DATA): runs of
/// successive numbers, then the entries.
fn message_table() -> Vec<u8> {
    let mut runs: Vec<(u16, u16, u32)> = Vec::new();
    let mut entries = Vec::new();
    for event in event::ALL {
        let start = size(entries.len());
        match runs.last_mut() {
            Some((_, last, _)) if *last + 1 == event.id => *last = event.id,
            _ => runs.push((event.id, event.id, start)),
        }
        entries.extend(entry(event));
    }
    let header = size(4 + 12 * runs.len());
    let mut table = size(runs.len()).to_le_bytes().to_vec();
    for (first, last, start) in runs {
        for number in [first.into(), last.into(), header + start] {
            table.extend(number.to_le_bytes());
        }
    }
    table.extend(entries);
    table
}

/// MESSAGE_RESOURCE_ENTRY: its size, 1 for UTF-16, the text. `%1` is where the fields are put.
fn entry(event: &event::Event) -> Vec<u8> {
    let text = format!("{}. {}", event.text, event.meaning).replace('%', "%%");
    let mut text: Vec<u8> =
        format!("{text}\r\n\r\n%1\r\n\0").encode_utf16().flat_map(u16::to_le_bytes).collect();
    // Each entry begins at a multiple of four.
    text.resize(text.len().next_multiple_of(4), 0);
    let length = u16::try_from(4 + text.len()).expect("texts are short");
    [&length.to_le_bytes(), &1_u16.to_le_bytes(), text.as_slice()].concat()
}

fn size(length: usize) -> u32 {
    u32::try_from(length).expect("the table is small")
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
