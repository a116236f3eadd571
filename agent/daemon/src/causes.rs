//! Errors in full, for the person who must act: with their causes, each told once.
//!
//! Some messages hold their cause, others leave it to `source()`; those of other crates
//! (a connection that failed) say little without it.

use std::error::Error;

/// Its message, and those of its causes that are not in it already.
#[must_use]
pub fn in_full(error: &(dyn Error + 'static)) -> String {
    added(error.to_string(), error)
}

/// What is `told` of an error already, and those of its causes that are not in it.
#[must_use]
pub fn added(told: String, error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| Error::source(*cause));
    causes.map(ToString::to_string).fold(told, |told, cause| {
        if told.contains(&cause) { told } else { format!("{told}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("cannot read it: {0}; is it there?")]
        Holds(#[source] io::Error),
        #[error("cannot read it")]
        Leaves(#[source] io::Error),
    }

    #[test]
    fn a_cause_is_told_once_whether_the_message_holds_it_or_not() {
        let cause = || io::Error::other("the disk is gone");
        assert_eq!(
            in_full(&Failed::Holds(cause())),
            "cannot read it: the disk is gone; is it there?"
        );
        assert_eq!(in_full(&Failed::Leaves(cause())), "cannot read it: the disk is gone");
    }
}
