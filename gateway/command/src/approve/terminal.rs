//! The terminal in which a person is asked.

use std::io::{self, BufRead, IsTerminal, Stdin, Stdout, Write};

use rustix::termios::{QueueSelector, tcflush};

/// A terminal with somebody in front of it, as far as that can be told.
pub(super) struct Terminal {
    input: Stdin,
    out: Stdout,
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TerminalError {
    /// There is none.
    #[error(
        "there is no terminal to show the request and ask in: look at it with `cofferdam approve \
         list --json`, and answer with `cofferdam approve ID --yes`"
    )]
    Nobody,
    /// It fails.
    #[error("the terminal fails: {0}")]
    Io(#[from] io::Error),
}

impl Terminal {
    /// Input and output both have to be one.
    pub(super) fn open() -> Result<Self, TerminalError> {
        let (input, out) = (io::stdin(), io::stdout());
        if input.is_terminal() && out.is_terminal() {
            Ok(Self { input, out })
        } else {
            Err(TerminalError::Nobody)
        }
    }

    pub(super) fn say(&mut self, text: &str) -> Result<(), TerminalError> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// What was typed after the question, without spaces around it; none: the end
    /// of the input.
    pub(super) fn ask(&mut self, question: &str) -> Result<Option<String>, TerminalError> {
        // What was typed before the question was no answer to it.
        tcflush(&self.input, QueueSelector::IFlush).map_err(io::Error::from)?;
        self.say(question)?;
        let mut line = String::new();
        if self.input.lock().read_line(&mut line)? == 0 {
            self.say("\n")?;
            return Ok(None);
        }
        Ok(Some(line.trim().to_owned()))
    }
}
