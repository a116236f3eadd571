//! The certificates that the authority makes for itself and for the gateway that it is
//! part of. Their keys are made anew each time and are nowhere but in memory.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use cofferdam_trust::{
    AuthorityError, CLOCK_SKEW, Identity, IdentityError, Lifetime, PeerName, TlsError,
    joining_server_config,
};
use rustls::ServerConfig;
use tokio::sync::watch;

use crate::registrar::Generations;
use crate::state::Moment;

/// Both certificates, and what is made of them.
#[derive(Debug)]
pub(crate) struct Own {
    gateway: watch::Sender<Arc<Identity>>,
    joining: ArcSwap<ServerConfig>,
    made: Mutex<Made>,
}

/// What the newest ones were made for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    /// Generations: who certifies, who is shown, all that count.
    by: Vec<u32>,
    at: u64,
    renew_at: u64,
}

/// Why the authority cannot certify itself or its gateway.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// It refuses.
    #[error("the authority cannot certify itself and its gateway: {0}")]
    Authority(#[from] AuthorityError),
    /// What it made cannot be used.
    #[error("the certificate that the authority made cannot be used: {0}")]
    Identity(#[from] IdentityError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// None of its certificates counts.
    #[error("no generation of the authority counts any more; its owner has to make one")]
    NoGeneration,
}

impl Own {
    pub(crate) fn make(
        generations: &Generations,
        gateway: &PeerName,
        authority: &PeerName,
        lifetime: Duration,
        now: Moment,
    ) -> Result<Self, OwnError> {
        let (gateway, joining) = certify(generations, gateway, authority, lifetime, now)?;
        let made = Made::of(generations, lifetime, now);
        Ok(Self {
            gateway: watch::Sender::new(Arc::new(gateway)),
            joining: ArcSwap::new(joining),
            made: Mutex::new(made),
        })
    }

    /// Makes both anew where they are through two thirds of their life, the roots are
    /// others, or the clock was set back behind their making: nobody would take them yet.
    pub(crate) fn renew(
        &self,
        generations: &Generations,
        gateway: &PeerName,
        authority: &PeerName,
        lifetime: Duration,
        now: Moment,
    ) -> Result<(), OwnError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let due = Made::of(generations, lifetime, now);
        // Certificates begin so much earlier.
        let counts = now.seconds().saturating_add(CLOCK_SKEW.as_secs()) >= made.at;
        if made.by == due.by && counts && now.seconds() < made.renew_at {
            return Ok(());
        }
        let (gateway, joining) = certify(generations, gateway, authority, lifetime, now)?;
        self.joining.store(joining);
        self.gateway.send_replace(Arc::new(gateway));
        *made = due;
        Ok(())
    }

    pub(crate) fn renew_at(&self) -> u64 {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).renew_at
    }

    pub(crate) fn gateway(&self) -> watch::Receiver<Arc<Identity>> {
        self.gateway.subscribe()
    }

    /// For the next connection.
    pub(crate) fn joining(&self) -> Arc<ServerConfig> {
        self.joining.load_full()
    }
}

impl Made {
    fn of(generations: &Generations, lifetime: Duration, now: Moment) -> Self {
        let renew_at = now.after(lifetime * 2 / 3).seconds();
        Self { by: generations.roles(now), at: now.seconds(), renew_at }
    }
}

fn certify(
    generations: &Generations,
    gateway: &PeerName,
    authority: &PeerName,
    lifetime: Duration,
    now: Moment,
) -> Result<(Identity, Arc<ServerConfig>), OwnError> {
    let (Some(issuing), Some(shown)) = (generations.issuing(now), generations.shown(now)) else {
        return Err(OwnError::NoGeneration);
    };
    let roots: Vec<_> = generations.counting(now).map(|it| it.root_der().to_vec()).collect();
    let not_after = now.after(lifetime).time();
    let lifetime = Lifetime { not_before: now.time() - CLOCK_SKEW, not_after };
    let identity = |by: &cofferdam_trust::Authority, name: &PeerName| {
        let issued = by.issue(name, lifetime)?;
        let place = std::path::Path::new("the authority's own certificate");
        let (chain, key) = (&issued.certificate_pem, &issued.key_pem);
        Ok::<_, OwnError>(Identity::from_parts(place, chain, key, &roots)?)
    };
    let joining = joining_server_config(&identity(shown, authority)?)?;
    Ok((identity(issuing, gateway)?, joining))
}
