//! `[authority]`, and `[identity]`, of which there is one.

use std::num::NonZeroU32;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use cofferdam_authority::{Approval, Settings};
use cofferdam_trust::{DEFAULT_TRUST_DOMAIN, PeerName, Role};
use toml::Spanned;

use super::super::raw::{RawApproval, RawAuthority, RawIdentity};
use super::super::{AuthorityConfig, ConfigError, IdentityFiles};
use super::Resolver;

/// Where the authority keeps its state unless the file says otherwise: beside the
/// tokens.
const STATE: &str = "authority.sqlite";
/// The longest life of a certificate that renews itself.
const LONGEST: Duration = Duration::from_hours(90 * 24);

impl Resolver<'_> {
    /// Exactly one of the two says who the gateway is.
    pub(super) fn identity(
        &self,
        raw: Option<Spanned<RawIdentity>>,
        has_authority: bool,
        name: Range<usize>,
    ) -> Result<Option<IdentityFiles>, ConfigError> {
        match raw {
            Some(raw) if has_authority => self.refuse(
                raw.span(),
                "identity",
                "the authority of this gateway certifies it: leave `[identity]` out, or \
                 `[authority]`",
            ),
            None if !has_authority => self.refuse(
                name,
                "identity",
                "there is none: name the certificate that `cofferdam pki` made, or have an \
                 `[authority]`, which certifies the gateway and its hosts",
            ),
            None => Ok(None),
            Some(raw) => {
                let RawIdentity { certificate, key, authorities } = raw.into_inner();
                let own = self.key_pair(certificate, key);
                Ok(Some(IdentityFiles { own, authorities: self.file(authorities) }))
            }
        }
    }

    pub(super) fn authority(
        &self,
        raw: RawAuthority,
        state: &Path,
    ) -> Result<AuthorityConfig, ConfigError> {
        let RawAuthority {
            listen,
            address,
            directory,
            state: own,
            trust_domain,
            approval,
            certificate_seconds,
            reattestations,
            reattest_within_seconds,
            trust_list_seconds,
            announce_seconds,
            overlap_seconds,
        } = raw;
        let state = own.map_or_else(|| state.with_file_name(STATE), |own| self.file(own));
        let defaults = Settings::new(self.file(directory), state);
        let or = |given: Option<NonZeroU32>, default| given.map_or(default, seconds);
        let certificate_span = certificate_seconds.as_ref().map_or(0..0, Spanned::span);
        let overlap_span = overlap_seconds.as_ref().map_or(0..0, Spanned::span);
        let settings = Settings {
            approval: match approval {
                RawApproval::Required => Approval::Required,
                RawApproval::None => Approval::None,
            },
            certificate_lifetime: or(
                certificate_seconds.map(Spanned::into_inner),
                defaults.certificate_lifetime,
            ),
            reattestations: reattestations.unwrap_or(defaults.reattestations),
            reattest_within: or(reattest_within_seconds, defaults.reattest_within),
            trust_list_lifetime: or(trust_list_seconds, defaults.trust_list_lifetime),
            announce: or(announce_seconds, defaults.announce),
            overlap: or(overlap_seconds.map(Spanned::into_inner), defaults.overlap),
            ..defaults
        };
        if settings.certificate_lifetime > LONGEST {
            let problem = "a certificate that renews itself lives 90 days (7776000) at most";
            return self.refuse(certificate_span, "authority.certificate_seconds", problem);
        }
        if settings.overlap < settings.certificate_lifetime {
            let problem = "shorter than a certificate lives (`certificate_seconds`), so that hosts \
                           would be lost when one root follows another";
            return self.refuse(overlap_span, "authority.overlap_seconds", problem);
        }
        let address = address.map(|address| self.address(address)).transpose()?;
        let trust_domain = trust_domain.map(|domain| self.trust_domain(domain)).transpose()?;
        let trust_domain = trust_domain.unwrap_or_else(|| DEFAULT_TRUST_DOMAIN.to_owned());
        Ok(AuthorityConfig { listen, address, trust_domain, settings })
    }

    fn trust_domain(&self, domain: Spanned<String>) -> Result<String, ConfigError> {
        match PeerName::new(domain.get_ref(), Role::Gateway, "a") {
            Ok(_) => Ok(domain.into_inner()),
            Err(error) => self.refuse(domain.span(), "authority.trust_domain", error.to_string()),
        }
    }
}

fn seconds(number: NonZeroU32) -> Duration {
    Duration::from_secs(u64::from(number.get()))
}
