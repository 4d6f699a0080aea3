//! The flags of xinetd.

use super::{Classic, number, unknown};
use crate::config::FileFormat;
use crate::record::event::Level;
use crate::record::facility;
use crate::sys::{FAMILY, Family};

/// Words that xinetd has and no inetd, which tell that its flags are meant.
pub(super) const OWN_WORDS: [&str; 13] = [
    "-cc",
    "-dontfork",
    "-filelog",
    "-inetd_compat",
    "-inetd_ipv6",
    "-limit",
    "-logprocs",
    "-loop",
    "-pidfile",
    "-reuse",
    "-stayalive",
    "-syslog",
    "-version",
];

/// Reads a command line, the name of the program first.
pub(super) fn read(words: &[String]) -> Result<Classic, String> {
    let mut classic = Classic { format: Some(FileFormat::Xinetd), ..Classic::default() };
    let mut words = words.iter().skip(1).map(String::as_str);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} has no value"));
        match word {
            "-d" => {
                classic.foreground = true;
                classic.level = Some(Level::Debug);
            }
            "-dontfork" => classic.foreground = true,
            "-stayalive" => classic.stay_alive = true,
            // xinetd(8): sockets are always reusable here.
            "-reuse" => {}
            "-version" => classic.version = true,
            "-f" => classic.file = Some(value()?.into()),
            "-pidfile" => classic.pid_file = Some(value()?.into()),
            "-filelog" => classic.log_file = Some(value()?.into()),
            "-limit" => classic.max_sessions = Some(number("-limit", value()?)?),
            "-syslog" => {
                let name = value()?;
                let facility = facility::named(name);
                let facility = facility.ok_or_else(|| format!("-syslog {name}: no facility"))?;
                if FAMILY == Family::Windows && facility != facility::DAEMON {
                    return Err(format!("-syslog {name} cannot be honoured: there is no syslog"));
                }
                classic.facility = Some(facility);
            }
            "-cc" => {
                return Err("-cc cannot be honoured: there is no state that could become \
                            inconsistent; leave it out"
                    .into());
            }
            "-inetd_compat" => {
                return Err("-inetd_compat cannot be honoured: `inetd convert /etc/inetd.conf -o \
                            FILE`, and include that in an inetd.toml"
                    .into());
            }
            "-logprocs" => {
                return Err(
                    "-logprocs cannot be honoured: how many users of peers are asked for at \
                            a time is fixed (docs/admission.md); leave it out"
                        .into(),
                );
            }
            "-loop" => {
                return Err("-loop cannot be honoured: write `cps` in the file".into());
            }
            "-inetd_ipv6" => {
                return Err(
                    "-inetd_ipv6 cannot be honoured: write `flags = IPv6` in the file".into()
                );
            }
            "--control" => classic.control = Some(value()?.to_owned()),
            other => return Err(unknown(other)),
        }
    }
    Ok(classic)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::words;
    use super::*;

    // xinetd(8): "-d", "-f config_file", "-filelog logfile", "-limit proc_limit", "-pidfile pid_file",
    // "-reuse", "-stayalive", "-dontfork", "-syslog syslog_facility", "-version".
    #[test]
    fn the_flags_of_xinetd() {
        let line = "xinetd -f /etc/x -filelog /var/log/x -limit 9 -pidfile /run/x -stayalive \
                    -dontfork -reuse -syslog DAEMON";
        let classic = read(&words(line)).unwrap();
        assert_eq!(classic.file.as_deref(), Some(Path::new("/etc/x")));
        assert_eq!(classic.log_file.as_deref(), Some(Path::new("/var/log/x")));
        assert_eq!(classic.pid_file.as_deref(), Some(Path::new("/run/x")));
        assert_eq!(classic.max_sessions, Some(9));
        assert_eq!(classic.facility, Some(facility::DAEMON));
        let local = read(&words("xinetd -syslog local3")).map(|classic| classic.facility);
        let expected = facility::named("local3");
        assert_eq!(local.ok(), (FAMILY == Family::Unix).then_some(expected));
        assert!(classic.stay_alive && classic.foreground);
        for refused in ["-cc 5", "-inetd_compat", "-logprocs 5", "-loop 5", "-syslog kern", "-x"] {
            let refused = read(&words(&format!("xinetd {refused}")));
            assert!(refused.is_err(), "{refused:?}");
        }
    }
}
