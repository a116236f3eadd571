//! `[sessions]`.

use std::path::Path;
use std::time::Duration;

use super::super::SessionsConfig;
use super::super::raw::RawSessions;
use super::Resolver;

/// Where sessions are kept unless the file says otherwise: beside the tokens.
const STATE: &str = "sessions.sqlite";

impl Resolver<'_> {
    pub(super) fn sessions(&self, raw: RawSessions, state: &Path) -> SessionsConfig {
        let RawSessions { state: own, per_user, idle_seconds } = raw;
        SessionsConfig {
            state: own.map_or_else(|| state.with_file_name(STATE), |own| self.file(own)),
            per_user,
            idle: Duration::from_secs(idle_seconds.get() as u64),
        }
    }
}
