//! Tells an address of the owner's choice that a request waits or was answered.
//!
//! Each message is signed: `Cofferdam-Signature: v1=` and the hex HMAC-SHA256,
//! under the shared secret, of `Cofferdam-Timestamp`, a dot, and the body
//! (RFC 2104). The receiver learns what waits; it cannot answer without an
//! approver's credential.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use cofferdam_journal::redact_value;
use cofferdam_trust::{PrivateFileError, hex, read_private_file};
use serde_json::json;

use super::{Request, now};
use crate::config::WebhookConfig;

/// Between two tries; a message is given up after the last.
const RETRIES: [u64; 5] = [1, 4, 15, 60, 240];
/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Messages under way at the same time; those beyond are left out, and logged.
const UNDER_WAY: usize = 64;
/// The shortest secret, in bytes.
const MIN_SECRET: usize = 16;

/// Where messages go.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    client: reqwest::Client,
    url: String,
    key: Arc<hmac::Key>,
    places: Arc<tokio::sync::Semaphore>,
}

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The secret cannot be read, or others could have read it.
    #[error("the webhook's secret: {0}")]
    Secret(PrivateFileError),
    /// The secret is none.
    #[error(
        "the webhook's secret `{0}` has less than {MIN_SECRET} bytes; make one with \
         `openssl rand -hex 32`"
    )]
    Short(PathBuf),
    /// The HTTP client cannot be made.
    #[error("cannot prepare the webhook: {0}")]
    Client(#[from] reqwest::Error),
}

impl Webhook {
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, WebhookError> {
        let path = &config.secret;
        let text = read_private_file(path).map_err(WebhookError::Secret)?;
        let secret = text.trim_ascii().as_bytes();
        if secret.len() < MIN_SECRET {
            return Err(WebhookError::Short(path.clone()));
        }
        // Another part of the process may have installed one; either is ours.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT);
        if config.url.starts_with("http:") {
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            client: builder.build()?,
            url: config.url.clone(),
            key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret)),
            places: Arc::new(tokio::sync::Semaphore::new(UNDER_WAY)),
        })
    }

    /// Sends in a task of its own. `event` is `requested` or how it was settled.
    pub(super) fn send(&self, event: &'static str, request: &Request) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            tracing::warn!(request = request.id, "too many webhook messages wait; one is left out");
            return;
        };
        let body = body(event, request);
        let (webhook, id) = (self.clone(), request.id.clone());
        tokio::spawn(async move {
            let _place = place;
            for delay in RETRIES.map(Some).into_iter().chain([None]) {
                let Err(error) = webhook.post(&body).await else { return };
                let Some(delay) = delay else {
                    tracing::error!(request = id, %error, "the webhook was not taken: nobody was told");
                    return;
                };
                tracing::warn!(request = id, %error, "the webhook was not taken; trying again in {delay} s");
                tokio::time::sleep(Duration::from_secs(delay)).await;
            }
        });
    }

    async fn post(&self, body: &str) -> reqwest::Result<()> {
        let timestamp = now().to_string();
        let signature = sign(&self.key, &timestamp, body);
        let response = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .header("cofferdam-timestamp", timestamp)
            .header("cofferdam-signature", signature)
            .body(body.to_owned())
            .send()
            .await?;
        response.error_for_status().map(drop)
    }
}

/// What the receiver is told: without secrets, as far as they can be told apart,
/// because it passes through hands that no credential was given to.
fn body(event: &str, request: &Request) -> String {
    let request = match serde_json::to_value(request) {
        Ok(request) => redact_value(request),
        Err(_) => json!({ "id": request.id }),
    };
    json!({ "event": event, "approval": request }).to_string()
}

fn sign(key: &hmac::Key, timestamp: &str, body: &str) -> String {
    let tag = hmac::sign(key, format!("{timestamp}.{body}").as_bytes());
    format!("v1={}", hex(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_the_page_says() {
        // RFC 4231, test case 2: key «Jefe».
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        let tag = hmac::sign(&key, b"what do ya want for nothing?");
        assert!(tag.as_ref().starts_with(&[0x5b, 0xdc, 0xc1, 0x46]));
        let signed = sign(&key, "1700000000", "{}");
        let expected = hmac::sign(&key, b"1700000000.{}");
        assert_eq!(signed, format!("v1={}", hex(expected.as_ref())));
    }
}
