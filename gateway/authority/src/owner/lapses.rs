//! When what the authority has ends: its newest certificate and the trust list.

use cofferdam_trust::{Authority, Lapse, TrustList};

use super::{Owner, OwnerError};
use crate::roster::GenerationLapse;
use crate::settings::Settings;
use crate::state::{Generation, KeptList, Moment, StateError};

impl Owner<'_> {
    /// When the newest generation's certificate and its root end. Opens its files with
    /// its key, so that it tells whether those can be used, too.
    ///
    /// # Errors
    /// Where there is none, or its files cannot be used.
    pub fn newest(&self, settings: &Settings) -> Result<GenerationLapse, OwnerError> {
        let (all, now) = (self.state.read(Generation::all)?, Moment::now());
        let newest = all.iter().rfind(|it| it.counts(now)).ok_or(OwnerError::NoAuthority)?;
        let authority = Authority::open(&settings.directory.join(&newest.directory))?;
        let damaged = || StateError::Damaged("the authority's certificate is none".to_owned());
        let root = Lapse::of_certificate(authority.root_der(), false).map_err(|_| damaged())?;
        let certificate = authority.lapse().ok_or_else(damaged)?;
        Ok(GenerationLapse { generation: newest.id, certificate, root })
    }

    /// The version of the newest trust list, and when it ends; `None`: there is none
    /// yet, because the gateway did not run.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub fn trust_list(&self) -> Result<Option<(u64, Lapse)>, OwnerError> {
        let Some(kept) = self.state.read(KeptList::load)? else { return Ok(None) };
        let list = TrustList::verify_first(&kept.signed)
            .map_err(|error| StateError::Damaged(error.to_string()))?;
        let lapse = Lapse { begins: list.issued_at, ends: list.expires_at, by_itself: false };
        Ok(Some((list.version, lapse)))
    }
}
