//! What a person types, or a pipe holds, as it comes.
//!
//! Standard input is read by a thread of its own: nothing else can wait for it without
//! changing the file that this process shares with whoever started it.

use std::io::Read;

use tokio::sync::mpsc;

use super::feed::MOST;

/// Pieces that wait to be sent; a pipe is held up beyond.
const WAITING: usize = 4;

/// Standard input.
#[derive(Debug)]
pub(crate) struct Keyboard(mpsc::Receiver<Vec<u8>>);

impl Keyboard {
    /// Begins to read.
    pub(crate) fn start() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        // It ends with the process: a read of a terminal cannot be broken off.
        std::thread::spawn(move || {
            let mut buffer = vec![0; MOST / WAITING];
            let mut input = std::io::stdin().lock();
            loop {
                match input.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(length) => {
                        if sender.blocking_send(buffer[..length].to_vec()).is_err() {
                            return;
                        }
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        });
        Self(receiver)
    }

    /// What was typed since, all of it together; none: nothing more comes.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        let mut all = self.0.recv().await?;
        while all.len() < MOST
            && let Ok(more) = self.0.try_recv()
        {
            all.extend(more);
        }
        Some(all)
    }
}
