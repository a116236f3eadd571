//! What a host has of its authority, in one file: its key and certificate, where the
//! authority is, the newest trust list, and how often it asked.
//!
//! Invariants: the file is complete or not there; the counter in it is at least the
//! highest that ever left this host; the trust list in it never goes back. Reading
//! checks all of it again, because a file can be edited.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cofferdam_proto::join::v1::SignedTrustList;
use cofferdam_trust::{
    Identity, IdentityError, PeerName, Role, TrustList, TrustListError, VerifyingKey,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::store;

/// The file's name in the directory of the identity.
pub const FILE: &str = "identity.json";

/// What a host has of its authority.
#[derive(Debug, Clone)]
pub struct Membership {
    /// Who this host is.
    pub host: PeerName,
    /// Who certifies it.
    pub authority: PeerName,
    /// Where that is: HOST:PORT.
    pub address: String,
    /// The certificate and what stands between it and a root, PEM.
    pub chain: String,
    /// When the certificate came.
    pub received: SystemTime,
    /// The newest trust list.
    pub trust: TrustList,
    /// The counter of the last renewal that was signed.
    pub counter: u64,
    /// A renewal that was signed and may have been sent.
    pub renewal: Option<Renewal>,
    pub(super) key: Zeroizing<String>,
    pub(super) signed: SignedTrustList,
    pub(super) vouched_by: Vec<VerifyingKey>,
}

/// A signed renewal: the same bytes are sent until there is an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    #[serde(with = "bytes")]
    pub(super) message: Vec<u8>,
    #[serde(with = "bytes")]
    pub(super) signature: Vec<u8>,
    /// The key that it asks a certificate for, PEM.
    pub(super) key: Zeroizing<String>,
    /// When it was signed, in seconds since 1970.
    pub(super) at: u64,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    host: PeerName,
    authority: PeerName,
    address: String,
    key: Zeroizing<String>,
    certificate: String,
    received: u64,
    trust: Signed,
    counter: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renewal: Option<Renewal>,
}

/// The trust list as it was signed, and the keys of which one had to sign it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    #[serde(with = "bytes")]
    list: Vec<u8>,
    key_id: String,
    #[serde(with = "bytes")]
    signature: Vec<u8>,
    vouched_by: Vec<VerifyingKey>,
}

/// Why there is no membership, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The file cannot be read or written.
    #[error("cannot {operation} `{path}`: {source}")]
    File {
        /// What.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("`{path}` is not what `cofferdam-agent enroll` writes: {problem}; enroll again")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Somebody enrolled this host anew under a process that goes on.
    #[error(
        "`{0}` is another enrolment's by now (`cofferdam-agent enroll --replace`), which is left as \
         it is: restart the agent, so that it uses that one"
    )]
    Replaced(PathBuf),
    /// Key, certificate and roots do not go together.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The trust list does not hold.
    #[error("`{path}`: {source}")]
    Trust {
        /// Which.
        path: PathBuf,
        /// Why.
        source: TrustListError,
    },
}

impl Membership {
    /// Reads what `directory` has; `None` for a host that did not enrol.
    ///
    /// # Errors
    /// Where there is something that cannot be used.
    pub fn load(directory: &Path) -> Result<Option<Self>, MembershipError> {
        let path = directory.join(FILE);
        let failed =
            |source| MembershipError::File { operation: "read", path: path.clone(), source };
        let Some(text) = store::read(&path).map_err(failed)? else { return Ok(None) };
        let content = |problem: String| MembershipError::Content { path: path.clone(), problem };
        let file: File = serde_json::from_str(&text).map_err(|error| content(error.to_string()))?;
        let File { version, host, authority, address, key, certificate, .. } = file;
        if version != 1 || host.role() != Role::Agent || authority.role() != Role::Authority {
            return Err(content("its version or a name in it is another".to_owned()));
        }
        let Signed { list, key_id, signature, vouched_by } = file.trust;
        let signed = SignedTrustList { list, key_id, signature };
        let trust = TrustList::verify(&vouched_by.iter().copied().collect(), &signed)
            .map_err(|source| MembershipError::Trust { path: path.clone(), source })?;
        let membership = Self {
            host,
            authority,
            address,
            chain: certificate,
            received: UNIX_EPOCH + Duration::from_secs(file.received.min(1 << 40)),
            trust,
            counter: file.counter,
            renewal: file.renewal,
            key,
            signed,
            vouched_by,
        };
        let own = membership.identity(directory)?;
        if *own.name() != membership.host {
            return Err(content(format!("the certificate in it is {}'s", own.name())));
        }
        Ok(Some(membership))
    }

    /// Writes it, durably and as a whole.
    ///
    /// # Errors
    /// Where that is not possible; what was there is there still.
    pub fn save(&self, directory: &Path) -> Result<(), MembershipError> {
        let _turn = turn(directory)?;
        self.write(directory)
    }

    fn write(&self, directory: &Path) -> Result<(), MembershipError> {
        let path = directory.join(FILE);
        let Self { host, authority, address, chain, received, counter, renewal, .. } = self.clone();
        let SignedTrustList { list, key_id, signature } = self.signed.clone();
        let file = File {
            version: 1,
            host,
            authority,
            address,
            key: self.key.clone(),
            certificate: chain,
            received: seconds(received),
            trust: Signed { list, key_id, signature, vouched_by: self.vouched_by.clone() },
            counter,
            renewal,
        };
        let content = |error: serde_json::Error| MembershipError::Content {
            path: path.clone(),
            problem: error.to_string(),
        };
        let text = Zeroizing::new(serde_json::to_vec(&file).map_err(content)?);
        store::write(&path, &text).map_err(|source| MembershipError::File {
            operation: "write",
            path,
            source,
        })
    }

    /// Writes it in the place of `before`, and of nothing else: where somebody enrolled
    /// this host anew meanwhile, that counts and this does not.
    ///
    /// # Errors
    /// As [`Self::save`]; [`MembershipError::Replaced`].
    pub fn save_after(&self, before: &Self, directory: &Path) -> Result<(), MembershipError> {
        let _turn = turn(directory)?;
        // A write that was told as failed may stand there all the same.
        let renewed = before.renewal.as_ref().map(|renewal| &renewal.key);
        let own = [Some(&before.key), Some(&self.key), renewed];
        match Self::load(directory) {
            Ok(Some(there)) if !own.contains(&Some(&there.key)) => {
                Err(MembershipError::Replaced(directory.join(FILE)))
            }
            // What is gone or cannot be read is made good.
            _ => self.write(directory),
        }
    }

    /// The same as a TLS identity. `directory` is named in errors.
    ///
    /// # Errors
    /// Where key, certificate and roots do not go together.
    pub fn identity(&self, directory: &Path) -> Result<Identity, IdentityError> {
        let place = directory.join(FILE);
        Identity::from_parts(&place, &self.chain, &self.key, &self.trust.roots)
    }
}

/// From reading what is there to writing: nobody else does meanwhile.
fn turn(directory: &Path) -> Result<std::fs::File, MembershipError> {
    let path = directory.to_owned();
    store::turn(directory).map_err(|source| MembershipError::File {
        operation: "have alone for a moment",
        path,
        source,
    })
}

/// Since 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Bytes as base64.
mod bytes {
    use super::{BASE64_STANDARD, Engine};
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD.decode(String::deserialize(from)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::enrolment::example::Example;

    #[test]
    fn what_is_kept_is_read_again_and_a_change_of_any_part_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("identity");
        assert!(Membership::load(&place).unwrap().is_none());
        let made = Example::new(directory.path()).membership();
        made.save(&place).unwrap();
        let read = Membership::load(&place).unwrap().unwrap();
        assert_eq!((read.counter, read.received), (3, made.received));
        assert_eq!(read.trust, made.trust);
        let path = place.join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in [
            ("agent/web-1", "agent/web-2"),
            ("agent/web-1", "gateway/web-1"),
            ("\"version\":1", "\"version\":2"),
            ("\"counter\":3", "\"counter\":3,\"more\":1"),
            ("\"key_id\":\"", "\"key_id\":\"0"),
            ("BEGIN PRIVATE KEY", "BEGIN NO KEY"),
        ] {
            assert!(text.contains(from), "{from}");
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            assert!(Membership::load(&place).is_err(), "{from} to {to}");
        }
    }

    #[test]
    fn of_two_who_write_at_once_it_is_the_new_enrolment_that_stays() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("identity");
        let example = Example::new(directory.path());
        let (before, anew) = (example.membership(), example.membership());
        let next = Membership { counter: 4, ..before.clone() };
        for round in 0..100 {
            before.save(&place).unwrap();
            let start = std::sync::Barrier::new(2);
            let written = std::thread::scope(|scope| {
                let going_on = scope.spawn(|| {
                    start.wait();
                    next.save_after(&before, &place)
                });
                start.wait();
                anew.save(&place).unwrap();
                going_on.join().unwrap()
            });
            let there = Membership::load(&place).unwrap().unwrap();
            assert!(there.key == anew.key, "round {round}: it is lost, and {written:?}");
        }
    }

    #[test]
    fn what_was_written_and_told_as_failed_is_no_strangers() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("identity");
        let example = Example::new(directory.path());
        let (before, renewed) = (example.membership(), example.membership());
        let renewal =
            Renewal { message: Vec::new(), signature: Vec::new(), key: renewed.key.clone(), at: 0 };
        let before = Membership { renewal: Some(renewal), ..before };
        // As where the directory could not be made durable after the file was in place.
        renewed.save(&place).unwrap();
        let list = Membership { counter: 9, ..before.clone() };
        list.save_after(&before, &place).unwrap();
        renewed.save(&place).unwrap();
        renewed.save_after(&before, &place).unwrap();
        let stranger = example.membership();
        stranger.save(&place).unwrap();
        let refused = renewed.save_after(&before, &place).unwrap_err();
        assert!(matches!(refused, MembershipError::Replaced(_)), "{refused}");
    }

    proptest! {
        #[test]
        fn whatever_is_in_the_file_reading_it_ends_in_an_error(bytes in any::<Vec<u8>>()) {
            let directory = tempfile::tempdir().unwrap();
            store::write(&directory.path().join(FILE), &bytes).unwrap();
            prop_assert!(Membership::load(directory.path()).is_err());
        }
    }
}
