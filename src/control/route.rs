//! Which action a request means.

use hyper::Method;

use super::Action;
use crate::session::SessionId;

/// Why a request means no action.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoAction {
    /// Nothing is there.
    NoRoute,
    /// The route has other methods, these.
    Methods(&'static str),
}

/// What a request means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// This. There is no body.
    Action(Action),
    /// To change the size of a session's terminal. The body tells the size.
    Resize(SessionId),
}

/// What a request means, as far as its first line tells.
pub(super) fn route(method: &Method, path: &str) -> Result<Wanted, NoAction> {
    // First the segments, then what is in them: a name may hold a `/` as `%2F`.
    let segments: Option<Vec<String>> =
        path.strip_prefix('/').and_then(|path| path.split('/').map(decode).collect());
    let segments = segments.ok_or(NoAction::NoRoute)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (methods, action) = match *segments.as_slice() {
        ["v1", "status"] => ("GET, HEAD", Action::Status),
        ["v1", "sessions"] => ("GET, HEAD", Action::Sessions),
        ["v1", "sessions", id] => {
            ("DELETE", Action::Kill(id.parse().map_err(|_| NoAction::NoRoute)?))
        }
        ["v1", "sessions", id, "resize"] => {
            let id = id.parse().map_err(|_| NoAction::NoRoute)?;
            return if method == Method::POST {
                Ok(Wanted::Resize(id))
            } else {
                Err(NoAction::Methods("POST"))
            };
        }
        ["v1", "services", name, "drain"] => ("POST", Action::Drain(name.to_owned())),
        ["v1", "services", name, "resume"] => ("POST", Action::Resume(name.to_owned())),
        ["v1", "reload"] => ("POST", Action::Reload),
        ["v1", "stop"] => ("POST", Action::Stop),
        _ => return Err(NoAction::NoRoute),
    };
    let fits = methods.split(", ").any(|name| name == method.as_str());
    if fits { Ok(Wanted::Action(action)) } else { Err(NoAction::Methods(methods)) }
}

/// A segment of a path as it was meant (RFC 3986, section 2.1); none if it is not UTF-8 or a `%`
/// is not followed by two digits.
fn decode(segment: &str) -> Option<String> {
    let mut parts = segment.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| !digits.starts_with('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

/// A segment of a path that means `text`.
pub(super) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let bytes = text.bytes();
    bytes
        .map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        for name in ["hello", "ftp/tcp", "a b", "%2F", "gr\u{fc}\u{df}e", "..", "?#"] {
            let path = format!("/v1/services/{}/drain", encode(name));
            let drain = Ok(Wanted::Action(Action::Drain(name.into())));
            assert_eq!(route(&Method::POST, &path), drain, "{path}");
        }
        assert_eq!(
            route(&Method::POST, "/v1/services/ftp%2ftcp/resume"),
            Ok(Wanted::Action(Action::Resume("ftp/tcp".into())))
        );
    }

    /// `| `POST /v1/reload` | ...`
    #[test]
    fn the_documentation_lists_routes_that_exist() {
        let manual = include_str!("../../docs/control.md");
        let rows = manual.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let documented: Vec<_> = rows.filter_map(|(row, _)| row.split_once(" /")).collect();
        let wanted = documented.iter().map(|(method, path)| {
            let path = format!("/{}", path.replace("NAME", "x").replace("ID", "7"));
            route(&method.parse().unwrap(), &path).unwrap()
        });
        let mut expected: Vec<_> = [
            Action::Status,
            Action::Sessions,
            Action::Reload,
            Action::Stop,
            Action::Drain("x".into()),
            Action::Resume("x".into()),
            Action::Kill(7),
        ]
        .map(Wanted::Action)
        .into();
        expected.push(Wanted::Resize(7));
        assert_eq!(wanted.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_no_route_is_told_from_what_is_another_method() {
        for path in [
            "",
            "/",
            "/v1",
            "/v1/",
            "/v2/status",
            "/v1/status/",
            "//v1/status",
            "/v1/services/x",
            "/v1/services/a/b/drain",
            "/v1/services/%/drain",
            "/v1/services/%2/drain",
            "/v1/services/%+1/drain",
            "/v1/services/%ff/drain",
            "/v1/sessions/x",
            "/v1/sessions/-1",
            "/v1/sessions/99999999999999999999999999",
            "/v1/sessions/x/resize",
        ] {
            assert_eq!(route(&Method::GET, path), Err(NoAction::NoRoute), "{path}");
        }
        for (method, path, methods) in [
            (Method::POST, "/v1/status", "GET, HEAD"),
            (Method::GET, "/v1/stop", "POST"),
            (Method::GET, "/v1/sessions/7", "DELETE"),
            (Method::GET, "/v1/sessions/7/resize", "POST"),
            (Method::DELETE, "/v1/services/x/drain", "POST"),
        ] {
            assert_eq!(route(&method, path), Err(NoAction::Methods(methods)), "{path}");
        }
        assert_eq!(route(&Method::HEAD, "/v1/status"), Ok(Wanted::Action(Action::Status)));
        assert_eq!(route(&Method::DELETE, "/v1/sessions/7"), Ok(Wanted::Action(Action::Kill(7))));
        assert_eq!(route(&Method::POST, "/v1/sessions/7/resize"), Ok(Wanted::Resize(7)));
    }
}
