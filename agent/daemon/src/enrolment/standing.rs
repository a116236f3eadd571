//! Who is trusted here, now: what the configuration names, and what the authority
//! says that this host enrolled with.
//!
//! Reading it costs a pointer, since each call and each message does. A newer trust
//! list counts at once, and before it is durable: what it revokes must not wait for
//! a disk. It never goes back, also not after a restart: a list that could not be
//! written is written as soon as that is possible.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use cofferdam_proto::join::v1::SignedTrustList;
use cofferdam_trust::{
    Identity, IdentityError, Peer, PeerName, ServerConfigHandle, TlsError, TrustList,
    TrustListError, TrustedKeys, VerifyingKey, server_config,
};

use super::membership::{Membership, MembershipError};

/// Names whose newest certificate is remembered, at most.
const NAMES: usize = 256;

/// Who is trusted here.
#[derive(Debug, Default)]
pub struct Standing {
    view: ArcSwap<View>,
    /// Keys of gateways that the configuration names.
    configured: TrustedKeys,
    kept: Mutex<Option<Kept>>,
    /// What the agent's listeners show from now on.
    server: OnceLock<ServerConfigHandle>,
    /// What is in memory and not on the disk.
    unsaved: AtomicBool,
    trouble: Mutex<BTreeMap<Errand, String>>,
    /// Until when the newest certificate of a peer counts that was seen here.
    newest: Mutex<BTreeMap<PeerName, SystemTime>>,
}

/// What the host goes to its authority for. What is wrong with one of them is over when
/// that goes well, and not when another does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errand {
    /// The next certificate.
    Renewal,
    /// Newer trust lists.
    TrustLists,
}

#[derive(Debug)]
struct Kept {
    directory: PathBuf,
    membership: Membership,
}

/// The newest trust list, made fit for looking things up.
#[derive(Debug, Default)]
struct View {
    list: Option<TrustList>,
    /// Keys of each gateway, with those that the configuration names.
    keys: BTreeMap<PeerName, TrustedKeys>,
    /// The list's version; 0: there is none.
    edition: u64,
}

/// Why a trust list was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// This host knows no authority.
    #[error("this host did not enrol: it knows no authority to believe")]
    NotEnrolled,
    /// It is not the authority's, or wrong.
    #[error(transparent)]
    List(#[from] TrustListError),
    /// Of another trust domain.
    #[error("the trust list is of the trust domain `{0}`, this host is not")]
    Domain(String),
    /// Older than the newest one.
    #[error("the trust list is version {0}, and version {1} was taken here: lists never go back")]
    Rollback(u64, u64),
    /// A root in it cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// TLS cannot be set up by it.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Standing {
    /// With the keys that the configuration names, and what the host has of its
    /// authority, if it enrolled.
    #[must_use]
    pub fn new(configured: TrustedKeys, enrolled: Option<(PathBuf, Membership)>) -> Self {
        let view = enrolled.as_ref().map(|(_, it)| View::of(it.trust.clone(), &configured));
        let kept = enrolled.map(|(directory, membership)| Kept { directory, membership });
        let (view, kept) = (ArcSwap::from_pointee(view.unwrap_or_default()), Mutex::new(kept));
        Self { view, configured, kept, ..Self::default() }
    }

    /// Lets the listeners that use `handle` show the newest certificate, and believe
    /// the newest roots, from their next connection on.
    pub fn serve_by(&self, handle: ServerConfigHandle) {
        self.server.get_or_init(|| handle);
    }

    /// Which trust list counts; another number after each change.
    #[must_use]
    pub fn edition(&self) -> u64 {
        self.view.load().edition
    }

    /// Whether the authority took its word about `peer` back. What it revoked stays
    /// so, also by a list that has ended.
    #[must_use]
    pub fn revokes(&self, peer: &Peer) -> bool {
        self.view.load().list.as_ref().is_some_and(|list| list.revokes(peer))
    }

    /// Whether the authority names this gateway, by a list that still counts.
    #[must_use]
    pub fn knows(&self, gateway: &PeerName, now: SystemTime) -> bool {
        let view = self.view.load();
        let current = view.list.as_ref().filter(|list| now < list.expires_at);
        current.is_some_and(|list| list.gateways.iter().any(|it| it.name == *gateway))
    }

    /// Whose signatures count as this gateway's word.
    #[must_use]
    pub fn keys_of(&self, gateway: &PeerName, now: SystemTime) -> TrustedKeys {
        let view = self.view.load();
        let known = view.keys.get(gateway).filter(|_| self.knows(gateway, now));
        known.unwrap_or(&self.configured).clone()
    }

    /// Remembers until when a peer that was let in is certified.
    pub fn saw(&self, peer: &Peer) {
        let mut newest = lock(&self.newest);
        if newest.len() >= NAMES && !newest.contains_key(&peer.name) {
            newest.clear();
        }
        let until = newest.entry(peer.name.clone()).or_insert(peer.not_after);
        *until = peer.not_after.max(*until);
    }

    /// Whether a peer of this name was let in with a certificate that counts still.
    #[must_use]
    pub fn has_renewed(&self, name: &PeerName, now: SystemTime) -> bool {
        lock(&self.newest).get(name).is_some_and(|until| now < *until)
    }

    /// Takes a newer trust list; gives the version that counts from now on. May wait
    /// for the disk.
    ///
    /// # Errors
    /// Where it is not to be believed; nothing changes then.
    pub fn take(&self, signed: &SignedTrustList) -> Result<u64, TakeError> {
        let mut kept = lock(&self.kept);
        let Kept { directory, membership } = kept.as_mut().ok_or(TakeError::NotEnrolled)?;
        let before = &membership.trust;
        if membership.signed == *signed {
            return Ok(before.version);
        }
        let list = TrustList::verify(&before.next_signers(), signed)?;
        if list.trust_domain != membership.host.trust_domain() {
            return Err(TakeError::Domain(list.trust_domain.chars().take(253).collect()));
        }
        if list.version <= before.version {
            return Err(TakeError::Rollback(list.version, before.version));
        }
        let next = Membership {
            vouched_by: before.signers.clone(),
            signed: signed.clone(),
            trust: list,
            ..membership.clone()
        };
        let identity = next.identity(directory)?;
        self.show(&identity)?;
        *membership = next;
        self.view.store(Arc::new(View::of(membership.trust.clone(), &self.configured)));
        let version = membership.trust.version;
        tracing::info!(version, "took a newer trust list");
        let saved = membership.save_after(membership, directory);
        self.note_saved(saved.err());
        Ok(version)
    }

    /// Writes what could not be written before. May wait for the disk.
    pub fn save_again(&self) {
        if !self.unsaved.load(Ordering::Acquire) {
            return;
        }
        if let Some(Kept { directory, membership }) = &*lock(&self.kept) {
            let saved = membership.save_after(membership, directory);
            self.note_saved(saved.err());
        }
    }

    /// Changes what the host has, on the disk first: where that fails, nothing
    /// changes. May wait for the disk.
    pub(super) fn change(
        &self,
        change: impl FnOnce(&mut Membership),
    ) -> Result<(), MembershipError> {
        let mut kept = lock(&self.kept);
        let Some(Kept { directory, membership }) = kept.as_mut() else { return Ok(()) };
        let mut next = membership.clone();
        change(&mut next);
        let identity = next.identity(directory)?;
        next.save_after(membership, directory)?;
        self.unsaved.store(false, Ordering::Release);
        *membership = next;
        if let Err(error) = self.show(&identity) {
            tracing::error!(%error, "the new certificate cannot be shown");
        }
        Ok(())
    }

    /// What the host has, now.
    #[must_use]
    pub fn membership(&self) -> Option<Membership> {
        lock(&self.kept).as_ref().map(|kept| kept.membership.clone())
    }

    /// What is wrong between this host and its authority, if anything is.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        lock(&self.trouble).values().next().cloned()
    }

    pub(super) fn has_trouble(&self, errand: Errand, trouble: String) {
        lock(&self.trouble).insert(errand, trouble);
    }

    pub(super) fn goes_well(&self, errand: Errand) {
        lock(&self.trouble).remove(&errand);
    }

    fn show(&self, identity: &Identity) -> Result<(), TlsError> {
        let config = server_config(identity)?;
        if let Some(server) = self.server.get() {
            server.replace(config);
        }
        Ok(())
    }

    fn note_saved(&self, error: Option<MembershipError>) {
        self.unsaved.store(error.is_some(), Ordering::Release);
        if let Some(error) = error {
            tracing::warn!(%error, "the trust list counts and is not on the disk; trying again");
        }
    }
}

impl View {
    fn of(list: TrustList, configured: &TrustedKeys) -> Self {
        let keys = list.gateways.iter().map(|gateway| {
            let all = configured.iter().chain(&gateway.signing_keys).copied();
            (gateway.name.clone(), all.collect())
        });
        Self { keys: keys.collect(), edition: list.version, list: Some(list) }
    }
}

impl FromIterator<VerifyingKey> for Standing {
    /// Of a host that did not enrol.
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self::new(keys.into_iter().collect(), None)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::enrolment::example::{Example, name};

    const MAIN: &str = "spiffe://cofferdam/gateway/main";

    fn standing(example: &Example, directory: &Path) -> Standing {
        let membership = example.membership();
        membership.save(directory).unwrap();
        Standing::new(TrustedKeys::default(), Some((directory.to_owned(), membership)))
    }

    fn peer(text: &str) -> Peer {
        let not_after = SystemTime::now() + Duration::from_mins(1);
        Peer { name: name(text), not_after, fingerprint: [7; 32] }
    }

    #[test]
    fn a_revocation_counts_at_once_and_after_a_restart_and_lists_never_go_back() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("identity");
        let example = Example::new(directory.path());
        let standing = standing(&example, &place);
        let (main, now) = (peer(MAIN), SystemTime::now());
        assert!(standing.knows(&main.name, now) && !standing.revokes(&main));
        let revoking = TrustList {
            revoked_names: vec![main.name.clone()],
            gateways: Vec::new(),
            ..example.list(5)
        };
        assert_eq!(standing.take(&revoking.sign(&example.signer)).unwrap(), 5);
        assert!(standing.revokes(&main) && !standing.knows(&main.name, now));
        for old in [4, 5] {
            let refused = standing.take(&example.list(old).sign(&example.signer)).unwrap_err();
            assert!(matches!(refused, TakeError::Rollback(_, 5)), "{refused}");
        }
        let read = Membership::load(&place).unwrap().unwrap();
        let again = Standing::new(TrustedKeys::default(), Some((place, read)));
        assert!(again.revokes(&main));
        assert!(again.take(&example.list(4).sign(&example.signer)).is_err());
    }

    #[test]
    fn a_list_of_somebody_else_or_of_another_domain_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let example = Example::new(directory.path());
        let standing = standing(&example, &directory.path().join("identity"));
        let forged = example.list(9).sign(&example.gateway);
        assert!(matches!(standing.take(&forged), Err(TakeError::List(_))));
        let elsewhere = TrustList {
            trust_domain: "elsewhere".to_owned(),
            gateways: Vec::new(),
            ..example.list(9)
        };
        let refused = standing.take(&elsewhere.sign(&example.signer));
        assert!(matches!(refused, Err(TakeError::Domain(_))));
        let rootless = TrustList { roots: vec![vec![1, 2, 3]], ..example.list(9) };
        assert!(standing.take(&rootless.sign(&example.signer)).is_err());
        assert_eq!(standing.edition(), 1);
        let nobody = Standing::default();
        assert!(matches!(nobody.take(&forged), Err(TakeError::NotEnrolled)));
    }

    #[test]
    fn a_list_that_has_ended_names_nobody_and_what_it_revoked_stays_revoked() {
        let directory = tempfile::tempdir().unwrap();
        let example = Example::new(directory.path());
        let standing = standing(&example, &directory.path().join("identity"));
        let gone = peer("spiffe://cofferdam/gateway/gone");
        let list = TrustList { revoked_names: vec![gone.name.clone()], ..example.list(2) };
        standing.take(&list.sign(&example.signer)).unwrap();
        let (main, later) = (name(MAIN), SystemTime::now() + Duration::from_hours(2));
        assert!(!standing.keys_of(&main, SystemTime::now()).is_empty());
        assert!(!standing.knows(&main, later) && standing.keys_of(&main, later).is_empty());
        assert!(standing.revokes(&gone));
    }

    #[test]
    fn a_full_disk_keeps_no_revocation_from_counting_and_a_certificate_from_being_taken() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("identity");
        let example = Example::new(directory.path());
        let standing = standing(&example, &place);
        // A directory where the new file would be: nothing can be written there.
        std::fs::create_dir(place.join("identity.new")).unwrap();
        let main = peer(MAIN);
        let list = TrustList { revoked_names: vec![main.name.clone()], ..example.list(2) };
        standing.take(&list.sign(&example.signer)).unwrap();
        assert!(standing.revokes(&main));
        assert_eq!(Membership::load(&place).unwrap().unwrap().trust.version, 1);
        assert!(standing.change(|it| it.counter = 9).is_err());
        assert_eq!(standing.membership().unwrap().counter, 3);
        std::fs::remove_dir(place.join("identity.new")).unwrap();
        standing.save_again();
        assert_eq!(Membership::load(&place).unwrap().unwrap().trust.version, 2);
    }

    #[test]
    fn a_process_that_goes_on_writes_nothing_over_a_newer_enrolment() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("identity");
        let example = Example::new(directory.path());
        let standing = standing(&example, &place);
        let anew = example.membership();
        anew.save(&place).unwrap();
        let told = standing.change(|it| it.counter = 9).unwrap_err();
        assert!(matches!(told, MembershipError::Replaced(_)), "{told}");
        // A revocation counts all the same, for as long as this process goes on.
        let main = peer(MAIN);
        let list = TrustList { revoked_names: vec![main.name.clone()], ..example.list(2) };
        standing.take(&list.sign(&example.signer)).unwrap();
        standing.save_again();
        assert!(standing.revokes(&main));
        let there = Membership::load(&place).unwrap().unwrap();
        assert_eq!((there.key, there.counter, there.trust.version), (anew.key, 3, 1));
        // What is gone is written again.
        std::fs::remove_file(place.join("identity.json")).unwrap();
        standing.change(|it| it.counter = 9).unwrap();
        assert_eq!(Membership::load(&place).unwrap().unwrap().counter, 9);
    }

    #[test]
    fn a_newer_certificate_of_the_same_name_counts_for_calls_that_go_on() {
        let standing = Standing::default();
        let now = SystemTime::now();
        let old = Peer { not_after: now + Duration::from_secs(10), ..peer(MAIN) };
        standing.saw(&old);
        assert!(!standing.has_renewed(&old.name, now + Duration::from_secs(11)));
        standing.saw(&Peer { not_after: now + Duration::from_secs(20), ..peer(MAIN) });
        standing.saw(&old);
        assert!(standing.has_renewed(&old.name, now + Duration::from_secs(11)));
    }
}
