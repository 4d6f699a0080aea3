//! Where an entry listens: a port, the multiplexer, or a port that rpcbind knows.

use super::attributes::Given;
use super::service::Translation;
use super::syntax::Word;
use crate::config::keys::Key;
use crate::config::raw::Data;
use crate::config::report::Problem;
use crate::config::suggest::did_you_mean;

impl Translation<'_> {
    /// xinetd.conf(5), "type": "TCPMUX/TCPMUXPLUS"; with the latter xinetd sends the positive reply,
    /// with the former the server does.
    fn mux(&self) -> Option<&'static str> {
        if self.has_word("type", "TCPMUXPLUS") {
            return Some("+");
        }
        self.has_word("type", "TCPMUX").then_some("")
    }

    pub(super) fn listen(&mut self) {
        let Some(protocol) = self.protocol() else { return };
        if let Some(plus) = self.mux() {
            let name = self.name.clone();
            if !protocol.starts_with("tcp") {
                let message = format!("`{}` is a service of the multiplexer", name.value);
                let problem = Problem::error(name.span, message);
                self.problems.push(problem.help("write socket_type = stream"));
                return;
            }
            for attribute in ["port", "bind", "interface"] {
                if let Some(given) = self.settings.get(attribute) {
                    let message = format!("`{attribute}` is ignored");
                    let label = "the service `tcpmux` listens for it";
                    self.problems.push(Problem::warning(given.at, message).label(label));
                }
            }
            let text = format!("tcpmux://{plus}{}", name.value);
            self.add(Key::Listen, name.span, Data::Text(text));
            return;
        }
        let unlisted = self.has_word("type", "UNLISTED");
        let is_rpc = self.has_word("type", "RPC");
        if is_rpc {
            self.rpc(unlisted);
        }
        let port = match self.settings.get("port") {
            Some(port) => port.one().clone(),
            // The system chooses it, and rpcbind knows.
            None if is_rpc => Word { value: "0".to_owned(), span: self.name.span },
            None if unlisted => {
                self.missing("port", "a service of the type UNLISTED has its port here");
                return;
            }
            None => self.name.clone(),
        };
        let only_v6 = self.answer("v6only") == Some(true);
        let v4 = self.has_word("flags", "IPv4");
        let v6 = self.has_word("flags", "IPv6");
        let family = match (v4, v6, only_v6) {
            (true, false, false) => "4",
            (_, _, true) => "6",
            _ => "",
        };
        let host = self.settings.get("bind").or_else(|| self.settings.get("interface"));
        let host = host.map(|given| given.one().clone());
        let at = match &host {
            // What can be wrong then is the name of the host.
            Some(host)
                if host.value.parse::<std::net::IpAddr>().is_err()
                    && port.value.parse::<u16>().is_ok() =>
            {
                host.span
            }
            _ => port.span,
        };
        if let Some(host) = &host {
            self.family_of_host(host, v4, v6 || only_v6);
        }
        let host = match host.map(|host| host.value) {
            Some(host) if host.contains(':') => format!("[{host}]:"),
            Some(host) => format!("{host}:"),
            None if v6 && !only_v6 => "[::]:".to_owned(),
            None => String::new(),
        };
        let family = if protocol.ends_with(['4', '6']) { "" } else { family };
        let text = format!("{protocol}{family}://{host}{}", port.value);
        self.add(Key::Listen, at, Data::Text(text));
    }

    /// Told if a host is no address of the only family that is wanted.
    fn family_of_host(&mut self, host: &Word, v4: bool, v6: bool) {
        let address = host.value.parse::<std::net::IpAddr>();
        let wrong = match address {
            Ok(address) if v6 && !v4 && address.is_ipv4() => "IPv6",
            Ok(address) if v4 && !v6 && address.is_ipv6() => "IPv4",
            _ => return,
        };
        let message = format!("`{}` is no address of {wrong}", host.value);
        let problem = Problem::error(host.span, message);
        self.problems.push(problem.help("write another address, or the flag of its family"));
    }

    /// xinetd.conf(5), "rpc_version": "a single number or a range in the form number-number";
    /// "rpc_number" for a service that is not in /etc/rpc.
    fn rpc(&mut self, unlisted: bool) {
        let Some(version) = self.settings.get("rpc_version").map(|given| given.one().clone())
        else {
            self.missing("rpc_version", "a number, or a range such as 1-3");
            return;
        };
        let program = match self.settings.get("rpc_number") {
            Some(number) => number.one().clone(),
            None if unlisted => {
                self.missing("rpc_number", "the program that is in no list");
                return;
            }
            None => self.name.clone(),
        };
        let text = format!("{}/{}", program.value, version.value);
        self.add(Key::Rpc, version.span, Data::Text(text));
    }

    /// `tcp` or `udp`.
    fn protocol(&mut self) -> Option<&'static str> {
        let of_socket = match self.settings.get("socket_type").map(Given::one) {
            None => {
                self.missing("socket_type", "stream or dgram");
                return None;
            }
            Some(word) => match word.value.to_ascii_lowercase().as_str() {
                "stream" => "tcp",
                "dgram" => "udp",
                other => {
                    let help = did_you_mean(other, ["stream", "dgram"]);
                    let message = format!("unknown socket type `{}`", word.value);
                    self.problems.push(Problem::error(word.span, message).maybe_help(help));
                    return None;
                }
            },
        };
        let Some(word) = self.settings.get("protocol").map(Given::one) else {
            return Some(of_socket);
        };
        let lower = word.value.to_ascii_lowercase();
        if lower.trim_end_matches(['4', '6']) == of_socket {
            return Some(match lower.as_str() {
                "tcp4" => "tcp4",
                "tcp6" => "tcp6",
                "udp4" => "udp4",
                "udp6" => "udp6",
                _ => of_socket,
            });
        }
        let message = format!("`{}` is not a protocol of this socket type", word.value);
        let help = format!("write protocol = {of_socket}");
        self.problems.push(Problem::error(word.span, message).help(help));
        None
    }
}
