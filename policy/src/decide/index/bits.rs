//! Sets of rules, by their numbers.

use std::collections::HashMap;

/// A set of rules, one bit for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

/// The rules of one key: a list while they are few, bits when they are many, so
/// that they take at most four bytes for each, and few steps to add.
#[derive(Debug, Clone)]
enum Postings {
    Few(Vec<u32>),
    Many(Bits),
}

/// Rules by key.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// How many rules there are, of whatever key.
    rules: usize,
    postings: HashMap<Box<[u8]>, Postings>,
}

impl Bits {
    /// The empty set, with room for so many rules.
    pub(super) fn none(rules: usize) -> Self {
        Self(vec![0; rules.div_ceil(64)])
    }

    pub(super) fn insert(&mut self, rule: u32) {
        if let Some(word) = self.0.get_mut(rule as usize / 64) {
            *word |= 1 << (rule % 64);
        }
    }

    pub(super) fn contains(&self, rule: u32) -> bool {
        self.0.get(rule as usize / 64).is_some_and(|word| word & (1 << (rule % 64)) != 0)
    }

    /// Adds all of `other`.
    pub(super) fn unite(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
    }

    /// Leaves only what is in `other` too.
    pub(super) fn narrow(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
    }

    /// Becomes as `other`, which has room for as many.
    pub(super) fn copy(&mut self, other: &Self) {
        self.0.copy_from_slice(&other.0);
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The numbers, from the smallest.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        (0_u32..).zip(&self.0).flat_map(|(at, word)| ones(at, *word))
    }

    /// The numbers, from the smallest.
    pub(super) fn into_iter(self) -> impl Iterator<Item = u32> {
        (0_u32..).zip(self.0).flat_map(|(at, word)| ones(at, word))
    }
}

/// The numbers of the bits of the word at `at`.
fn ones(at: u32, mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some(at * 64 + bit)
    })
}

impl Table {
    pub(super) fn new(rules: usize) -> Self {
        Self { rules, postings: HashMap::new() }
    }

    /// Rules are inserted in the order of their numbers.
    pub(super) fn insert(&mut self, key: &[u8], rule: u32) {
        let postings = match self.postings.get_mut(key) {
            Some(postings) => postings,
            None => self.postings.entry(key.into()).or_insert(Postings::Few(Vec::new())),
        };
        match postings {
            Postings::Many(bits) => bits.insert(rule),
            Postings::Few(list) if list.last() == Some(&rule) => {}
            Postings::Few(list) if list.len() < self.rules / 32 + 1 => list.push(rule),
            Postings::Few(list) => {
                let mut bits = Bits::none(self.rules);
                for rule in list.iter().chain([&rule]) {
                    bits.insert(*rule);
                }
                *postings = Postings::Many(bits);
            }
        }
    }

    /// Adds the rules of this key to `bits`.
    pub(super) fn add(&self, key: &[u8], bits: &mut Bits) {
        match self.postings.get(key) {
            None => {}
            Some(Postings::Few(list)) => {
                for rule in list {
                    bits.insert(*rule);
                }
            }
            Some(Postings::Many(many)) => bits.unite(many),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.postings.is_empty()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.postings.keys().map(|key| &**key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rules: usize, numbers: &[u32]) -> Bits {
        let mut bits = Bits::none(rules);
        for number in numbers {
            bits.insert(*number);
        }
        bits
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_beyond_its_room() {
        let bits = of(130, &[129, 0, 63, 64, 5000]);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 63, 64, 129]);
        assert!(bits.contains(63) && !bits.contains(62) && !bits.contains(5000));
        assert_eq!((bits.len(), Bits::none(0).len()), (4, 0));
        let mut both = bits.clone();
        both.narrow(&of(130, &[63, 65]));
        assert_eq!(both.iter().collect::<Vec<_>>(), [63]);
        both.unite(&bits);
        assert_eq!(both, bits);
    }

    #[test]
    fn a_key_of_many_rules_holds_them_all() {
        let mut table = Table::new(1000);
        for rule in (0..1000).step_by(3) {
            table.insert(b"many", rule);
            table.insert(b"many", rule);
        }
        table.insert(b"one", 7);
        let mut bits = Bits::none(1000);
        table.add(b"many", &mut bits);
        assert_eq!(bits.iter().collect::<Vec<_>>(), (0..1000).step_by(3).collect::<Vec<_>>());
        table.add(b"one", &mut bits);
        table.add(b"none", &mut bits);
        assert!(bits.contains(7) && bits.len() == 335);
    }
}
