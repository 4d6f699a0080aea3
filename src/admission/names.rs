//! The names of peers. Looking one up may wait for the network, so it happens on threads of its
//! own, a few at a time, and never on the way of other connections. A name counts only if it leads
//! back to the address: whoever owns an address can give it any name.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, Semaphore};

use super::rules::PeerName;
use crate::aside::aside;
use crate::listener::endpoint::Address;
use crate::sys::names::name_of;

/// Lookups at a time.
const LOOKUPS: usize = 16;
/// How long a peer waits for its name.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer is good.
const FRESH: Duration = Duration::from_secs(60);
/// How long it is good that there was none.
const FRESH_FAILURE: Duration = Duration::from_secs(10);
/// Answers that are kept.
const MOST: usize = 4096;

/// What was found out about the name of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Name {
    /// There is none, or nobody has told it.
    #[default]
    Unknown,
    /// There is one, but it does not lead back to the address.
    Mismatch,
    /// It leads back.
    Known(Arc<str>),
}

/// Finds the name of an address, and waits for it.
type Find = fn(IpAddr) -> Name;

/// The names of both ends of a connection.
#[derive(Clone, Debug, Default)]
pub struct HostNames {
    /// The peer's.
    pub remote: Name,
    /// Ours.
    pub local: Name,
}

/// The names that were asked for.
#[derive(Debug)]
pub struct Names {
    find: Find,
    answers: Mutex<HashMap<IpAddr, Answer>>,
    lookups: Arc<Semaphore>,
}

/// An answer, or a lookup that all who ask for the same address wait for.
#[derive(Clone, Debug)]
struct Answer {
    name: Arc<OnceCell<Name>>,
    asked: Instant,
}

impl Names {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::with(confirmed)
    }

    fn with(find: Find) -> Self {
        Self { find, answers: Mutex::default(), lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }

    /// The answer, if it is known already.
    pub fn known(&self, address: IpAddr, now: Instant) -> Option<Name> {
        let answers = self.lock();
        let answer = answers.get(&address).filter(|answer| answer.is_fresh(now))?;
        answer.name.get().cloned()
    }

    /// Both names, if they are known already.
    pub fn known_both(&self, remote: &Address, local: &Address, now: Instant) -> Option<HostNames> {
        let (remote, local) = (remote.ip()?, local.ip()?);
        Some(HostNames { remote: self.known(remote, now)?, local: self.known(local, now)? })
    }

    /// Looks both names up.
    pub async fn ask_both(&self, remote: &Address, local: &Address) -> HostNames {
        let ask = async |address: &Address| match address.ip() {
            Some(address) => self.ask(address).await,
            None => Name::Unknown,
        };
        let (remote, local) = tokio::join!(ask(remote), ask(local));
        HostNames { remote, local }
    }

    /// Looks a name up, or waits for the lookup that is on. Never longer than five seconds: then
    /// there is no name.
    pub async fn ask(&self, address: IpAddr) -> Name {
        let answer = self.answer(address, Instant::now());
        let look_up = async {
            let found = tokio::time::timeout(TIMEOUT, self.look_up(address)).await;
            found.ok().flatten().unwrap_or_default()
        };
        answer.name.get_or_init(|| look_up).await.clone()
    }

    fn answer(&self, address: IpAddr, now: Instant) -> Answer {
        let mut answers = self.lock();
        if let Some(answer) = answers.get(&address).filter(|answer| answer.is_fresh(now)) {
            return answer.clone();
        }
        if answers.len() >= MOST {
            answers.retain(|_, answer| answer.is_fresh(now));
        }
        if answers.len() >= MOST {
            // Lookups that are on stay; there are no more of them than sessions.
            answers.retain(|_, answer| answer.name.get().is_none());
        }
        let answer = Answer { name: Arc::default(), asked: now };
        answers.insert(address, answer.clone());
        answer
    }

    async fn look_up(&self, address: IpAddr) -> Option<Name> {
        // Never closed, so never an error.
        let place = Arc::clone(&self.lookups).acquire_owned().await.ok()?;
        let find = self.find;
        let found = aside("names", move || {
            let name = find(address);
            // Whoever asked may have given up. The place is taken until the resolver has.
            drop(place);
            name
        });
        found.await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostNames {
    /// Nobody knows them.
    pub const UNKNOWN: Self = Self { remote: Name::Unknown, local: Name::Unknown };

    /// The peer's name, after it was looked up.
    pub fn peer(&self) -> PeerName<'_> {
        self.remote.as_peer()
    }
}

impl Name {
    /// The name, if it is one.
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(name) => Some(name),
            Self::Unknown | Self::Mismatch => None,
        }
    }

    /// As rules want it.
    pub fn as_peer(&self) -> PeerName<'_> {
        match self {
            Self::Unknown => PeerName::Unknown,
            Self::Mismatch => PeerName::Mismatch,
            Self::Known(name) => PeerName::Known(name),
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Answer {
    fn is_fresh(&self, now: Instant) -> bool {
        let time = match self.name.get() {
            Some(Name::Known(_)) => FRESH,
            Some(Name::Unknown | Name::Mismatch) => FRESH_FAILURE,
            None => return true,
        };
        now.saturating_duration_since(self.asked) < time
    }
}

/// The name of an address, in lower case. Waits for the network.
pub fn confirmed(address: IpAddr) -> Name {
    let addresses = |name: &str| {
        let found = (name, 0).to_socket_addrs().into_iter().flatten();
        found.map(|address| address.ip()).collect()
    };
    name_of(address).map_or(Name::Unknown, |name| confirm(address, &name, addresses))
}

fn confirm(address: IpAddr, name: &str, addresses: impl FnOnce(&str) -> Vec<IpAddr>) -> Name {
    let leads_back = |found: &IpAddr| found.to_canonical() == address.to_canonical();
    match host_name(name) {
        Some(name) if addresses(&name).iter().any(leads_back) => Name::Known(name.into()),
        _ => Name::Mismatch,
    }
}

/// A name as rules and programs may see it: letters, digits, `-` and `_` between dots, and nothing
/// that looks like an address.
pub fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        let character = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(character) && !label.starts_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|c| c.is_ascii_digit());
    let last = name.rsplit('.').next().unwrap_or_default();
    let good = name.len() <= 253 && name.split('.').all(label) && !is_number(last);
    good.then_some(name)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn many_who_ask_for_one_address_share_one_lookup() {
        static LOOKUPS: AtomicU32 = AtomicU32::new(0);
        let names = Names::with(|address| {
            LOOKUPS.fetch_add(1, Ordering::SeqCst);
            Name::Known(format!("host-{address}").into())
        });
        let now = Instant::now();
        assert_eq!(names.known(ip(1), now), None);
        run(async {
            let (a, b, c) = tokio::join!(names.ask(ip(1)), names.ask(ip(1)), names.ask(ip(2)));
            assert_eq!(a.known(), Some("host-192.0.2.1"));
            assert_eq!((b.known(), c.known()), (a.known(), Some("host-192.0.2.2")));
            assert_eq!(names.ask(ip(1)).await, a);
        });
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 2);
        assert!(names.known(ip(1), Instant::now()).is_some_and(|name| name.known().is_some()));
        assert_eq!(names.known(ip(1), Instant::now() + FRESH), None, "asked again after a while");
    }

    #[test]
    fn a_resolver_that_hangs_costs_peers_their_names_and_comes_back() {
        static HANG: Mutex<()> = Mutex::new(());
        let names = Names::with(|address| {
            if address >= ip(10) {
                drop(HANG.lock());
            }
            Name::Known("host".into())
        });
        let hang = HANG.lock().unwrap();
        run(async {
            let all = u8::try_from(LOOKUPS).unwrap();
            // The clock goes on when nothing else does.
            tokio::time::pause();
            for number in 1..all {
                assert_eq!(names.ask(ip(9 + number)).await, Name::Unknown);
            }
            tokio::time::resume();
            assert_eq!(names.ask(ip(1)).await.known(), Some("host"), "there is a place left");
            tokio::time::pause();
            assert_eq!(names.ask(ip(9 + all)).await, Name::Unknown);
            assert_eq!(names.ask(ip(2)).await, Name::Unknown, "there is none now");
            tokio::time::resume();
            drop(hang);
            assert_eq!(names.ask(ip(3)).await.known(), Some("host"));
        });
    }

    #[test]
    fn a_name_counts_only_if_it_leads_back() {
        let confirm = |name, found: &[IpAddr]| confirm(ip(1), name, |_| found.to_vec());
        assert_eq!(confirm("Bank.Example", &[ip(7), ip(1)]).known(), Some("bank.example"));
        assert_eq!(confirm("bank.example", &[ip(7)]), Name::Mismatch, "somebody else's name");
        assert_eq!(confirm("bank.example", &[]), Name::Mismatch);
        assert_eq!(confirm("192.0.2.1", &[ip(1)]), Name::Mismatch, "an address is no name");
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert!(confirm("bank.example", &[mapped]).known().is_some());
    }

    #[test]
    fn the_answers_are_bounded() {
        let names = Names::with(|_| Name::Unknown);
        let now = Instant::now();
        for number in 0..20_000u32 {
            let answer = names.answer(std::net::Ipv4Addr::from(number).into(), now);
            answer.name.set(Name::Unknown).unwrap();
            assert!(names.lock().len() <= MOST);
        }
    }

    #[test]
    fn only_what_looks_like_a_name_is_one() {
        for (text, name) in [
            ("Host.Example.ORG.", Some("host.example.org")),
            ("localhost", Some("localhost")),
            ("a_b-c.example", Some("a_b-c.example")),
            ("127.0.0.1", None),
            ("evil.1", None),
            ("::1", None),
            ("a b", None),
            ("-", None),
            ("-f.example", None),
            ("a..b", None),
            ("", None),
            (".", None),
            ("x\ny.example", None),
            ("ü.example", None),
        ] {
            assert_eq!(host_name(text).as_deref(), name, "{text}");
        }
        assert_eq!(host_name(&"a.".repeat(127)), Some("a.".repeat(126) + "a"));
        assert_eq!(host_name(&"a.".repeat(128)), None);
        assert_eq!(host_name(&"a".repeat(64)), None);
    }

    #[test]
    fn this_machine_has_a_name_that_leads_back() {
        let name = confirmed([127, 0, 0, 1].into());
        assert_eq!(name.known(), Some("localhost"));
    }
}
