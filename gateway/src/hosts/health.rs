//! Watches whether an agent answers, with the standard gRPC health service.
//!
//! For people and for `list_hosts` only: a call never consults it, it tries the
//! host and learns the truth. Each wait has some chance in it, so that a hundred
//! hosts that went away together do not come back in one moment.

use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::gate::Gate;
use super::refusal::reason_of;
use crate::chance;

/// Between two checks of a host that answers.
const STEADY: Duration = Duration::from_secs(10);
/// The first and the longest wait after a failed check.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// The longest check.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a host answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Reach {
    /// Not checked yet.
    #[default]
    Unknown,
    /// It answers and serves.
    Ready,
    /// It answers and does not serve.
    NotServing,
    /// It does not answer.
    Unreachable(String),
}

/// What is known of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct HostState {
    /// Whether it answers.
    pub(crate) reach: Reach,
    /// Since when it has been so.
    pub(crate) since: Option<SystemTime>,
    /// When that was last checked.
    pub(crate) checked_at: Option<SystemTime>,
    /// When it is checked again.
    pub(crate) next_at: Option<SystemTime>,
}

/// Checks `host` until `gone`, and at once whenever it `came`.
pub(super) async fn watch(
    host: String,
    gate: Gate,
    mut came: Option<watch::Receiver<u64>>,
    report: watch::Sender<HostState>,
    gone: CancellationToken,
) {
    let mut retry = FIRST_RETRY;
    loop {
        let reach = check(gate.clone()).await;
        let wait = if reach == Reach::Ready {
            retry = FIRST_RETRY;
            STEADY
        } else {
            let wait = retry;
            retry = (retry * 2).min(LAST_RETRY);
            wait
        };
        let is_down = reach != Reach::Ready;
        let wait = chance::around(wait);
        report.send_modify(|state| state.update(&host, reach, wait));
        let arrival = async {
            match &mut came {
                Some(came) if is_down => drop(came.changed().await),
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = gone.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = arrival => {}
        }
    }
}

async fn check(gate: Gate) -> Reach {
    let mut client = HealthClient::new(gate);
    // An empty name asks for the server as a whole.
    let request = HealthCheckRequest { service: String::new() };
    match tokio::time::timeout(PATIENCE, client.check(request)).await {
        Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => Reach::Ready,
        Ok(Ok(_)) => Reach::NotServing,
        Ok(Err(status)) => Reach::Unreachable(reason_of(&status)),
        Err(_) => Reach::Unreachable(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

impl HostState {
    fn update(&mut self, host: &str, reach: Reach, wait: Duration) {
        let now = SystemTime::now();
        if self.reach != reach {
            tracing::info!(host, ?reach, "a host's state changed");
            self.since = Some(now);
            self.reach = reach;
        }
        self.checked_at = Some(now);
        self.next_at = now.checked_add(wait);
    }
}
