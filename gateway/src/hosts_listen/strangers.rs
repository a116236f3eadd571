//! How many connections may be open that have not proved whose they are: of all, and
//! from one address.
//!
//! Of IPv6 an address counts as its network of 64 bits, which one machine has at its
//! disposal. Refusals are told in the log at most once in ten seconds: whoever
//! connects in a loop fills no disk.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines in the log.
const TELLS_EVERY: Duration = Duration::from_secs(10);

/// The places for strangers.
#[derive(Debug)]
pub(super) struct Strangers {
    most: usize,
    most_per_address: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    all: usize,
    /// Only addresses with at least one.
    by_address: HashMap<IpAddr, usize>,
    told_at: Option<Instant>,
    /// Refusals since then.
    untold: u64,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(super) struct Stranger {
    strangers: Arc<Strangers>,
    address: IpAddr,
}

impl Strangers {
    pub(super) fn new(most: usize, most_per_address: usize) -> Self {
        Self { most, most_per_address, known: Mutex::default() }
    }

    /// A place for somebody from `address`; none: there are too many.
    pub(super) fn admit(strangers: &Arc<Self>, address: IpAddr) -> Option<Stranger> {
        let address = network(address);
        let mut known = strangers.lock();
        let from_there = known.by_address.get(&address).copied().unwrap_or(0);
        if known.all >= strangers.most || from_there >= strangers.most_per_address {
            drop(known);
            strangers.turned_away("too many connections have not said yet whose they are");
            return None;
        }
        known.all += 1;
        known.by_address.insert(address, from_there + 1);
        drop(known);
        Some(Stranger { strangers: Arc::clone(strangers), address })
    }

    /// Tells, now and then, that somebody was sent away.
    pub(super) fn turned_away(&self, why: &str) {
        let mut known = self.lock();
        known.untold += 1;
        if known.told_at.is_some_and(|at| at.elapsed() < TELLS_EVERY) {
            return;
        }
        known.told_at = Some(Instant::now());
        let connections = std::mem::take(&mut known.untold);
        drop(known);
        tracing::warn!(connections, why, "connections at the hosts' listener were refused");
    }

    fn leave(&self, address: IpAddr) {
        let mut known = self.lock();
        known.all = known.all.saturating_sub(1);
        if let Some(count) = known.by_address.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                known.by_address.remove(&address);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Counts are right whenever the lock is given back.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.strangers.leave(self.address);
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_all_places_and_gives_them_back() {
        let strangers = Arc::new(Strangers::new(3, 2));
        let (near, far) = (address("10.0.0.1"), address("10.0.0.2"));
        let first = Strangers::admit(&strangers, near).unwrap();
        let second = Strangers::admit(&strangers, near).unwrap();
        assert!(Strangers::admit(&strangers, near).is_none());
        let third = Strangers::admit(&strangers, far).unwrap();
        assert!(Strangers::admit(&strangers, far).is_none(), "all places are taken");
        drop(first);
        drop(second);
        drop(third);
        assert_eq!(strangers.lock().all, 0);
        assert!(strangers.lock().by_address.is_empty());
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::2:3:4:5")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
        assert_eq!(network(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }
}
