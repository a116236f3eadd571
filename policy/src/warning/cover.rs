//! Whether one rule is surely about everything that another is about.
//!
//! Invariant: yes is only said where it is so for every call; patterns that
//! cannot be compared are taken for different ones.

use std::collections::BTreeMap;
use std::path::Path;

use crate::rules::place::{Mode, PathPattern, Root, file_name};
use crate::rules::program::{ProgramPattern, Which};
use crate::rules::rule::Rule;
use crate::rules::selector::{Names, Selectors, Subjects};
use crate::rules::service::Units;
use crate::rules::text::{Shape, TextPattern};

/// Whether `wide` is meant for all calls that `narrow` is meant for.
pub(super) fn selects(wide: &Selectors, narrow: &Selectors) -> bool {
    let Selectors { subjects, hosts, labels, projects, tools } = wide;
    is_subject(subjects, &narrow.subjects)
        && names(hosts, &narrow.hosts)
        && named(labels, &narrow.labels)
        && names(projects, &narrow.projects)
        && names(tools, &narrow.tools)
}

fn is_subject(wide: &Subjects, narrow: &Subjects) -> bool {
    let Subjects { users, groups, tenants, clients, claims, roles } = wide;
    names(users, &narrow.users)
        && names(groups, &narrow.groups)
        && names(tenants, &narrow.tenants)
        && names(clients, &narrow.clients)
        && named(claims, &narrow.claims)
        && match (roles, &narrow.roles) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wide), Some(narrow)) => narrow.iter().all(|role| wide.contains(role)),
        }
}

fn names(wide: &Names, narrow: &Names) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => texts(wide, narrow),
        (Some(wide), None) => wide.iter().any(TextPattern::is_everything),
    }
}

fn named(
    wide: &BTreeMap<String, Vec<TextPattern>>,
    narrow: &BTreeMap<String, Vec<TextPattern>>,
) -> bool {
    wide.iter().all(|(name, wide)| narrow.get(name).is_some_and(|narrow| texts(wide, narrow)))
}

fn texts(wide: &[TextPattern], narrow: &[TextPattern]) -> bool {
    narrow.iter().all(|narrow| wide.iter().any(|wide| text(wide, narrow)))
}

fn text(wide: &TextPattern, narrow: &TextPattern) -> bool {
    match narrow.shape() {
        Shape::Whole(text) => wide.is_match(text.as_bytes()),
        Shape::Head(_) => wide.is_everything() || wide.told() == narrow.told(),
    }
}

/// Whether the deny rule `guard` is met by all that `rule` names.
pub(super) fn guards(guard: &Rule, rule: &Rule) -> bool {
    if guard.names_nothing() {
        return true;
    }
    let program =
        |one: &ProgramPattern| guard.programs.iter().any(|wide| guards_program(wide, one));
    let path = |one: &PathPattern| guard.paths.iter().any(|wide| guards_path(wide, one));
    let units = |one: &Units| guard.services.units.iter().any(|wide| wide.covers(one));
    // A guard of the journal leaves the state to whoever may read both.
    let services = rule.services.units.is_empty() || !guard.services.journal;
    // A rule of tools alone may permit what names nothing.
    !rule.names_nothing()
        && services
        && rule.services.units.iter().all(units)
        && rule.selectors.tools.is_none()
        && rule.programs.iter().all(program)
        && rule.paths.iter().all(path)
}

/// A deny rule is also met by a program of the same name elsewhere.
fn guards_program(wide: &ProgramPattern, narrow: &ProgramPattern) -> bool {
    let arguments = match (&wide.arguments, &narrow.arguments) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => format!("{wide:?}") == format!("{narrow:?}"),
        (Some(_), None) => false,
    };
    arguments
        && match (&wide.which, &narrow.which) {
            (Which::Any, _) => true,
            (Which::Names(wide), Which::Names(names)) => {
                names.iter().all(|name| wide.contains(name))
            }
            (Which::Names(wide), Which::Path(path)) => {
                wide.iter().any(|name| name.as_bytes() == file_name(path.as_bytes()))
            }
            (Which::Path(wide), Which::Names(names)) => {
                names.iter().all(|name| name.as_bytes() == file_name(wide.as_bytes()))
            }
            (Which::Path(wide), Which::Path(path)) => {
                file_name(wide.as_bytes()) == file_name(path.as_bytes())
            }
            (Which::Under(wide), Which::Under(path) | Which::Path(path)) => path.starts_with(wide),
            _ => false,
        }
}

/// Who may not read may not write either.
fn guards_path(wide: &PathPattern, narrow: &PathPattern) -> bool {
    wide.mode == Mode::Read && beneath(&narrow.root, &wide.root)
}

fn beneath(root: &Root, of: &Root) -> bool {
    match (root, of) {
        (Root::Absolute(root), Root::Absolute(of))
        | (Root::Workspace(root), Root::Workspace(of)) => root.starts_with(of),
        (Root::Workspace(_), Root::Absolute(of)) => of == Path::new("/"),
        (Root::Absolute(_), Root::Workspace(_)) => false,
    }
}

/// Whether some call may be permitted by both rules; selectors and arguments are
/// not looked at.
pub(super) fn may_share(one: &Rule, other: &Rule) -> bool {
    let tools = one.selectors.tools.is_some() && other.selectors.tools.is_some();
    let programs = one
        .programs
        .iter()
        .any(|a| other.programs.iter().any(|b| share_program(&a.which, &b.which)));
    let paths = one.paths.iter().any(|a| other.paths.iter().any(|b| share_path(&a.root, &b.root)));
    let services =
        one.services.units.iter().any(|a| other.services.units.iter().any(|b| a.meets(b)));
    tools || programs || paths || services
}

fn share_program(one: &Which, other: &Which) -> bool {
    match (one, other) {
        (Which::Names(one), Which::Names(other)) => one.iter().any(|name| other.contains(name)),
        (Which::Path(path), Which::Names(names)) | (Which::Names(names), Which::Path(path)) => {
            names.iter().any(|name| name.as_bytes() == file_name(path.as_bytes()))
        }
        (Which::Path(one), Which::Path(other)) => one == other,
        (Which::Under(under), Which::Path(path)) | (Which::Path(path), Which::Under(under)) => {
            path.starts_with(under)
        }
        (Which::Under(one), Which::Under(other)) => {
            one.starts_with(other) || other.starts_with(one)
        }
        // A directory may hold a program of that name.
        (Which::Any, _)
        | (_, Which::Any)
        | (Which::Under(_), Which::Names(_))
        | (Which::Names(_), Which::Under(_)) => true,
    }
}

fn share_path(one: &Root, other: &Root) -> bool {
    match (one, other) {
        (Root::Absolute(one), Root::Absolute(other))
        | (Root::Workspace(one), Root::Workspace(other)) => {
            one.starts_with(other) || other.starts_with(one)
        }
        _ => true,
    }
}
