//! Units of the service manager, as rules and calls name them: whole names such
//! as `nginx.service`, or globs such as `app-*.service`.
//!
//! A listing asks for all units of a glob, so that two globs have to be compared:
//! an allow rule has to name every unit that the listing could show, and a deny
//! rule fires where it names one of them.
//!
//! Names: systemd.unit(5), «String escaping for inclusion in unit names».

use std::fmt;

use super::matching::{Match, Purpose};
use crate::text::shown;

/// The longest name of a unit, in bytes (`UNIT_NAME_MAX` less its end).
const MAX_NAME: usize = 255;

/// What units are, by the end of their names.
const KINDS: [&str; 11] = [
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "socket",
    "swap",
    "target",
    "timer",
];

/// Units: one, or all that a glob names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Units {
    written: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Exactly this.
    Character(char),
    /// One character.
    One,
    /// Any number of characters.
    Many,
}

/// What is read of units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitUse {
    pub(crate) units: Units,
    /// Their journal rather than their state.
    pub(crate) journal: bool,
}

impl Units {
    /// Reads the whole name of one unit.
    ///
    /// # Errors
    /// It is none; the text follows the name in a sentence.
    pub(crate) fn one(name: &str) -> Result<Self, String> {
        check_characters(name, "")?;
        let kind = name.rsplit_once('.').filter(|(before, _)| !before.is_empty());
        if kind.is_none_or(|(_, kind)| !KINDS.contains(&kind)) {
            return Err("has no kind of unit at its end; write the whole name, such as \
                        `nginx.service`"
                .to_owned());
        }
        Ok(Self::new(name))
    }

    /// Reads a name or a glob: `*` is any text, `?` one character.
    ///
    /// # Errors
    /// It can name no unit; the text follows the name in a sentence.
    pub(crate) fn glob(text: &str) -> Result<Self, String> {
        if !text.contains(['*', '?']) {
            return Self::one(text);
        }
        check_characters(text, "*?")?;
        let steps = Self::new(text);
        let possible = KINDS.iter().any(|kind| steps.meets(&Self::new(&format!("?*.{kind}"))));
        if possible {
            Ok(steps)
        } else {
            Err(format!("ends as no unit does; end it in {}", ends()))
        }
    }

    fn new(text: &str) -> Self {
        let mut steps: Vec<Step> = text
            .chars()
            .map(|character| match character {
                '*' => Step::Many,
                '?' => Step::One,
                other => Step::Character(other),
            })
            .collect();
        steps.dedup_by(|one, other| *one == Step::Many && *other == Step::Many);
        Self { written: text.to_owned(), steps }
    }

    /// How surely these units of a rule, read for this purpose, are about those
    /// of a call.
    pub(crate) fn about(&self, purpose: Purpose, of: &Self) -> Match {
        if self.covers(of) {
            return Match::Yes;
        }
        Match::from(purpose == Purpose::Guard && self.meets(of)).doubtful()
    }

    /// Whether every unit of `other` is one of these. No where it cannot be
    /// told from the steps alone.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let mut next = vec![false; self.steps.len() + 1];
        next[0] = true;
        self.skip(&mut next);
        for taken in &other.steps {
            let mut then = vec![false; next.len()];
            for (at, step) in self.steps.iter().enumerate().filter(|(at, _)| next[*at]) {
                match step {
                    // Takes whatever the other stands for.
                    Step::Many => then[at] = true,
                    Step::One => then[at + 1] |= *taken != Step::Many,
                    Step::Character(_) => then[at + 1] |= step == taken,
                }
            }
            next = then;
            self.skip(&mut next);
        }
        next[self.steps.len()]
    }

    /// Whether some text is named by both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let width = other.steps.len() + 1;
        let mut seen = vec![false; (self.steps.len() + 1) * width];
        let mut open = vec![(0, 0)];
        while let Some((one, two)) = open.pop() {
            if std::mem::replace(&mut seen[one * width + two], true) {
                continue;
            }
            open.extend(
                match (self.steps.get(one), other.steps.get(two)) {
                    (None, None) => return true,
                    (Some(Step::Many), None) => [Some((one + 1, two)), None],
                    (None, Some(Step::Many)) => [Some((one, two + 1)), None],
                    (None, Some(_)) | (Some(_), None) => [None, None],
                    // A star stands for nothing, or for what the other takes next.
                    (Some(Step::Many), Some(_)) | (Some(_), Some(Step::Many)) => {
                        [Some((one + 1, two)), Some((one, two + 1))]
                    }
                    (Some(a), Some(b)) => {
                        let same = a == b || *a == Step::One || *b == Step::One;
                        [same.then_some((one + 1, two + 1)), None]
                    }
                }
                .into_iter()
                .flatten(),
            );
        }
        false
    }

    /// What may be any number may be none.
    fn skip(&self, next: &mut [bool]) {
        for (at, step) in self.steps.iter().enumerate() {
            if *step == Step::Many {
                next[at + 1] |= next[at];
            }
        }
    }

    /// How narrow it is, for telling the narrower of two.
    pub(crate) fn rank(&self) -> (u8, usize, bool) {
        let fixed = self.steps.iter().filter(|step| matches!(step, Step::Character(_))).count();
        (0, fixed, fixed == self.steps.len())
    }

    /// As it is written.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }
}

impl fmt::Display for Units {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&shown(self.written.as_bytes()))
    }
}

fn check_characters(text: &str, more: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > MAX_NAME {
        return Err(format!(
            "is no name of a unit; write one of 1 to {MAX_NAME} bytes, such as `nginx.service`"
        ));
    }
    let good = |character: char| {
        character.is_ascii_alphanumeric()
            || ":-_.\\@".contains(character)
            || more.contains(character)
    };
    if text.chars().all(good) && !text.starts_with('@') {
        return Ok(());
    }
    Err("is no name of a unit; write letters, digits, and `:-_.\\@`".to_owned())
}

fn ends() -> String {
    KINDS.map(|kind| format!(".{kind}")).join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units(text: &str) -> Units {
        Units::new(text)
    }

    #[test]
    fn a_name_has_a_kind_and_a_glob_may_have_one() {
        for good in ["nginx.service", "a@b.service", "-.mount", "dev-disk\\x2d1.swap", "a:b.scope"]
        {
            assert!(Units::one(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "nginx",
            ".service",
            "a.conf",
            "a/b.service",
            "a b.service",
            "@a.service",
            "a.service\n",
            "é.service",
            "*.service",
            "a.Service",
        ] {
            assert!(Units::one(bad).is_err(), "{bad}");
        }
        for good in ["*", "app-*", "app-*.service", "?.*", "nginx.service", "x.serv*"] {
            assert!(Units::glob(good).is_ok(), "{good}");
        }
        for bad in ["nginx", "*.conf", "*/x.service", "* .service", "*.service "] {
            assert!(Units::glob(bad).is_err(), "{bad}");
        }
        assert!(Units::one(&format!("{}.service", "a".repeat(300))).is_err());
    }

    #[test]
    fn a_glob_covers_a_narrower_glob_and_meets_what_shares_a_name() {
        for (wide, narrow, covers, meets) in [
            ("*", "a*b", true, true),
            ("a*", "ab*", true, true),
            ("ab*", "a*", false, true),
            ("a*c", "*b*", false, true),
            ("a?", "a*", false, true),
            ("a*", "a?", true, true),
            ("a", "b", false, false),
            ("a*", "b*", false, false),
            ("**", "*", true, true),
            ("*.service", "*.timer", false, false),
            ("*", "", true, true),
        ] {
            assert_eq!(units(wide).covers(&units(narrow)), covers, "{wide} covers {narrow}");
            assert_eq!(units(wide).meets(&units(narrow)), meets, "{wide} meets {narrow}");
        }
    }

    proptest! {
        #[test]
        fn covering_and_meeting_are_as_the_names_say(
            wide in "[ab*?]{0,5}", narrow in "[ab*?]{0,5}",
            names in proptest::collection::vec("[ab]{0,6}", 24),
        ) {
            let (wide, narrow) = (units(&wide), units(&narrow));
            for name in names.iter().map(|name| units(name)) {
                let (inside, within) = (wide.covers(&name), narrow.covers(&name));
                prop_assert!(!within || inside || !wide.covers(&narrow));
                prop_assert!(!(within && inside) || wide.meets(&narrow));
                prop_assert_eq!(inside, wide.meets(&name));
            }
            prop_assert_eq!(wide.meets(&narrow), narrow.meets(&wide));
        }
    }

    #[test]
    fn hostile_globs_take_no_longer_than_the_product_of_their_lengths() {
        let glob = units(&"*a".repeat(120));
        assert!(glob.covers(&glob) && glob.meets(&units(&"a*".repeat(120))));
    }
}
