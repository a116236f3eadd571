//! Brings the authority's newest trust list to a host, over the connection that there
//! is: so it gets there within seconds also where the host does not reach the
//! authority. The list is signed by the authority, and the host verifies it; the
//! gateway can be late with it and nothing else.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_proto::host::v1::UpdateTrustRequest;
use cofferdam_proto::host::v1::host_service_client::HostServiceClient;
use cofferdam_proto::join::v1::SignedTrustList;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::gate::Gate;
use super::refusal::{Fate, fate};
use crate::chance;

/// The first and the longest wait for a host that does not answer.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(15);
/// The longest that a host may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of a list.
enum Told {
    /// The host has it, or takes none.
    Settled,
    /// It could not be asked.
    Again,
}

/// Tells `host` each list until it is `gone`.
pub(super) async fn tell(
    host: String,
    gate: Gate,
    mut lists: watch::Receiver<Option<Arc<SignedTrustList>>>,
    gone: CancellationToken,
) {
    let mut retry = FIRST_RETRY;
    loop {
        let list = lists.borrow_and_update().clone();
        let told = match list {
            None => Told::Settled,
            Some(list) => tell_once(&host, gate.clone(), (*list).clone()).await,
        };
        let wait = match told {
            Told::Settled => {
                retry = FIRST_RETRY;
                Duration::MAX
            }
            Told::Again => {
                let wait = retry;
                retry = (retry * 2).min(LAST_RETRY);
                chance::around(wait)
            }
        };
        tokio::select! {
            () = gone.cancelled() => return,
            changed = lists.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn tell_once(host: &str, gate: Gate, list: SignedTrustList) -> Told {
    let mut client = HostServiceClient::new(gate);
    let request = UpdateTrustRequest { trust: Some(list) };
    match tokio::time::timeout(PATIENCE, client.update_trust(request)).await {
        Ok(Ok(answer)) => {
            let version = answer.get_ref().version;
            tracing::debug!(host, version, "a host has the trust list");
            Told::Settled
        }
        Ok(Err(status)) if is_final(&status) => {
            tracing::debug!(host, reason = status.message(), "a host takes no trust list");
            Told::Settled
        }
        Ok(Err(_)) | Err(_) => Told::Again,
    }
}

/// Asking again would come to the same.
fn is_final(status: &Status) -> bool {
    match fate(status) {
        Fate::Held => true,
        Fate::NotConnected | Fate::Broken => false,
        Fate::Answered => matches!(
            status.code(),
            Code::Unimplemented
                | Code::FailedPrecondition
                | Code::InvalidArgument
                | Code::PermissionDenied
        ),
    }
}
