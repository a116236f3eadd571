//! Hears of trust lists from the authority itself, for as long as the agent serves.
//! Gateways bring the same lists; whoever is first counts.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_proto::join::v1::Watching;
use cofferdam_trust::{Recognise, SigningKey, sign_watching};
use uuid::Uuid;

use super::authority::{AskError, Authority};
use super::membership::Membership;
use super::standing::{Errand, Standing};
use crate::clock;

/// The first pause after a connection that ended.
const SHORTEST: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST: Duration = Duration::from_mins(1);
/// The longest where the clock is wrong.
const WRONG_CLOCK: Duration = Duration::from_secs(20);
/// How often what could not be written is tried again.
const SAVE_AGAIN: Duration = Duration::from_secs(5);

/// Takes each list that the authority sends.
pub async fn watch(standing: Arc<Standing>, key: Arc<SigningKey>) {
    let mut pause = SHORTEST;
    while let Some(membership) = standing.membership() {
        match hear(&standing, &key, &membership).await {
            Ok(()) => pause = SHORTEST,
            Err(error) if error.is_passing() => tracing::debug!(%error, "no trust lists for now"),
            Err(error) => {
                tracing::warn!(%error, "the authority sends no trust lists");
                standing.has_trouble(Errand::TrustLists, error.to_string());
                // Who was revoked or removed, and told so, asks seldom; a clock may be set
                // at any moment.
                let of_clock = matches!(error, AskError::Clock { .. });
                pause = if of_clock { pause.min(WRONG_CLOCK) } else { LONGEST };
            }
        }
        let spread = f64::from(Uuid::new_v4().into_bytes()[0]) / 255.0 + 0.5;
        tokio::time::sleep(pause.mul_f64(spread)).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Writes what a full disk did not take.
pub async fn save_again(standing: Arc<Standing>) {
    loop {
        tokio::time::sleep(SAVE_AGAIN).await;
        tokio::task::block_in_place(|| standing.save_again());
    }
}

/// One connection, until it ends.
async fn hear(
    standing: &Standing,
    key: &SigningKey,
    membership: &Membership,
) -> Result<(), AskError> {
    let identity = membership.identity(std::path::Path::new(""));
    let identity = identity.map_err(|error| AskError::Tls(error.to_string()))?;
    let mut authority = Authority::at(&membership.address, Recognise::by(&identity))?;
    let watching = Watching {
        host: membership.host.name().to_owned(),
        authority: membership.authority.to_string(),
        at: Some(clock::now()),
        nonce: Uuid::new_v4().into_bytes().to_vec(),
        version: membership.trust.version,
    };
    let mut lists = authority.watch(sign_watching(key, &watching)).await?;
    standing.goes_well(Errand::TrustLists);
    loop {
        let message = lists.message().await.map_err(|status| authority.failed(&status))?;
        let Some(message) = message else { return Ok(()) };
        let Some(signed) = message.trust else { continue };
        if let Err(error) = tokio::task::block_in_place(|| standing.take(&signed)) {
            tracing::warn!(%error, "a trust list of the authority is not taken");
        }
    }
}
