//! What collectors were told last, told again for a while.
//!
//! Invariant: however many ask and leave, one reads at a time, and not before what was
//! read last is old. A read that began goes on where who asked for it has left, and
//! whoever comes meanwhile waits for it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// What was read so long ago is told again.
const FRESH: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Told(Arc<Mutex<Option<Text>>>);

#[derive(Debug)]
struct Text {
    read_at: Instant,
    text: Arc<str>,
}

impl Told {
    /// What was told last, if that is fresh, or what `read` says now, on a thread that
    /// may block; none: it failed, and the log has why.
    pub(super) async fn or_read(
        &self,
        read: impl FnOnce() -> Result<String, fmt::Error> + Send + 'static,
    ) -> Option<Arc<str>> {
        let mut told = Arc::clone(&self.0).lock_owned().await;
        if let Some(last) = told.as_ref().filter(|last| last.read_at.elapsed() < FRESH) {
            return Some(Arc::clone(&last.text));
        }
        let read = tokio::task::spawn_blocking(move || {
            let text: Arc<str> = read()?.into();
            *told = Some(Text { read_at: Instant::now(), text: Arc::clone(&text) });
            Ok::<_, fmt::Error>(text)
        });
        match read.await {
            Ok(Ok(text)) => Some(text),
            Ok(Err(error)) => {
                tracing::error!(%error, "the metrics cannot be written");
                None
            }
            Err(error) => {
                tracing::error!(%error, "reading the metrics was broken off");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn askers_that_leave_have_nobody_read_beside_the_one_who_does() {
        let (told, reads) = (Told::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let reads = Arc::clone(&reads);
            told.or_read(move || {
                let number = reads.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(300));
                Ok(number.to_string())
            })
        };
        for _ in 0..10 {
            let asked = tokio::time::timeout(Duration::from_millis(10), ask());
            assert!(asked.await.is_err(), "it takes longer");
        }
        // What the first of them asked for.
        assert_eq!(ask().await.as_deref(), Some("0"));
        assert_eq!(reads.load(Ordering::SeqCst), 1);
        tokio::time::sleep(FRESH).await;
        assert_eq!(ask().await.as_deref(), Some("1"));
    }
}
