//! Reads a request's body within its limit and checks that it is JSON.
//!
//! The check costs a pass over the bytes and builds next to nothing; in return
//! every malformed message gets the same clear answer and leaves a record.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout_at};

use super::refusal::Refusal;

/// The longest wait for a whole body.
const PATIENCE: Duration = Duration::from_mins(1);

/// The whole body, at most `limit` bytes.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
) -> Result<Bytes, Refusal> {
    if announced(headers).is_some_and(|length| length > limit as u64) {
        return Err(Refusal::TooLarge { limit });
    }
    let mut bytes = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while let Some(frame) = timeout_at(deadline, body.frame()).await.map_err(|_| slow())? {
        let frame = frame.map_err(|error| Refusal::BodyBroken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - bytes.len() {
            return Err(Refusal::TooLarge { limit });
        }
        if bytes.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

/// The length that a request announces.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn slow() -> Refusal {
    Refusal::BodyBroken(format!("it did not arrive within {} s", PATIENCE.as_secs()))
}

/// The method that a message names, which its way depends on; none for answers
/// and for what is no message. Refuses what is not one JSON text.
pub(super) fn method(bytes: &[u8]) -> Result<Option<String>, Refusal> {
    #[derive(Deserialize)]
    struct Message {
        method: Option<String>,
    }
    let malformed = |error: serde_json::Error| Refusal::MalformedJson(error.to_string());
    match serde_json::from_slice::<Message>(bytes) {
        Ok(Message { method }) => Ok(method),
        // JSON, yet not an object with a text there: the protocol layer says so.
        Err(error) if error.is_data() => {
            serde_json::from_slice::<IgnoredAny>(bytes).map_err(malformed)?;
            Ok(None)
        }
        Err(error) => Err(malformed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_read_and_malformed_json_is_refused() {
        let found = |text: &str| method(text.as_bytes());
        assert_eq!(
            found(r#"{"params":{"method":"x"},"method":"a"}"#).unwrap().as_deref(),
            Some("a")
        );
        assert_eq!(found(r#"{"result":{}}"#).unwrap(), None);
        assert_eq!(found(r#"[{"method":"a"}]"#).unwrap(), None);
        assert_eq!(found(r#"{"method":7}"#).unwrap(), None);
        for malformed in ["", "{", r#"{"method":"a"} x"#, r#"{"method":7"#, "\u{fffd}"] {
            assert!(matches!(found(malformed), Err(Refusal::MalformedJson(_))), "{malformed}");
        }
    }
}
