//! Hosts that want to hear of the trust list.

use std::time::SystemTime;

use cofferdam_proto::join::v1::{WatchRequest, Watching};
use cofferdam_trust::{Claim, VerifyingKey};

use super::Registrar;
use super::certify::check_clock;
use super::renew::not_joined;
use crate::host::Standing;
use crate::refusal::Refusal;
use crate::state::{HostRow, Moment};

impl Registrar {
    /// The host that wants to hear, if it may. May wait for the disk.
    pub(crate) fn watcher(
        &self,
        request: &WatchRequest,
        now: SystemTime,
    ) -> Result<Watching, Refusal> {
        let claim = Claim::watching(request)?;
        let key = self.key_of(claim.host())?;
        let said = claim.proved_by(&key)?;
        self.check_meant(&said.authority, &said.nonce)?;
        check_clock(said.at.as_ref(), Moment::of(now))?;
        // Who was just certified has to be in the roster that the stream looks at.
        self.look(now).map_err(|error| Refusal::Unrecorded(error.to_string()))?;
        let host = self.state.read(|it| HostRow::find(it, &said.host))?;
        match host.map(|host| host.standing) {
            Some(Standing::Joined) => Ok(said),
            Some(standing) => Err(not_joined(standing)),
            None => Err(Refusal::UnknownHost),
        }
    }

    /// The key that a host enrolled with.
    pub(super) fn key_of(&self, host: &str) -> Result<VerifyingKey, Refusal> {
        let found = self.state.read(|it| HostRow::find(it, host))?;
        found.and_then(|host| host.signing_key).ok_or(Refusal::UnknownHost)
    }
}
