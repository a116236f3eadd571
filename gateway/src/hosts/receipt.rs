//! Checks a host's receipt: signed by its configured key, for exactly this
//! intent, over exactly the output that arrived.

use cofferdam_proto::intent::v1::{Receipt, SignedIntent, SignedReceipt};
use cofferdam_trust::{MAX_SIGNED, receipt_matches, sha256, verify_receipt};
use prost::Message;
use tonic::Status;

use super::refusal::Refused;
use super::{Host, HostError};
use crate::record::RecordedIntent;

/// A receipt that was checked. Only [`Host::check_receipt`] makes one.
#[derive(Debug, Clone)]
pub(crate) struct CheckedReceipt {
    signed: SignedReceipt,
    output_digest: [u8; 32],
}

impl CheckedReceipt {
    /// As the host signed it.
    pub(crate) fn into_signed(self) -> SignedReceipt {
        self.signed
    }

    /// Digest over the output.
    pub(crate) fn output_digest(&self) -> [u8; 32] {
        self.output_digest
    }
}

/// The digest of an answer that is one message.
pub(super) fn digest_of<M: Message>(answer: &M) -> [u8; 32] {
    sha256(&answer.encode_to_vec())
}

/// Where a failed call's receipt travels, encoded.
const METADATA: &str = "cofferdam-receipt-bin";

impl Host {
    /// Reads a status, with the receipt for what the host recorded, if any. A
    /// failure stays one without a receipt, so that a wrong one is only told.
    pub(super) fn refusal<A>(&self, intent: &RecordedIntent<A>, status: &Status) -> HostError {
        let error = HostError::from_status(self.name(), status);
        let HostError::Refused(refused) = error else { return error };
        let signed = status
            .metadata()
            .get_bin(METADATA)
            .and_then(|value| value.to_bytes().ok())
            .filter(|bytes| bytes.len() <= MAX_SIGNED)
            .and_then(|bytes| SignedReceipt::decode(bytes).ok());
        let receipt = signed.and_then(|signed| {
            self.check_receipt(intent, Some(signed), Some(sha256(&[])))
                .inspect_err(|error| tracing::error!(%error, "a failure's receipt is not right"))
                .ok()
        });
        HostError::Refused(Box::new(Refused { receipt, ..*refused }))
    }

    /// Believes `signed` only if it proves that this host did what `intent`
    /// says and that its output is what arrived here (as far as all of it did).
    pub(super) fn check_receipt<A>(
        &self,
        intent: &RecordedIntent<A>,
        signed: Option<SignedReceipt>,
        output_digest: Option<[u8; 32]>,
    ) -> Result<CheckedReceipt, HostError> {
        self.check(intent.run_id(), Some(intent.signed()), signed, output_digest)
    }

    /// Believes `signed` only if this host said it of the run: of one that went on
    /// after its intent was forgotten, or whose output was not read to the end.
    pub(crate) fn check_end_receipt(
        &self,
        run_id: &str,
        signed: Option<SignedReceipt>,
    ) -> Result<CheckedReceipt, HostError> {
        self.check(run_id, None, signed, None)
    }

    fn check(
        &self,
        run: &str,
        intent: Option<&SignedIntent>,
        signed: Option<SignedReceipt>,
        output_digest: Option<[u8; 32]>,
    ) -> Result<CheckedReceipt, HostError> {
        let wrong = |reason: &str| HostError::Receipt {
            host: self.name().to_owned(),
            reason: reason.to_owned(),
        };
        let signed = signed.ok_or_else(|| wrong("there is none"))?;
        let receipt = verify_receipt(&self.keys, &signed)
            .map_err(|error| HostError::from_signature(self.name(), &error))?;
        if intent.is_some_and(|intent| !receipt_matches(&receipt, intent)) {
            return Err(wrong("it answers another intent"));
        }
        let Receipt {
            run_id,
            host,
            intent_digest: _,
            agent_intent_hash,
            agent_outcome_hash,
            output_digest: claimed,
            issued_at: _,
        } = receipt;
        if run_id != run || host != self.config().agent.to_string() {
            return Err(wrong("it names another run or another host"));
        }
        if agent_intent_hash.len() != 32 || agent_outcome_hash.len() != 32 {
            return Err(wrong("it does not name the host's records"));
        }
        let claimed = <[u8; 32]>::try_from(claimed.as_slice())
            .map_err(|_| wrong("it has no digest of the output"))?;
        if output_digest.is_some_and(|digest| digest != claimed) {
            return Err(wrong("its digest is not that of the output that arrived"));
        }
        Ok(CheckedReceipt { signed, output_digest: claimed })
    }
}
