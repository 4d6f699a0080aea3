//! The passwords of accounts that services run as. They are kept in the private store of the
//! system, which encrypts them and lets only administrators and the system itself read them, and
//! in no file.
//!
//! One secret for each account, named after its SID so that an account has one whatever it is
//! called; and one with the list of the others, since the system does not list them.

use std::io::{self, BufRead, IsTerminal};
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::Foundation::ERROR_LOGON_FAILURE;
use windows_sys::Win32::System::Console::{
    CONSOLE_MODE, ENABLE_ECHO_INPUT, GetConsoleMode, ReadConsoleW, SetConsoleMode,
};
use zeroize::{Zeroize, Zeroizing};

use super::account::{Account, Kind};
use super::handle::check;
use super::logon::log_on_with;
use super::lsa::{Access, Policy};
use super::service::RIGHTS;
use crate::sys::{SecretError, SecretSource};

/// The list. "L$" makes a secret of this machine alone: it is not replicated and cannot be read
/// from elsewhere ("Private Data Object").
const LIST: &str = "L$Inetd";
/// Windows takes passwords of 256 characters; a line end comes with them.
const LONGEST: usize = 512;

fn key(sid: &str) -> String {
    format!("L$Inetd_{sid}")
}

/// Asks for the password of `account` and keeps it. `prompt` is called with the account's full name
/// before somebody types. Gives that name, and why the account could not be logged on with it.
///
/// # Errors
/// The account does not exist or has no password, the password is wrong, or it cannot be kept.
pub fn set(
    account: &str,
    source: SecretSource,
    prompt: impl FnOnce(&str),
) -> Result<(String, Option<io::Error>), SecretError> {
    let account = Account::find(account)?;
    if account.kind != Kind::Person {
        return Err(SecretError::NoPassword(account.name));
    }
    // Before somebody types in vain.
    let policy = open(Access::Write)?;
    let password = match source {
        SecretSource::Console => from_console(|| prompt(&account.name)),
        SecretSource::StandardInput => first_line(&mut io::stdin().lock()),
    };
    let password = password.map_err(SecretError::Unreadable)?;
    let doubt = match log_on_with(&account, Some(password.clone())) {
        Ok(_) => None,
        Err(error) if error.raw_os_error() == Some(ERROR_LOGON_FAILURE.cast_signed()) => {
            return Err(SecretError::WrongPassword(account.name));
        }
        Err(error) => Some(error),
    };
    let failed = SecretError::Store;
    policy.store(&key(&account.sid), Some(&password)).map_err(failed)?;
    let mut list = read_list(&policy).map_err(failed)?;
    list.retain(|entry| entry.sid != account.sid);
    list.push(Entry { sid: account.sid, name: account.name.clone() });
    write_list(&policy, &list).map_err(failed)?;
    Ok((account.name, doubt))
}

/// Forgets the password of an account, which may not exist any more. Gives its full name.
///
/// # Errors
/// There is none.
pub fn delete(account: &str) -> Result<String, SecretError> {
    let policy = open(Access::Write)?;
    let mut list = read_list(&policy).map_err(SecretError::Store)?;
    let sid = Account::find(account).map(|account| account.sid);
    let is_meant = |entry: &Entry| match &sid {
        Ok(sid) => entry.sid == *sid,
        Err(_) => entry.name.eq_ignore_ascii_case(account),
    };
    let Some(at) = list.iter().position(is_meant) else {
        return Err(SecretError::NotKept(account.to_owned()));
    };
    let entry = list.remove(at);
    match policy.store(&key(&entry.sid), None) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(SecretError::Store(error));
        }
        _ => {}
    }
    write_list(&policy, &list).map_err(SecretError::Store)?;
    Ok(entry.name)
}

/// The accounts whose passwords are kept.
pub fn list() -> Result<Vec<String>, SecretError> {
    let list = read_list(&open(Access::Read)?).map_err(SecretError::Store)?;
    Ok(list.into_iter().map(|entry| entry.name).collect())
}

/// The password of an account that has one.
///
/// # Errors
/// None was kept, or nobody but an administrator can read it; the text says what to do.
pub(super) fn password(account: &Account) -> io::Result<Zeroizing<Vec<u16>>> {
    let policy = Policy::open(Access::Read);
    let found = policy.and_then(|policy| policy.retrieve(&key(&account.sid)));
    let name = &account.name;
    match found {
        Ok(Some(password)) => Ok(password),
        Ok(None) => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("no password is kept for `{name}`: use `inetd secret set {name}`"),
        )),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(io::Error::new(
            error.kind(),
            format!(
                "the password of `{name}` can be read by administrators and LocalSystem only: use \
                 `inetd service install --account LocalSystem`"
            ),
        )),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("the password of `{name}` cannot be read: {error}"),
        )),
    }
}

fn open(access: Access) -> Result<Policy, SecretError> {
    Policy::open(access).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => SecretError::NotPermitted(RIGHTS),
        _ => SecretError::Store(error),
    })
}

/// A line of the list.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    sid: String,
    name: String,
}

fn read_list(policy: &Policy) -> io::Result<Vec<Entry>> {
    let list = policy.retrieve(LIST)?;
    Ok(list.map_or_else(Vec::new, |list| parse(&String::from_utf16_lossy(&list))))
}

fn write_list(policy: &Policy, list: &[Entry]) -> io::Result<()> {
    let text: String = list.iter().map(|entry| format!("{} {}\n", entry.sid, entry.name)).collect();
    let text: Vec<u16> = text.encode_utf16().collect();
    policy.store(LIST, Some(&text))
}

fn parse(list: &str) -> Vec<Entry> {
    let entry = |line: &str| {
        let (sid, name) = line.split_once(' ')?;
        Some(Entry { sid: sid.into(), name: name.into() })
    };
    list.lines().filter_map(entry).collect()
}

/// The first line, without its end, as the system wants a password.
fn first_line(input: &mut impl BufRead) -> io::Result<Zeroizing<Vec<u16>>> {
    // Large enough from the start: memory that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4 * LONGEST));
    let mut more = io::Read::take(input, 4 * LONGEST as u64);
    more.read_until(b'\n', &mut bytes)?;
    // What PowerShell writes in front of the first line.
    let line = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let text = std::str::from_utf8(line).map_err(|_| bad("it is not UTF-8 text"))?;
    let mut password = Zeroizing::new(Vec::with_capacity(LONGEST));
    for unit in text.trim_end_matches(['\r', '\n']).encode_utf16() {
        if password.len() == LONGEST {
            return Err(bad("it is longer than any password"));
        }
        password.push(unit);
    }
    checked(password)
}

/// What somebody types, without showing it.
fn from_console(prompt: impl FnOnce()) -> io::Result<Zeroizing<Vec<u16>>> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Err(bad("standard input is no console: use --stdin to pass it there"));
    }
    let console = Console::new(input.as_raw_handle())?;
    prompt();
    let mut password = Zeroizing::new(vec![0_u16; LONGEST]);
    let mut count = 0;
    // SAFETY: an open handle and a buffer of this size in characters; null is documented.
    check(unsafe {
        ReadConsoleW(
            console.handle,
            password.as_mut_ptr().cast(),
            u32::try_from(LONGEST).unwrap_or(0),
            &raw mut count,
            ptr::null(),
        )
    })?;
    drop(console);
    if count as usize == LONGEST {
        return Err(bad("it is longer than any password"));
    }
    password[count as usize..].zeroize();
    password.truncate(count as usize);
    while password.last().is_some_and(|unit| [0x0d, 0x0a].contains(unit)) {
        password.pop();
    }
    checked(password)
}

fn checked(password: Zeroizing<Vec<u16>>) -> io::Result<Zeroizing<Vec<u16>>> {
    if password.is_empty() {
        return Err(bad("it is empty, and Windows logs nobody on without one"));
    }
    if password.contains(&0) {
        return Err(bad("there is a NUL character in it"));
    }
    Ok(password)
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// A console that does not show what is typed, until this is dropped.
struct Console {
    handle: *mut std::ffi::c_void,
    before: CONSOLE_MODE,
}

impl Console {
    fn new(handle: *mut std::ffi::c_void) -> io::Result<Self> {
        let mut before = 0;
        // SAFETY: the pointer is valid for the call; what is no console is an error.
        check(unsafe { GetConsoleMode(handle, &raw mut before) })?;
        // SAFETY: changes a mode; the handle is that of a console.
        check(unsafe { SetConsoleMode(handle, before & !ENABLE_ECHO_INPUT) })?;
        Ok(Self { handle, before })
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // SAFETY: the mode that the console had before.
        unsafe { SetConsoleMode(self.handle, self.before) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8]) -> Result<String, String> {
        let line = first_line(&mut &bytes[..]).map_err(|error| error.to_string())?;
        Ok(String::from_utf16(&line).unwrap())
    }

    #[test]
    fn a_password_is_the_first_line_of_standard_input() {
        assert_eq!(line(b"secret\nmore\n").unwrap(), "secret");
        assert_eq!(line(b"\xef\xbb\xbf two words \r\n").unwrap(), " two words ");
        assert_eq!(line("\u{e4}\u{1f600}".as_bytes()).unwrap(), "\u{e4}\u{1f600}");
        for (bytes, text) in [
            (&b"\n"[..], "empty"),
            (b"", "empty"),
            (b"a\0b\n", "NUL"),
            (b"\xff\n", "UTF-8"),
            (&[b'x'; 3000], "longer"),
        ] {
            assert!(line(bytes).unwrap_err().contains(text), "{text}");
        }
    }

    #[test]
    fn the_list_survives_names_with_blanks() {
        let list = parse("S-1-5-21-1 PC\\Ada Lovelace\nS-1-5-21-2 bob@example.com\n\nbroken\n");
        assert_eq!(list.len(), 2);
        assert_eq!((&*list[0].sid, &*list[0].name), ("S-1-5-21-1", "PC\\Ada Lovelace"));
    }

    #[test]
    fn accounts_without_a_password_have_no_secret() {
        let refused = |name| set(name, SecretSource::StandardInput, |_| {}).unwrap_err();
        assert!(matches!(refused("LocalService"), SecretError::NoPassword(_)));
        assert!(matches!(refused("no such account"), SecretError::Account(_)));
        assert!(matches!(
            delete("no such account"),
            Err(SecretError::NotKept(_) | SecretError::NotPermitted(_))
        ));
    }
}
