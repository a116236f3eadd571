//! The terminal of the person who sits here: raw while a program at the other end has
//! it, as it was before at every end.
//!
//! Invariant: whatever happens to this program but a `kill -9`, the terminal is set back:
//! by dropping [`Raw`], and by a panic's first act. Signals that end it are caught by
//! whoever holds [`Raw`].

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// How the terminal was; none: it is as it was.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal is raw while this lives.
#[derive(Debug)]
pub(crate) struct Raw(());

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Lines.
    pub(crate) rows: u16,
    /// Characters of a line.
    pub(crate) columns: u16,
}

impl Raw {
    /// Takes every key from here on as it is, and shows nothing by itself.
    pub(crate) fn enter() -> io::Result<Self> {
        restore_on_panic();
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        *kept() = Some(before);
        let guard = Self(());
        // What was typed ahead is for the program, too.
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(guard)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

fn kept() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn restore() {
    if let Some(before) = kept().take() {
        // There is no other way to set it back.
        _ = tcsetattr(io::stdin(), OptionalActions::Drain, &before);
    }
}

/// A panic says what it is in lines, and may end the process at once.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            usual(panic);
        }));
    });
}

/// The size of the terminal that is shown on; none: there is none.
pub(crate) fn size() -> Option<Size> {
    let size = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stdin())).ok()?;
    let (rows, columns) = (size.ws_row, size.ws_col);
    (rows > 0 && columns > 0).then_some(Size { rows, columns })
}

/// Whether a person types here and sees what is shown.
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Says a line on standard error, also while the terminal is raw.
pub(crate) fn say(line: &str) {
    let end = if kept().is_some() { "\r\n" } else { "\n" };
    let begin = if kept().is_some() { "\r" } else { "" };
    _ = write!(io::stderr(), "{begin}cofferdam: {line}{end}");
}
