//! Renews the agent's certificate at two thirds of its life, for as long as the agent
//! serves. No connection ends: the next one is shown the new certificate.
//!
//! Each renewal carries a counter that is on this host's disk before it leaves, so
//! that an authority sees two hosts that share a key. What was sent is sent again,
//! byte for byte, until there is an answer: a daemon that was killed in between, and
//! an answer that was lost, count once. The wall clock is looked at often, so that a
//! machine that slept renews as soon as it wakes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cofferdam_journal::PeerStep;
use cofferdam_proto::join::v1::{Credentials, RenewRequest, Renewal as Wire};
use cofferdam_trust::{Identity, PeerKey, PeerKeyError, Recognise, SigningKey, sign_renewal};
use tokio::time::Instant;
use uuid::Uuid;

use super::authority::{AskError, Authority};
use super::membership::{Membership, MembershipError, Renewal, seconds};
use super::standing::{Errand, Standing, TakeError};
use crate::clock;
use crate::record::Recorder;

/// How often the clock is looked at.
const GLANCE: Duration = Duration::from_secs(20);
/// The shortest wait.
const SHORTEST: Duration = Duration::from_millis(10);
/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_mins(5);
/// A signed renewal is sent for so long; then another one is signed. The authority
/// takes clocks that are five minutes apart.
const FRESH: u64 = 120;

/// What a renewal needs besides.
#[derive(Debug, Clone)]
pub struct Renewing {
    /// Who is trusted here, and the certificate.
    pub standing: Arc<Standing>,
    /// By which the authority knows this host.
    pub key: Arc<SigningKey>,
    /// The journal.
    pub recorder: Arc<Recorder>,
}

/// Why there is no new certificate; the old one stays.
#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("the certificate is not renewed, and the old one is kept: {0}")]
    Store(#[from] MembershipError),
    #[error(transparent)]
    Key(#[from] PeerKeyError),
    #[error("the authority's answer is not right: {0}")]
    Answer(String),
    #[error("the authority's trust list is not taken: {0}")]
    Trust(#[from] TakeError),
}

impl Renewing {
    /// Renews whenever that is due.
    pub async fn go_on(self) {
        let mut pause = Duration::ZERO;
        let mut spread = spread();
        let mut told = false;
        while let Some(membership) = self.standing.membership() {
            let identity = match membership.identity(Path::new("")) {
                Ok(identity) => identity,
                Err(error) => return tracing::error!(%error, "the certificate is never renewed"),
            };
            let life = life(&membership, &identity);
            let due = membership.received + life.mul_f64(2.0 / 3.0 * spread);
            let left = || due.duration_since(SystemTime::now()).unwrap_or_default();
            // A clock that was set back far must not keep a host from renewing.
            let is_due = || !(Duration::from_nanos(1)..life).contains(&left());
            if !is_due() {
                // What went wrong was a clock that has been set since.
                if std::mem::take(&mut told) {
                    self.standing.goes_well(Errand::Renewal);
                }
                tokio::time::sleep(left().clamp(SHORTEST, GLANCE)).await;
                continue;
            }
            match self.renew(&membership).await {
                Ok(()) => {
                    self.recorder.metrics().renewals().succeeded();
                    self.standing.goes_well(Errand::Renewal);
                    (pause, spread, told) = (Duration::ZERO, self::spread(), false);
                }
                Err(error) => {
                    self.recorder.metrics().renewals().failed();
                    self.tell(&identity, &error);
                    told = true;
                    let shortest = (life / 20).clamp(Duration::from_millis(100), GLANCE);
                    pause = (pause * 2).clamp(shortest, LONGEST.min(life).max(shortest));
                    let over = Instant::now() + pause.mul_f64(self::spread());
                    // The clock may be set meanwhile, so that there is nothing to wait for.
                    while is_due()
                        && let Some(rest) = over.checked_duration_since(Instant::now())
                    {
                        tokio::time::sleep(rest.min(GLANCE)).await;
                    }
                }
            }
        }
    }

    fn tell(&self, identity: &Identity, error: &RenewError) {
        let left = identity.own().not_after.duration_since(SystemTime::now()).unwrap_or_default();
        let left = left.as_secs();
        tracing::warn!(%error, seconds_left = left, "the certificate is not renewed");
        self.standing.has_trouble(Errand::Renewal, format!("not renewed: {error}"));
    }

    async fn renew(&self, membership: &Membership) -> Result<(), RenewError> {
        let identity = membership
            .identity(Path::new(""))
            .map_err(|error| RenewError::Answer(error.to_string()))?;
        let pending = match &membership.renewal {
            Some(pending) if is_fresh(pending) => pending.clone(),
            _ => self.sign(membership)?,
        };
        let Renewal { message, signature, key, at: _ } = pending;
        let mut authority = Authority::at(&membership.address, Recognise::by(&identity))?;
        let answered = authority.renew(RenewRequest { renewal: message, signature }).await;
        let credentials = match answered {
            Ok(credentials) => credentials,
            Err(error) => {
                if !error.is_passing() {
                    // The same bytes would be refused again.
                    tokio::task::block_in_place(|| {
                        self.standing.change(|membership| membership.renewal = None)
                    })?;
                }
                return Err(error.into());
            }
        };
        self.accept(membership, credentials, key)
    }

    /// Signs a renewal and has it on the disk before anybody sees it.
    fn sign(&self, membership: &Membership) -> Result<Renewal, RenewError> {
        let key = PeerKey::generate()?;
        let counter = membership.counter.saturating_add(1);
        let wire = Wire {
            host: membership.host.name().to_owned(),
            authority: membership.authority.to_string(),
            request: key.request()?,
            at: Some(clock::now()),
            nonce: Uuid::new_v4().into_bytes().to_vec(),
            counter,
            // As the authority knows it.
            address: String::new(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let RenewRequest { renewal: message, signature } = sign_renewal(&self.key, &wire);
        let at = seconds(SystemTime::now());
        let pending = Renewal { message, signature, key: key.to_pem(), at };
        let kept = pending.clone();
        tokio::task::block_in_place(|| {
            self.standing.change(|membership| {
                membership.counter = counter;
                membership.renewal = Some(kept);
            })
        })?;
        Ok(pending)
    }

    /// Takes the answer: first whom to believe, then the certificate, durably.
    fn accept(
        &self,
        membership: &Membership,
        credentials: Credentials,
        key: zeroize::Zeroizing<String>,
    ) -> Result<(), RenewError> {
        let Credentials { certificate_chain, trust, host, authority: _ } = credentials;
        let wrong = |problem: &str| RenewError::Answer(problem.to_owned());
        let next =
            Membership { chain: certificate_chain, key, renewal: None, ..membership.clone() };
        let identity = next.identity(Path::new("the answer"));
        let identity = identity.map_err(|error| wrong(&error.to_string()))?;
        if host != membership.host.to_string() || *identity.name() != membership.host {
            return Err(wrong("its certificate is another host's"));
        }
        if !identity.own().is_current(SystemTime::now()) {
            return Err(wrong("its certificate has ended by this host's clock: set the clock"));
        }
        tokio::task::block_in_place(|| {
            if let Some(signed) = &trust {
                // An older one than gateways brought meanwhile is no fault.
                match self.standing.take(signed) {
                    Ok(_) | Err(TakeError::Rollback(..)) => {}
                    Err(error) => return Err(RenewError::Trust(error)),
                }
            }
            let Membership { chain, key, .. } = next;
            self.standing.change(|membership| {
                (membership.chain, membership.key) = (chain, key);
                membership.received = SystemTime::now();
                membership.renewal = None;
            })?;
            Ok(())
        })?;
        let until = clock::timestamp(identity.own().not_after).to_string();
        tracing::info!(until, "the certificate is renewed");
        self.recorder.note(PeerStep::Renewed, "", &format!("until {until}"));
        Ok(())
    }
}

fn is_fresh(pending: &Renewal) -> bool {
    let now = seconds(SystemTime::now());
    pending.at <= now.saturating_add(FRESH) && now <= pending.at.saturating_add(FRESH)
}

/// From when the certificate came until it ends: it begins earlier, for clocks that
/// are late.
fn life(membership: &Membership, identity: &Identity) -> Duration {
    let life = identity.own().not_after.duration_since(membership.received);
    life.unwrap_or_default().max(Duration::from_secs(1))
}

/// Between 0.9 and 1.1: hosts that began together do not ask together.
fn spread() -> f64 {
    f64::from(Uuid::new_v4().into_bytes()[0]) / 255.0 * 0.2 + 0.9
}
