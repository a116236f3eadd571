//! How sure a match is.
//!
//! Not everything can be known before running. An allow rule needs
//! [`Match::Yes`]; a deny or ask rule fires on [`Match::Perhaps`] too.

/// How sure it is that a pattern matches. `min` is «and», `max` is «or».
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Match {
    /// It does not.
    No,
    /// It cannot be told.
    Perhaps,
    /// It does.
    Yes,
}

/// What a pattern is read for. A rule permits what it surely covers; it guards
/// what it may cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To permit.
    Permit,
    /// To deny or ask.
    Guard,
}

impl From<bool> for Match {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

impl Match {
    /// Whether it does not match; what cannot be told stays so.
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Perhaps => Self::Perhaps,
            Self::Yes => Self::No,
        }
    }

    /// Not certain any more.
    pub(crate) fn doubtful(self) -> Self {
        self.min(Self::Perhaps)
    }
}
