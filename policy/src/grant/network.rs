//! What of the network a grant lets be reached: nothing said, and then it is
//! what the profile says, or lists of destinations, each of which must allow a
//! target.
//!
//! Invariant: two grants meet by keeping the lists of both side by side, so
//! that nobody has to intersect patterns and what is left allows exactly what
//! both allow. No list is dropped as covered by another: a destination also says
//! which addresses a name may lead to, and there a wider pattern can ask for
//! more. An empty list allows nothing, and is not the same as no list.

use std::fmt;

use cofferdam_proxy_protocol::Destination;

/// The most destinations of one list; a host takes no more.
pub(crate) const MAX_DESTINATIONS: usize = 256;
/// The most lists of one grant; a host takes no more.
const MAX_LISTS: usize = 16;
/// The most destinations of one list that are told.
const MAX_TOLD: usize = 8;

/// The network of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Sorted by their text and without doubles, like the destinations of each.
    lists: Vec<Vec<Destination>>,
}

impl Network {
    /// What the profile says.
    #[must_use]
    pub fn profile() -> Self {
        Self::default()
    }

    /// Of what the profile says only these destinations; none: nothing.
    #[must_use]
    pub fn only(destinations: Vec<Destination>) -> Self {
        Self::sorted(vec![destinations])
    }

    /// Whether it leaves all to the profile.
    #[must_use]
    pub fn is_profile(&self) -> bool {
        self.lists.is_empty()
    }

    /// As it travels: the destinations of each list. No list: what the profile
    /// says.
    #[must_use]
    pub fn to_texts(&self) -> Vec<Vec<String>> {
        self.lists.iter().map(|list| texts(list)).collect()
    }

    /// What both allow; `None` where that has more lists than a host takes.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let met = Self::sorted([self.lists.as_slice(), &other.lists].concat());
        (met.lists.len() <= MAX_LISTS).then_some(met)
    }

    fn sorted(mut lists: Vec<Vec<Destination>>) -> Self {
        for list in &mut lists {
            list.sort_by_cached_key(ToString::to_string);
            list.dedup();
        }
        lists.sort_by_cached_key(|list| texts(list));
        lists.dedup();
        Self { lists }
    }
}

fn texts(list: &[Destination]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// `network of the profile`, or `network only a.org:443, b.org:443 and of these
/// only *.org:443`.
impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("network ")?;
        if self.is_profile() {
            return out.write_str("of the profile");
        }
        for (index, list) in self.lists.iter().enumerate() {
            out.write_str(if index == 0 { "only " } else { " and of these only " })?;
            match list.as_slice() {
                [] => out.write_str("nothing")?,
                list => out.write_str(&texts(&list[..list.len().min(MAX_TOLD)]).join(", "))?,
            }
            match list.len().saturating_sub(MAX_TOLD) {
                0 => {}
                more => write!(out, " or {more} more")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
