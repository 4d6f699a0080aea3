use super::*;

fn installation(executable: &str, config: &str) -> Installation {
    Installation {
        executable: executable.into(),
        config: config.into(),
        format: None,
        account: None,
        start: None,
        users: Vec::new(),
        profiles: false,
    }
}

fn command(installation: &Installation) -> String {
    String::from_utf16(&command_line(installation).unwrap()).unwrap()
}

#[test]
fn the_image_path_is_quoted() {
    let plain = installation(r"C:\inetd\inetd.exe", r"C:\inetd.toml");
    assert_eq!(command(&plain), "\"C:\\inetd\\inetd.exe\" service run --config C:\\inetd.toml\0");
    let mut blanks = installation(r"C:\Program Files\Inetd\inetd.exe", r"D:\my files\inetd.conf");
    blanks.format = Some("netbsd".into());
    assert_eq!(
        command(&blanks),
        "\"C:\\Program Files\\Inetd\\inetd.exe\" service run --config \
         \"D:\\my files\\inetd.conf\" --format netbsd\0"
    );
}

#[test]
fn errors_of_the_system_say_what_to_do() {
    let text = |code: u32| {
        let error = io::Error::from_raw_os_error(code.cast_signed());
        explain("do it", error).to_string()
    };
    assert!(text(ERROR_ACCESS_DENIED).contains("Run as administrator"));
    assert!(text(ERROR_SERVICE_DOES_NOT_EXIST).contains("inetd service install"));
    assert!(text(ERROR_SERVICE_EXISTS).contains("inetd service uninstall"));
    assert!(text(ERROR_SERVICE_MARKED_FOR_DELETE).contains("services.msc"));
    assert!(text(ERROR_SERVICE_LOGON_FAILED).contains("--account"));
}

#[test]
fn outside_of_the_service_there_is_nobody_to_tell() {
    starting();
    started();
    stopping();
    assert!(requests().is_none());
}
