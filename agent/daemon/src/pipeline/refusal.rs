//! Refusals on the way to an intent's record: each leaves a record of its own.

use serde_json::Value;

use super::Agent;
use crate::fault::Fault;
use crate::intent::Verified;
use crate::peers::Gateway;

impl Agent {
    /// Records that a call failed before its intent was believed.
    pub(super) fn refuse_unverified(
        &self,
        gateway: &Gateway,
        method: &'static str,
        fault: impl Into<Fault>,
    ) -> Fault {
        let fault = fault.into();
        self.recorder.refused_peer(Some(gateway.name()), method, &fault);
        fault
    }

    /// Records that a call whose intent is believed was refused or failed.
    pub(super) fn refuse(
        &self,
        verified: &Verified,
        action: Value,
        fault: impl Into<Fault>,
    ) -> Fault {
        let fault = fault.into();
        self.recorder.refused(verified, action, &fault);
        fault
    }
}
