//! Watches whether an agent answers, with the standard gRPC health service.
//!
//! For people and for `list_hosts` only: a call never consults it, it tries the
//! host and learns the truth.

use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::refusal::reason_of;

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
}

/// Checks until shutdown.
pub(super) async fn watch(
    channel: Channel,
    report: watch::Sender<HostState>,
    shutdown: CancellationToken,
) {
    let mut retry = FIRST_RETRY;
    loop {
        let reach = check(channel.clone()).await;
        let wait = if reach == Reach::Ready {
            retry = FIRST_RETRY;
            STEADY
        } else {
            let wait = retry;
            retry = (retry * 2).min(LAST_RETRY);
            wait
        };
        report.send_modify(|state| state.update(reach));
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn check(channel: Channel) -> Reach {
    let mut client = HealthClient::new(channel);
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
    fn update(&mut self, reach: Reach) {
        let now = SystemTime::now();
        if self.reach != reach {
            tracing::info!(?reach, "a host's state changed");
            self.since = Some(now);
            self.reach = reach;
        }
        self.checked_at = Some(now);
    }
}
