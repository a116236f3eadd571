//! Packs: reviewed rules that come with the program and are named in one line.
//!
//! A pack is a rule file in `policy/packs`. Each of its rules allows, says why in
//! `reason`, and is tested there. A use of a pack says for whom, where, when and
//! with which grant; what a rule of the pack permits, a use cannot widen.
//!
//! Invariant: a rule of a pack is named `pack:NAME/ID`; no rule of a file can
//! have such an id.

/// A pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pack {
    /// Its name.
    pub name: &'static str,
    /// Its rule file.
    pub text: &'static str,
}

/// All packs, in the byte order of their names.
pub const PACKS: [Pack; 10] = [
    Pack { name: "build-c", text: include_str!("../../packs/build-c.toml") },
    Pack { name: "build-node", text: include_str!("../../packs/build-node.toml") },
    Pack { name: "build-python", text: include_str!("../../packs/build-python.toml") },
    Pack { name: "build-rust", text: include_str!("../../packs/build-rust.toml") },
    Pack { name: "files", text: include_str!("../../packs/files.toml") },
    Pack { name: "git-read", text: include_str!("../../packs/git-read.toml") },
    Pack { name: "git-write", text: include_str!("../../packs/git-write.toml") },
    Pack { name: "package-read", text: include_str!("../../packs/package-read.toml") },
    Pack { name: "search", text: include_str!("../../packs/search.toml") },
    Pack { name: "test-runners", text: include_str!("../../packs/test-runners.toml") },
];

impl Pack {
    /// The pack of this name.
    pub(super) fn find(name: &str) -> Option<Self> {
        PACKS.into_iter().find(|pack| pack.name == name)
    }

    /// How it stands in messages, instead of a file.
    #[must_use]
    pub fn file(&self) -> String {
        format!("pack:{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Effect;
    use crate::rules::RuleSet;

    fn parse(pack: Pack) -> RuleSet {
        RuleSet::parse(&[(&pack.file(), pack.text)], [0; 32])
            .unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn every_pack_passes_its_own_tests_and_each_rule_has_one() {
        for pack in PACKS {
            let rules = parse(pack);
            if let Err(failed) = rules.check_tests() {
                panic!("{failed:#?}");
            }
            let missing = rules.coverage().missing;
            assert!(missing.is_empty(), "{}: no test of {missing:?}", pack.name);
        }
    }

    #[test]
    fn every_rule_of_a_pack_only_allows_with_a_reason_and_a_profile() {
        for pack in PACKS {
            for rule in parse(pack).rules {
                let id = format!("{} {}", pack.name, rule.id);
                assert_eq!(rule.effect, Effect::Allow, "{id}");
                assert!(rule.reason.is_some() && rule.gives.profile.is_some(), "{id}");
                assert_eq!(rule.selectors.count(), 0, "{id}: a use says for whom it is");
                assert!(rule.environment.is_none(), "{id}");
            }
        }
    }

    #[test]
    fn packs_are_in_the_order_of_their_names() {
        assert!(PACKS.is_sorted_by_key(|pack| pack.name));
    }
}
