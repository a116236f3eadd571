//! What holds at one place, and what has to hold everywhere.
//!
//! Some text is only seen through because of other text: `$((i+1))` runs nothing
//! where `i` holds a number, `f` runs no program where it is a function. [`Sure`]
//! is what was done before a place, whatever else happened; [`Claims`] are checked
//! against the whole script, because a loop or a function may come back.

use std::collections::BTreeSet;

/// The most names that are kept of each kind; more of them are not sure.
const MOST: usize = 64;

/// What was done before a place, whatever else happened.
#[derive(Debug, Clone, Default)]
pub(super) struct Sure {
    /// Variables that were set to a number.
    numbers: BTreeSet<String>,
    /// Functions that were defined.
    functions: BTreeSet<String>,
}

impl Sure {
    pub(super) fn number(&mut self, name: &str) {
        if self.numbers.len() < MOST {
            self.numbers.insert(name.to_owned());
        }
    }

    pub(super) fn function(&mut self, name: &str) {
        if self.functions.len() < MOST {
            self.functions.insert(name.to_owned());
        }
    }

    pub(super) fn is_number(&self, name: &str) -> bool {
        self.numbers.contains(name)
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }
}

/// What the whole script has to agree with.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims {
    /// Variables whose values are evaluated.
    evaluated: BTreeSet<String>,
    /// Variables that are set to what may be no number.
    others: BTreeSet<String>,
    /// Functions that are called.
    called: BTreeSet<String>,
    /// Names that are unset.
    unset: BTreeSet<String>,
    /// Numbers stand without quotes where a split would matter.
    unsplit: bool,
    /// What splits words is changed.
    splitter: bool,
}

impl Claims {
    pub(super) fn evaluates(&mut self, name: &str) {
        self.evaluated.insert(name.to_owned());
    }

    pub(super) fn calls(&mut self, name: &str) {
        self.called.insert(name.to_owned());
    }

    pub(super) fn unsets(&mut self, name: &str) {
        self.unset.insert(name.to_owned());
        self.others.insert(name.to_owned());
    }

    pub(super) fn sets(&mut self, name: &str, is_number: bool) {
        self.splitter |= name == "IFS";
        if !is_number {
            self.others.insert(name.to_owned());
        }
    }

    pub(super) fn is_not_split(&mut self) {
        self.unsplit = true;
    }

    /// What does not hold, if anything.
    pub(super) fn broken(&self) -> Option<String> {
        if let Some(name) = self.evaluated.intersection(&self.others).next() {
            return Some(format!("arithmetic evaluates `{name}`, which may hold no number"));
        }
        if let Some(name) = self.called.intersection(&self.unset).next() {
            return Some(format!("the function `{name}` may be gone when it is called"));
        }
        (self.unsplit && self.splitter).then(|| "it changes how words are split".to_owned())
    }
}
