//! What the service manager is told: that the agent serves, that it stops and,
//! where its unit has a watchdog, that it is alive (sd_notify(3)).
//!
//! Without one that asks for it, nothing is told. Called by [`crate::serve`].

use std::io;
use std::os::fd::OwnedFd;

use sd_notify::NotifyState;

use crate::sys;

/// What an earlier process had it keep, by name (sd_listen_fds_with_names(3)). Called
/// once, before anything else is opened.
///
/// # Errors
/// Where the environment says what is not so.
pub fn handed_over() -> io::Result<Vec<(String, OwnedFd)>> {
    let named = sd_notify::listen_fds_with_names()?;
    named.map(|(number, name)| Ok((name, sys::adopt(number)?))).collect()
}

/// Calls are taken from now on.
/// `address`: where gateways connect to, if anywhere.
pub(crate) fn serving(address: Option<std::net::SocketAddr>) {
    let how = address.map_or_else(
        || "serving gateways that this host dials".to_owned(),
        |address| format!("serving on {address}"),
    );
    tell(&[NotifyState::Ready, NotifyState::Status(&how)]);
}

/// No further call is taken; those under way are given time to end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("ending cells and runs")]);
}

/// Tells in time, for ever, that this process is alive: that its runtime still
/// wakes tasks, which a thread of its own would not show.
pub(crate) async fn stay_alive() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    // The manual's advice: twice as often as has to be.
    let mut ticks = tokio::time::interval(patience / 2);
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told of {state:?}");
    }
}
