//! `[approvals]`.

use std::path::Path;
use std::time::Duration;

use super::super::raw::{RawApprovals, RawWebhook};
use super::super::{ApprovalsConfig, ConfigError, WebhookConfig};
use super::Resolver;

/// Where requests are kept unless the file says otherwise: beside the tokens.
const STATE: &str = "approvals.sqlite";

impl Resolver<'_> {
    pub(super) fn approvals(
        &self,
        raw: RawApprovals,
        state: &Path,
    ) -> Result<ApprovalsConfig, ConfigError> {
        let RawApprovals {
            state: own,
            patience_seconds,
            open_requests,
            open_requests_per_user,
            webhook,
        } = raw;
        Ok(ApprovalsConfig {
            state: own.map_or_else(|| state.with_file_name(STATE), |own| self.file(own)),
            patience: Duration::from_secs(patience_seconds),
            open_requests,
            open_per_user: open_requests_per_user,
            webhook: webhook.map(|webhook| self.webhook(webhook)).transpose()?,
        })
    }

    /// What waits for people says a lot about a company: it does not go through
    /// the network in the clear.
    fn webhook(&self, raw: RawWebhook) -> Result<WebhookConfig, ConfigError> {
        let RawWebhook { url, secret } = raw;
        let parsed: Result<http::Uri, _> = url.get_ref().parse();
        let good = parsed.is_ok_and(|uri| match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => true,
            (Some("http"), Some(host)) => ["localhost", "127.0.0.1", "[::1]"].contains(&host),
            _ => false,
        });
        if !good {
            let problem =
                format!("`{}` is not an https URL; http is taken for loopback only", url.get_ref());
            return self.refuse(url.span(), "approvals.webhook.url", problem);
        }
        Ok(WebhookConfig { url: url.into_inner(), secret: self.file(secret) })
    }
}
