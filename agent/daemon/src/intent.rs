//! Verifies the gateway's word for an action.
//!
//! A [`Verified`] says: a configured gateway key signed exactly this, for this
//! host, for exactly the action at hand, and it counts now. Whether it was seen
//! before is [`crate::replay`]'s to know. Only [`Intents::verify`] makes one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_journal::Trace;
use cofferdam_plan::RunId;
use cofferdam_proto::intent::v1::{self as wire, Grant, Intent, SignedIntent};
use cofferdam_trust::{PeerName, SignatureError, sha256, verify_intent};
use prost::Message as _;
use prost_types::Timestamp;
use uuid::Uuid;

use crate::enrolment::Standing;
use crate::peers::Gateway;

/// How far the clocks of gateway and host may be apart.
pub const SKEW: Duration = Duration::from_mins(5);
/// The longest time that an intent may count.
pub const MAX_LIFETIME: Duration = Duration::from_mins(15);

/// What intents are checked against.
#[derive(Debug)]
pub struct Intents {
    host: String,
    standing: Arc<Standing>,
}

/// A gateway's word that is believed.
#[derive(Debug, Clone)]
pub struct Verified {
    intent: Intent,
    signed: SignedIntent,
    run: RunId,
    nonce: [u8; 16],
    action_digest: [u8; 32],
    record_hash: [u8; 32],
    gateway: PeerName,
    expires: SystemTime,
}

/// Why a gateway's word is not believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// There is none.
    #[error("the request has no signed intent")]
    Missing,
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A field is missing or malformed.
    #[error("the intent's `{field}` {problem}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// Meant for another host.
    #[error("the intent is for the host `{named}`; this is `{own}`")]
    OtherHost {
        /// Whom it names.
        named: String,
        /// Who this is.
        own: String,
    },
    /// Signed by another gateway than the one that sends it.
    #[error("the intent is {named}'s, but {sender} sends it")]
    OtherGateway {
        /// Whom it names.
        named: String,
        /// Who sends it.
        sender: PeerName,
    },
    /// Not yet or no longer valid, or valid for too long.
    #[error("the intent {0}; compare the clocks of gateway and host")]
    Time(&'static str),
    /// Signed for another action.
    #[error("the intent is for another action than the request's")]
    OtherAction,
}

impl Intents {
    /// For the host `host`, and who is trusted there.
    #[must_use]
    pub fn new(host: String, standing: Arc<Standing>) -> Self {
        Self { host, standing }
    }

    /// Verifies `signed` for the action with `action_digest`.
    ///
    /// # Errors
    /// See [`IntentError`].
    pub fn verify(
        &self,
        gateway: &Gateway,
        signed: Option<SignedIntent>,
        action_digest: [u8; 32],
        now: SystemTime,
    ) -> Result<Verified, IntentError> {
        let signed = signed.ok_or(IntentError::Missing)?;
        let intent = verify_intent(&self.standing.keys_of(gateway.name(), now), &signed)?;
        if intent.host != self.host {
            let named = intent.host.chars().take(64).collect();
            return Err(IntentError::OtherHost { named, own: self.host.clone() });
        }
        if intent.gateway != gateway.name().to_string() {
            let named = intent.gateway.chars().take(256).collect();
            return Err(IntentError::OtherGateway { named, sender: gateway.name().clone() });
        }
        let expires = check_time(&intent, now)?;
        let field = |field, problem| IntentError::Field { field, problem };
        if intent.action_digest != action_digest {
            return Err(IntentError::OtherAction);
        }
        let run = Uuid::parse_str(&intent.run_id)
            .map(|uuid| RunId(uuid.into_bytes()))
            .map_err(|_| field("run_id", "is not a UUID"))?;
        let nonce = intent.nonce.as_slice().try_into();
        let nonce = nonce.map_err(|_| field("nonce", "is not 16 bytes"))?;
        let record_hash = intent.gateway_record_hash.as_slice().try_into();
        let record_hash =
            record_hash.map_err(|_| field("gateway_record_hash", "is not 32 bytes"))?;
        if intent.grant.is_none() {
            return Err(field("grant", "is missing"));
        }
        let gateway = gateway.name().clone();
        Ok(Verified { intent, signed, run, nonce, action_digest, record_hash, gateway, expires })
    }

    /// One that this host verified and recorded before it was restarted. By now it may
    /// have expired, and its key may have been changed; nothing starts by it.
    #[must_use]
    pub fn recall(&self, gateway: &str, signed: Option<SignedIntent>) -> Option<Verified> {
        let signed = signed?;
        let intent = Intent::decode(signed.intent.as_slice()).ok()?;
        let run = RunId(Uuid::parse_str(&intent.run_id).ok()?.into_bytes());
        let nonce = intent.nonce.as_slice().try_into().ok()?;
        let action_digest = intent.action_digest.as_slice().try_into().ok()?;
        let record_hash = intent.gateway_record_hash.as_slice().try_into().ok()?;
        let gateway = gateway.parse().ok()?;
        let expires = system_time(intent.expires_at?)?;
        Some(Verified { intent, signed, run, nonce, action_digest, record_hash, gateway, expires })
    }
}

fn check_time(intent: &Intent, now: SystemTime) -> Result<SystemTime, IntentError> {
    let time = |stamp: Option<Timestamp>| {
        let stamp = stamp.ok_or(IntentError::Time("does not say when it was signed or expires"))?;
        system_time(stamp).ok_or(IntentError::Time("has a time out of range"))
    };
    let (issued, expires) = (time(intent.issued_at)?, time(intent.expires_at)?);
    if issued > now + SKEW {
        return Err(IntentError::Time("was signed in the future"));
    }
    // First, because it bounds `expires`, to which time is added from here on.
    if expires > issued + MAX_LIFETIME {
        return Err(IntentError::Time("counts for longer than 15 minutes"));
    }
    if expires + SKEW <= now {
        return Err(IntentError::Time("has expired"));
    }
    Ok(expires)
}

fn system_time(Timestamp { seconds, nanos }: Timestamp) -> Option<SystemTime> {
    let whole = Duration::from_secs(u64::try_from(seconds).ok()?);
    UNIX_EPOCH.checked_add(whole + Duration::from_nanos(u64::try_from(nanos).ok()?))
}

impl Verified {
    /// The intent itself.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }
    /// As the gateway signed it.
    #[must_use]
    pub fn signed(&self) -> &SignedIntent {
        &self.signed
    }
    /// The run's name.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }
    /// The random bytes that make it one of a kind.
    #[must_use]
    pub fn nonce(&self) -> [u8; 16] {
        self.nonce
    }
    /// The digest of the action.
    #[must_use]
    pub fn action_digest(&self) -> [u8; 32] {
        self.action_digest
    }
    /// The hash of the gateway's own record.
    #[must_use]
    pub fn record_hash(&self) -> [u8; 32] {
        self.record_hash
    }
    /// Who signed and sent it.
    #[must_use]
    pub fn gateway(&self) -> &PeerName {
        &self.gateway
    }
    /// When it stops to count, skew included.
    #[must_use]
    pub fn counts_until(&self) -> SystemTime {
        self.expires + SKEW
    }
    /// SHA-256 of the signed bytes: what the receipt answers.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        sha256(&self.signed.intent)
    }
    /// Where the call stands in its caller's trace; none: nowhere, or nowhere that can
    /// be read. Nothing depends on it.
    #[must_use]
    pub fn trace(&self) -> Option<Trace> {
        let wire::Trace { trace_id, span_id, flags: _, state: _ } = self.intent.trace.as_ref()?;
        let hex = |bytes: &[u8], length| {
            let is_right = bytes.len() == length && bytes.iter().any(|byte| *byte != 0);
            is_right.then(|| cofferdam_trust::hex(bytes))
        };
        let (trace_id, span_id) = (hex(trace_id, 16)?, hex(span_id, 8)?);
        Some(Trace { trace_id, span_id, parent_id: String::new() })
    }
    /// What the gateway's rules gave. [`Intents::verify`] has seen it.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.intent.grant.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_at_the_end_of_time_are_refused_and_end_nothing() {
        let now = SystemTime::now();
        let at = |seconds| Some(Timestamp { seconds, nanos: 999_999_999 });
        let today = at(now.duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed());
        for seconds in [i64::MAX, i64::MAX - 1, i64::MAX - 600] {
            let intent =
                |issued_at, expires_at| Intent { issued_at, expires_at, ..Intent::default() };
            for intent in [intent(today, at(seconds)), intent(at(seconds), at(seconds))] {
                assert!(matches!(check_time(&intent, now), Err(IntentError::Time(_))));
            }
        }
    }
}
