//! Under which conditions a rule applies.

use cofferdam_policy::{Call, Word};
use jiff::Timestamp;
use toml::Table;

use super::parts::{Part, Parts};
use super::{Rules, Sure, strings};

/// Whether the rule is valid when the call is made: from a moment on, and up to
/// but not at another.
pub(crate) fn is_in_time(rule: &Table, call: &Call) -> bool {
    let Some(valid) = rule.get("valid") else { return true };
    let moment =
        |key: &str| valid.get(key).map(|text| text.as_str().unwrap().parse::<Timestamp>().unwrap());
    moment("from").is_none_or(|from| from <= call.at)
        && moment("until").is_none_or(|until| call.at < until)
}

/// Whether an allow or ask rule may permit: also by what the host holds.
pub(crate) fn are_met(rule: &Table, call: &Call) -> bool {
    let held = |layer: &String| call.host.layers.as_ref().is_some_and(|held| held.contains(layer));
    let layers = rule.get("require").map(strings).unwrap_or_default();
    is_in_time(rule, call) && layers.iter().all(held)
}

impl Rules {
    /// Whether a rule that is about a part wants a human because of an argument.
    pub(crate) fn asks_for(
        &self,
        rule: &Table,
        part: &Part,
        parts: &Parts<'_>,
        call: &Call,
    ) -> bool {
        let Some(wanted) = rule.get("ask_if") else { return false };
        let one = |word: &Word| {
            let mut all = wanted.as_array().unwrap().iter();
            all.any(|pattern| self.value(pattern, word, &parts.around) != Sure::No)
        };
        self.guards(rule, part, parts, call) != Sure::No
            && match part {
                Part::Program { words, .. } => words.iter().any(one),
                Part::Opaque => true,
                Part::Shell
                | Part::Path(_)
                | Part::Lookup(_)
                | Part::Units(..)
                | Part::Process
                | Part::Tool => false,
            }
    }
}
