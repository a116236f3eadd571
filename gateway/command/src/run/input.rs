//! Standard input of a run: given at once where it ends at once, else as it comes.
//!
//! What is given at once is part of the command that rules decide on; input that stays
//! open has to be permitted by itself. So a pipe is looked at for a moment first, and
//! `echo x | cofferdam run …` needs no rule more than the command.

use std::io::{self, IsTerminal};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::process::keyboard::Keyboard;
use crate::process::start::Streams;

/// Bytes that are given at once, at most.
const AT_ONCE: usize = 1024 * 1024;
/// How long its end is waited for.
const MOMENT: Duration = Duration::from_millis(150);

/// What a run gets to read.
#[derive(Debug)]
pub(crate) enum Input {
    /// Nothing.
    None,
    /// All of it.
    Whole(Vec<u8>),
    /// The beginning, and more as it comes.
    Open(Vec<u8>, Keyboard),
}

impl Input {
    /// Looks at standard input; what is typed counts only where it is `wanted`.
    pub(crate) async fn look(wanted: bool) -> Self {
        if io::stdin().is_terminal() {
            return if wanted { Self::Open(Vec::new(), Keyboard::start()) } else { Self::None };
        }
        let mut keyboard = Keyboard::start();
        let mut begun = Vec::new();
        let until = Instant::now() + MOMENT;
        while begun.len() <= AT_ONCE {
            match timeout_at(until, keyboard.next()).await {
                Ok(Some(more)) => begun.extend(more),
                // The tool takes text.
                Ok(None) if std::str::from_utf8(&begun).is_ok() => return Self::Whole(begun),
                Ok(None) | Err(_) => break,
            }
        }
        Self::Open(begun, keyboard)
    }

    /// What is given to it once it has started.
    pub(crate) fn rest(self) -> Option<(Vec<u8>, Keyboard)> {
        match self {
            Self::None | Self::Whole(_) => None,
            Self::Open(begun, keyboard) => Some((begun, keyboard)),
        }
    }

    /// As the run is started.
    pub(crate) fn streams(&self) -> Streams {
        match self {
            Self::None => Streams::default(),
            Self::Whole(bytes) => Streams { stdin: bytes.clone(), ..Streams::default() },
            Self::Open(..) => Streams { is_open: true, ..Streams::default() },
        }
    }
}
