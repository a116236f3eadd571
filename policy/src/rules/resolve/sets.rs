//! Sets: names for lists of texts, written `@name` where a list is wanted.
//! A set holds texts only, no other sets, so that there are no cycles.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::super::error::{Place, Report, choices};
use super::super::file::File;

/// All sets of all files.
#[derive(Debug, Default)]
pub(in super::super) struct Sets(BTreeMap<String, Set>);

#[derive(Debug)]
struct Set {
    members: Vec<String>,
    place: Place,
    /// Whether something named it.
    used: Cell<bool>,
}

impl Sets {
    /// Collects the sets of all files.
    pub(in super::super) fn collect(files: &mut [File<'_>], report: &mut Report) -> Self {
        let mut sets = BTreeMap::new();
        for file in files {
            for (name, members) in file.sets.drain(..) {
                let key = format!("sets.{}", name.get_ref());
                if members.iter().any(|member| member.starts_with('@')) {
                    let message = "a set holds no other set; write its members";
                    report.add(file.source, name.span(), &key, message);
                }
                if members.is_empty() {
                    let message = "an empty set matches nothing; fill it or leave it out";
                    report.add(file.source, name.span(), &key, message);
                }
                match sets.entry(name.get_ref().clone()) {
                    Entry::Vacant(entry) => {
                        let place = file.source.at(name.span());
                        entry.insert(Set { members, place, used: Cell::new(false) });
                    }
                    Entry::Occupied(_) => {
                        let message = "there is a set of this name already; give it another one";
                        report.add(file.source, name.span(), &key, message);
                    }
                }
            }
        }
        Self(sets)
    }

    /// The members of `@name`; `@@x` is the text `@x`; others are themselves.
    pub(in super::super) fn expand(&self, text: &str) -> Result<Vec<String>, String> {
        let Some(name) = text.strip_prefix('@') else { return Ok(vec![text.to_owned()]) };
        if name.starts_with('@') {
            return Ok(vec![name.to_owned()]);
        }
        let set = self.0.get(name).ok_or_else(|| {
            let known = self.0.keys().map(String::as_str);
            format!("no set is named `{name}`; {}", choices(name, known))
        })?;
        set.used.set(true);
        Ok(set.members.clone())
    }

    /// Those that nothing named, once all is resolved.
    pub(in super::super) fn into_unused(self) -> Vec<(String, Place)> {
        let unused = self.0.into_iter().filter(|(_, set)| !set.used.get());
        unused.map(|(name, set)| (name, set.place)).collect()
    }
}
