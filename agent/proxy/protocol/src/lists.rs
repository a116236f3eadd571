//! Allow lists: a target is reached when every list allows it.
//!
//! Invariant: no lists, or an empty one, allow nothing.

use std::net::IpAddr;

use crate::block::{Block, special};
use crate::destination::{Destination, Speech};
use crate::target::{Place, Target};

/// The destinations of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowList {
    /// Which setting it is, for refusals: `network.allow` of profile `build`.
    /// Plain text of at most 120 bytes.
    pub setting: String,
    /// What it allows.
    pub destinations: Vec<Destination>,
}

/// All lists of one run: its rule's, its profile's, the ceiling's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lists(pub Vec<AllowList>);

/// A target is allowed, if this is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Permission {
    /// The strictest that a list asks for.
    pub speech: Speech,
}

impl AllowList {
    /// The most freedom that a destination of this list gives for `target`.
    fn speech(&self, target: &Target) -> Option<Speech> {
        let allowing = self.destinations.iter().filter(|one| one.allows(target));
        allowing.map(|one| one.speech(target.port)).min()
    }

    fn names(&self, address: IpAddr, port: u16, own: bool) -> bool {
        let target = Target { place: Place::address(address), port };
        self.destinations
            .iter()
            .any(|one| one.allows(&target) && (!own || one.block().is_some_and(Block::is_single)))
    }
}

impl Lists {
    /// Whether every list allows `target`.
    ///
    /// # Errors
    /// The first list that does not; none when there are no lists.
    pub fn permit(&self, target: &Target) -> Result<Permission, Option<&AllowList>> {
        let mut strictest = None;
        for list in &self.0 {
            let speech = list.speech(target).ok_or(Some(list))?;
            strictest = strictest.max(Some(speech));
        }
        strictest.map(|speech| Permission { speech }).ok_or(None)
    }

    /// The destinations that are names and that every list allows as they are;
    /// for words, not for decisions.
    #[must_use]
    pub fn names(&self) -> Vec<&Destination> {
        let everywhere = |one: &&Destination| {
            let covered = |list: &AllowList| list.destinations.iter().any(|own| own.covers(one));
            one.block().is_none() && self.0.iter().all(covered)
        };
        let mut names: Vec<&Destination> = Vec::new();
        for one in self.0.iter().flat_map(|list| &list.destinations).filter(everywhere) {
            if !names.contains(&one) {
                names.push(one);
            }
        }
        names
    }

    /// Whether a name may resolve to `address`: a public address always, any
    /// other when every list names it. `own` says that it is an address of this
    /// host; one that is public or private, but not loopback, must be named as
    /// a single address: its services are not those of the network around.
    ///
    /// # Errors
    /// The first list that does not name it; none when there are no lists.
    pub fn permit_answer(
        &self,
        address: IpAddr,
        port: u16,
        own: bool,
    ) -> Result<(), Option<&AllowList>> {
        let address = address.to_canonical();
        let single = own && !address.is_loopback();
        if !single && special::of(address).is_none() {
            return Ok(());
        }
        match self.0.iter().find(|list| !list.names(address, port, single)) {
            Some(list) => Err(Some(list)),
            None if self.0.is_empty() => Err(None),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(lists: &[&[&str]]) -> Lists {
        let list = |(index, texts): (usize, &&[&str])| AllowList {
            setting: format!("list {index}"),
            destinations: texts.iter().map(|text| text.parse().unwrap()).collect(),
        };
        Lists(lists.iter().enumerate().map(list).collect())
    }

    fn refusing(lists: &Lists, target: &str) -> Option<String> {
        let refusal = lists.permit(&target.parse().unwrap()).err()?;
        Some(refusal.map_or_else(String::new, |list| list.setting.clone()))
    }

    #[test]
    fn every_list_must_allow() {
        let both = lists(&[&["a:443", "b:443"], &["b:443", "c:443"]]);
        assert_eq!(refusing(&both, "b:443"), None);
        assert_eq!(refusing(&both, "a:443").as_deref(), Some("list 1"));
        assert_eq!(refusing(&both, "c:443").as_deref(), Some("list 0"));
    }

    #[test]
    fn the_names_that_are_told_are_those_that_every_list_allows() {
        let both =
            lists(&[&["a.org:443", "b.org:443", "10.0.0.0/8:443"], &["*.org:443", "b.org:443"]]);
        let names: Vec<_> = both.names().into_iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a.org:443", "b.org:443"]);
    }

    #[test]
    fn nothing_allows_nothing() {
        assert_eq!(refusing(&lists(&[]), "a:443").as_deref(), Some(""));
        assert_eq!(refusing(&lists(&[&["a:443"], &[]]), "a:443").as_deref(), Some("list 1"));
        assert!(lists(&[]).permit_answer("127.0.0.1".parse().unwrap(), 80, false).is_err());
    }

    #[test]
    fn the_strictest_list_says_what_is_spoken() {
        let speech = |all: &[&[&str]]| {
            lists(all).permit(&"a:443".parse().unwrap()).map(|permission| permission.speech).ok()
        };
        assert_eq!(speech(&[&["tcp://a:443", "a:443"]]), Some(Speech::Any));
        assert_eq!(speech(&[&["tcp://a:443"], &["*:443"]]), Some(Speech::Tls));
    }

    #[test]
    fn an_answer_that_is_not_public_must_be_named_by_every_list() {
        let answer = |all: &[&[&str]], address: &str, own| {
            lists(all).permit_answer(address.parse().unwrap(), 443, own).is_ok()
        };
        assert!(answer(&[&["a:443"]], "1.1.1.1", false));
        assert!(!answer(&[&["a:443"]], "10.0.0.1", false));
        assert!(!answer(&[&["a:443"]], "::ffff:10.0.0.1", false));
        assert!(answer(&[&["a:443", "10.0.0.0/8:443"]], "10.0.0.1", false));
        assert!(!answer(&[&["a:443", "10.0.0.0/8:444"]], "10.0.0.1", false));
        assert!(!answer(&[&["a:443", "10.0.0.0/8:443"], &["a:443"]], "10.0.0.1", false));
        assert!(!answer(&[&["0.0.0.0/0:443"]], "10.0.0.1", false));
    }

    #[test]
    fn this_hosts_own_addresses_must_be_named_one_by_one() {
        let answer = |texts: &[&str], address: &str| {
            lists(&[texts]).permit_answer(address.parse().unwrap(), 443, true).is_ok()
        };
        assert!(!answer(&["a:443"], "1.1.1.1"));
        assert!(!answer(&["0.0.0.0/0:443"], "1.1.1.1"));
        assert!(answer(&["1.1.1.1:443"], "1.1.1.1"));
        assert!(!answer(&["10.0.0.0/8:443"], "10.0.0.1"));
        assert!(answer(&["127.0.0.0/8:443"], "127.0.0.1"));
    }
}
