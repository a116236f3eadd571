//! A child is nowhere wider than its parent.
//!
//! Checked on resolved profiles, key by key, so that it does not matter what the
//! child said and what it has from the parent. Being within is transitive: a
//! property test composes it. What carries no right is not compared: names,
//! descriptions, the search path, and the values of variables (whatever they say,
//! the kernel allows the same).

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;

use cofferdam_plan::Layer;

use crate::layers::layer_name;
use crate::limits::in_bytes;
use crate::trees::Tree;
use crate::{Network, Profile, ProfileError, Scratch, Session};

/// Where a child is wider: the key, what it has there, and what its parent has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wider {
    key: &'static str,
    child: String,
    bound: String,
}

/// Checks that `child` is nowhere wider than `parent`.
pub(crate) fn check(child: &Profile, parent: &Profile) -> Result<(), Wider> {
    compared(child);
    flag("workspace.access", child.write, parent.write, ["\"read\"", "\"write\""])?;
    flag("workspace.execute", child.execute, parent.execute, ["false", "true"])?;
    protections(child, parent)?;
    trees("view.show", &child.show, &parent.show)?;
    trees("view.read", &child.read, &parent.readable())?;
    trees("programs.execute", &child.programs, &parent.executable())?;
    trees("programs.libraries", &child.libraries, &parent.libraries)?;
    scratch(&child.scratch, &parent.scratch)?;
    network(&child.network, &parent.network)?;
    flag("network.loopback", child.loopback, parent.loopback, ["false", "true"])?;
    filter(&child.filter, &parent.filter)?;
    for (own, bound) in child.limits.amounts().into_iter().zip(parent.limits.amounts()) {
        within(own.key, own.is_within(bound), own, bound)?;
    }
    let (own, bound) = (child.session.idle(), parent.session.idle());
    within(own.key, own.is_within(bound), own, bound)?;
    let background = (child.session.background, parent.session.background);
    flag("session.background", background.0, background.1, ["false", "true"])?;
    let (own, bound) = (&child.allowed_variables, &parent.allowed_variables);
    within("environment.allow", own.is_subset(bound), list(own), list(bound))?;
    let (own, bound) = (&child.may_lack, &parent.may_lack);
    let told = |layers: &BTreeSet<Layer>| list(layers.iter().map(|layer| layer_name(*layer)));
    within("enforcement.may_lack", own.is_subset(bound), told(own), told(bound))
}

/// Does nothing, and does not compile where a profile has a field of which nobody
/// has said whether it carries a right: then it is compared in [`check`].
fn compared(profile: &Profile) {
    let Profile {
        name: _,
        description: _,
        inherits: _,
        search_path: _,
        // One of the scratch places.
        home: _,
        environment: _,
        write: _,
        execute: _,
        protect: _,
        show: _,
        read: _,
        programs: _,
        libraries: _,
        scratch: _,
        network: _,
        loopback: _,
        filter: _,
        limits: _,
        session: _,
        allowed_variables: _,
        may_lack: _,
    } = profile;
    let Session { idle_millis: _, background: _ } = profile.session;
}

impl Wider {
    pub(crate) fn of(self, child: &str, parent: &Profile) -> ProfileError {
        let Self { key, child: value, bound } = self;
        let (name, parent) = (child.to_owned(), parent.name.clone());
        ProfileError::Wider { name, key, child: value, parent, bound }
    }
}

fn within(
    key: &'static str,
    holds: bool,
    child: impl Display,
    bound: impl Display,
) -> Result<(), Wider> {
    let wider = || Wider { key, child: child.to_string(), bound: bound.to_string() };
    if holds { Ok(()) } else { Err(wider()) }
}

fn flag(key: &'static str, child: bool, parent: bool, words: [&str; 2]) -> Result<(), Wider> {
    let word = |value: bool| words[usize::from(value)];
    within(key, !child || parent, word(child), word(parent))
}

/// What the parent protects is protected, by itself or by something above it.
fn protections(child: &Profile, parent: &Profile) -> Result<(), Wider> {
    let kept = |path: &Path| child.protect.iter().any(|own| path.starts_with(own.as_path()));
    let lost = parent.protect.iter().find(|path| !kept(path.as_path()));
    match lost {
        Some(path) => within("workspace.protect", false, list(&child.protect), list([path])),
        None => Ok(()),
    }
}

fn trees(key: &'static str, child: &[Tree], parent: &[Tree]) -> Result<(), Wider> {
    match child.iter().find(|own| !parent.iter().any(|bound| bound.contains(own))) {
        Some(own) => within(key, false, list([own]), list(parent)),
        None => Ok(()),
    }
}

fn scratch(child: &[Scratch], parent: &[Scratch]) -> Result<(), Wider> {
    for own in child {
        let Some(bound) = parent.iter().find(|place| place.path == own.path) else {
            let places = list(parent.iter().map(|place| &place.path));
            return within("scratch.path", false, list([&own.path]), places);
        };
        let told = |place: &Scratch| format!("{} at `{}`", in_bytes(place.bytes), place.path);
        within("scratch.size", own.bytes <= bound.bytes, told(own), told(bound))?;
        flag("scratch.execute", own.execute, bound.execute, ["false", "true"])?;
    }
    Ok(())
}

fn network(child: &Network, parent: &Network) -> Result<(), Wider> {
    match (child, parent) {
        (Network::Proxy(own), Network::Proxy(bounds)) => {
            let missing = own.iter().find(|one| !bounds.iter().any(|bound| bound.covers(one)));
            match missing {
                Some(one) => within("network.allow", false, list([one]), list(bounds)),
                None => Ok(()),
            }
        }
        (child, parent) => {
            let quoted = |network: &Network| format!("\"{}\"", network.word());
            within("network.mode", child.is_within(parent), quoted(child), quoted(parent))
        }
    }
}

fn filter(child: &str, parent: &str) -> Result<(), Wider> {
    let by_name = cofferdam_filter::by_name;
    let stricter =
        by_name(child).zip(by_name(parent)).is_some_and(|(child, parent)| child.refines(parent));
    within("syscalls.filter", stricter, format!("\"{child}\""), format!("\"{parent}\""))
}

/// As a file writes a list; a long one is cut.
fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 12;
    let mut items = items.into_iter();
    let mut shown: Vec<_> = items.by_ref().take(SHOWN).map(|item| format!("\"{item}\"")).collect();
    let left_out = items.count();
    if left_out > 0 {
        shown.push(format!("and {left_out} more"));
    }
    format!("[{}]", shown.join(", "))
}

#[cfg(test)]
mod tests;
