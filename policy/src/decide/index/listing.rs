//! What rules permit, in words and sorted, so that a denial can tell the first
//! few without putting all rules in words.

use super::bits::Bits;
use crate::rules::rule::Rule;

/// The programs, paths and units that the rules of the widest scope permit.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub(super) programs: List,
    pub(super) paths: List,
    pub(super) services: List,
}

/// Patterns in words.
#[derive(Debug, Clone)]
pub(super) struct List {
    /// Sorted by their text.
    entries: Vec<Entry>,
    /// For each rule the places of its entries.
    places: Vec<Vec<u32>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    text: String,
    rule: u32,
    /// Which of the rule's patterns.
    pattern: usize,
}

impl Listing {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let base = rules.iter().filter(|rule| rule.is_positive()).map(|rule| rule.scope).min();
        let permits = |rule: &&(u32, &Rule)| rule.1.is_positive() && Some(rule.1.scope) == base;
        let numbered: Vec<(u32, &Rule)> = (0..).zip(rules).collect();
        let (mut programs, mut paths, mut services) = (Vec::new(), Vec::new(), Vec::new());
        for (number, rule) in numbered.iter().filter(permits) {
            let entry = |(pattern, text)| Entry { text, rule: *number, pattern };
            programs.extend(rule.programs.iter().map(ToString::to_string).enumerate().map(entry));
            paths.extend(rule.paths.iter().map(ToString::to_string).enumerate().map(entry));
            services.extend(rule.services.told().into_iter().enumerate().map(entry));
        }
        let list = |entries| List::new(entries, rules.len());
        Self { programs: list(programs), paths: list(paths), services: list(services) }
    }
}

impl List {
    fn new(mut entries: Vec<Entry>, rules: usize) -> Self {
        entries.sort_unstable();
        let mut places = vec![Vec::new(); rules];
        for (place, entry) in (0..).zip(&entries) {
            places[entry.rule as usize].push(place);
        }
        Self { entries, places }
    }

    /// Adds to `out`, until it holds `most`, the texts of these rules' patterns
    /// that are not in it and that `keep` wants, in order. `keep` is given the
    /// rule and the pattern.
    pub(super) fn pick(
        &self,
        rules: &Bits,
        most: usize,
        keep: impl Fn(u32, usize) -> bool,
        out: &mut Vec<String>,
    ) {
        let mut take = |entry: &Entry| {
            if out.len() < most && !out.contains(&entry.text) && keep(entry.rule, entry.pattern) {
                out.push(entry.text.clone());
            }
            out.len() < most
        };
        let some = rules.len();
        // Few rules: their entries, sorted. Many: the first entries of all soon
        // hold enough of them.
        if some * some <= 2 * self.entries.len() {
            let mut places: Vec<u32> =
                rules.iter().flat_map(|rule| self.places[rule as usize].iter().copied()).collect();
            places.sort_unstable();
            let _ = places.into_iter().all(|place| take(&self.entries[place as usize]));
        } else {
            let _ = self.entries.iter().filter(|entry| rules.contains(entry.rule)).all(take);
        }
    }
}
