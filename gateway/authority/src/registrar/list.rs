//! The trust list and the roster, made out of the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use cofferdam_proto::join::v1::SignedTrustList;
use cofferdam_trust::{GatewayKeys, Lapse, PeerName, Role, TrustList, TrustedKeys, sha256};
use rusqlite::Connection;

use super::Registrar;
use super::generations::Generations;
use crate::host::Standing;
use crate::roster::{GenerationLapse, JoinedHost, Roster};
use crate::state::{Certificates, Gateways, HostRow, KeptList, Moment, StateError};

/// Names and certificates that a list holds at most, so that it stays below the size
/// that hosts take. Gateways come first: those are what hosts look for.
const MAX_REVOKED: usize = 2000;

impl Registrar {
    /// Makes the list anew where it is not true any more or is half through its life,
    /// and hands the roster out where it changed. Gives when the list is due again.
    pub(super) fn hand_out(
        &self,
        generations: &Generations,
        now: Moment,
    ) -> Result<u64, StateError> {
        let (kept, roster) = self.state.change(|it| {
            let hosts = HostRow::all(it)?;
            let said = self.list(it, &hosts, generations, now)?;
            let kept = self.keep(it, &fitting(&said), now)?;
            let roster = self.roster_of(hosts, said, &kept, generations.lapses(now));
            Ok((kept, roster))
        })?;
        self.roster.send_if_modified(|there| {
            let is_news = **there != roster;
            if is_news {
                *there = Arc::new(roster);
            }
            is_news
        });
        Ok(kept.issued_at.saturating_add(self.half_life()))
    }

    fn half_life(&self) -> u64 {
        (self.settings.trust_list_lifetime.as_secs() / 2).max(1)
    }

    /// What the list has to say, without version and times, with all that is revoked.
    fn list(
        &self,
        it: &Connection,
        hosts: &[HostRow],
        generations: &Generations,
        now: Moment,
    ) -> Result<TrustList, StateError> {
        let mut roots: Vec<Vec<u8>> = Vec::new();
        for authority in generations.counting(now) {
            if !roots.iter().any(|root| root == authority.root_der()) {
                roots.push(authority.root_der().to_vec());
            }
        }
        let (mut gateways, mut revoked_names) = (Vec::new(), Vec::new());
        for row in Gateways(it).all()? {
            let name = self.peer(Role::Gateway, &row.name)?;
            match row.revoked_at {
                Some(_) => revoked_names.push(name),
                None => gateways.push(GatewayKeys { name, signing_keys: row.keys }),
            }
        }
        for host in hosts.iter().filter(|host| host.standing == Standing::Revoked) {
            revoked_names.push(self.peer(Role::Agent, &host.name)?);
        }
        let revoked_certificates = Certificates(it).revoked(now)?;
        Ok(TrustList {
            version: 1,
            trust_domain: self.name.trust_domain().to_owned(),
            issued_at: UNIX_EPOCH,
            expires_at: UNIX_EPOCH,
            roots,
            signers: vec![self.signer.public_key()],
            gateways,
            revoked_names,
            revoked_certificates,
        })
    }

    fn peer(&self, role: Role, name: &str) -> Result<PeerName, StateError> {
        PeerName::new(self.name.trust_domain(), role, name)
            .map_err(|_| StateError::Damaged(format!("`{}` is no name", name.escape_debug())))
    }

    /// The list as it is kept, signed anew where it has to be.
    fn keep(&self, it: &Connection, said: &TrustList, now: Moment) -> Result<KeptList, StateError> {
        let content = sha256(&said.sign(&self.signer).list);
        let there = KeptList::load(it)?;
        let half = self.half_life();
        let still_true = |kept: &KeptList| {
            let age = now.seconds().abs_diff(kept.issued_at);
            kept.content == content && age < half && kept.signed.key_id == self.signer.key_id()
        };
        if let Some(kept) = there.clone().filter(still_true) {
            return Ok(kept);
        }
        let version = there.map_or(1, |kept| kept.version.saturating_add(1));
        let signed = TrustList {
            version,
            issued_at: now.time(),
            expires_at: now.after(self.settings.trust_list_lifetime).time(),
            ..said.clone()
        }
        .sign(&self.signer);
        let kept = KeptList { version, content, issued_at: now.seconds(), signed };
        kept.save(it)?;
        Ok(kept)
    }

    fn roster_of(
        &self,
        hosts: Vec<HostRow>,
        said: TrustList,
        kept: &KeptList,
        generations: Vec<GenerationLapse>,
    ) -> Roster {
        let reattestations = self.settings.reattestations;
        let joined = |host: HostRow| {
            let agent = self.host_name(&host.name).ok()?;
            let address = host.address().cloned();
            let joined = JoinedHost {
                agent,
                key: host.signing_key?,
                address,
                labels: host.labels,
                projects: host.projects,
                certificate_ends_at: host.certificate_ends_at?,
                reattestations_left: reattestations.saturating_sub(host.reattested),
                alarm: host.alarm,
            };
            Some((host.name, joined))
        };
        let hosts: BTreeMap<_, _> = hosts
            .into_iter()
            .filter(|host| host.standing == Standing::Joined)
            .filter_map(joined)
            .collect();
        let trust: SignedTrustList = kept.signed.clone();
        Roster {
            hosts,
            revoked_names: said.revoked_names.into_iter().collect(),
            revoked_certificates: BTreeSet::from_iter(said.revoked_certificates),
            version: kept.version,
            trust_lapse: self.lapse_of(&trust),
            generations,
            trust,
        }
    }

    /// When a list ends that this authority signed.
    fn lapse_of(&self, signed: &SignedTrustList) -> Option<Lapse> {
        let own = TrustedKeys::from_iter([self.signer.public_key()]);
        let list = TrustList::verify(&own, signed).ok()?;
        Some(Lapse { begins: list.issued_at, ends: list.expires_at, by_itself: false })
    }
}

/// As much of it as hosts take. The gateway itself heeds all of it; hosts have to know
/// which gateways are revoked, and those come first.
fn fitting(said: &TrustList) -> TrustList {
    let mut list = said.clone();
    if list.revoked_names.len().max(list.revoked_certificates.len()) > MAX_REVOKED {
        tracing::error!(
            most = MAX_REVOKED,
            "the trust list cannot name all that is revoked; forget hosts with `cofferdam host \
             remove`"
        );
        list.revoked_names.truncate(MAX_REVOKED);
        list.revoked_certificates.truncate(MAX_REVOKED);
    }
    list
}
