//! Narrows a grant by the ceiling of a host.
//!
//! Invariant: what comes out is within the ceiling. Limits and programs above
//! it are taken down and reported; a workspace or profile that the ceiling does
//! not know refuses the grant.

use std::collections::BTreeSet;
use std::path::Path;

use cofferdam_ceiling::{Bytes, Ceiling, Millis, RootPath, covers};

use crate::grant::{Grant, Limits, ProgramPath, Programs};

/// A grant within a ceiling. Only [`cap`] makes one.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CappedGrant {
    grant: Grant,
    narrowed: Vec<String>,
}

impl CappedGrant {
    /// The grant. Its limits are all set; profiles may lower them further.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// What was taken down to the ceiling, in words.
    pub fn narrowed(&self) -> &[String] {
        &self.narrowed
    }
}

/// Something that a grant gives and a ceiling does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CeilingExcess {
    /// The workspace.
    #[error("the workspace `{0}` is beneath none of the ceiling's workspaces.roots")]
    Workspace(String),
    /// The profile.
    #[error("the profile `{0}` is not in the ceiling's profiles.allow")]
    Profile(String),
    /// Every program.
    #[error("none of the programs is in the ceiling's programs.execute: {0}")]
    Programs(String),
}

/// Narrows `grant` by `ceiling`.
///
/// # Errors
/// All that the ceiling does not allow at all.
pub fn cap(grant: &Grant, ceiling: &Ceiling) -> Result<CappedGrant, Vec<CeilingExcess>> {
    let mut excesses = Vec::new();
    let mut narrowed = Vec::new();
    let inside = |path: &Path| {
        path.is_absolute()
            && !path.components().any(|part| part == std::path::Component::ParentDir)
            && covers(&ceiling.workspaces.roots, path)
    };
    if !inside(&grant.workspace) {
        excesses.push(CeilingExcess::Workspace(grant.workspace.display().to_string()));
    }
    if !ceiling.profiles.allow.contains(&grant.profile) {
        excesses.push(CeilingExcess::Profile(grant.profile.clone()));
    }
    let programs = cap_programs(&grant.programs, ceiling, &mut narrowed)
        .map_err(|excess| excesses.push(excess))
        .unwrap_or_default();
    if !excesses.is_empty() {
        return Err(excesses);
    }
    let limits = cap_limits(grant.limits, ceiling, &mut narrowed);
    let grant = Grant { programs, limits, ..grant.clone() };
    Ok(CappedGrant { grant, narrowed })
}

fn cap_programs(
    programs: &Programs,
    ceiling: &Ceiling,
    narrowed: &mut Vec<String>,
) -> Result<Programs, CeilingExcess> {
    // The profile's programs are capped where the profile is resolved.
    let Programs::Only(paths) = programs else { return Ok(Programs::Profile) };
    let mut kept = BTreeSet::new();
    for path in paths {
        let within = within_ceiling(path, &ceiling.programs.execute);
        if !within.contains(path) {
            narrowed.push(format!("program {}", path.as_str()));
        }
        kept.extend(within);
    }
    if kept.is_empty() {
        return Err(CeilingExcess::Programs(programs.to_texts().join(", ")));
    }
    Ok(Programs::Only(kept))
}

/// The part of `path` that the ceiling allows: itself, or what of a directory
/// the ceiling names.
fn within_ceiling(path: &ProgramPath, roots: &[RootPath]) -> BTreeSet<ProgramPath> {
    if covers(roots, Path::new(path.as_str())) {
        return BTreeSet::from([path.clone()]);
    }
    roots
        .iter()
        .filter(|_| path.is_directory())
        .filter(|root| root.as_path().starts_with(path.as_str()))
        // A root may be a file or a directory; both forms are within it.
        .flat_map(|root| {
            let text = root.as_path().display().to_string();
            [text.clone(), format!("{text}/")]
        })
        .filter_map(|text| ProgramPath::try_from(text).ok())
        .collect()
}

fn cap_limits(limits: Limits, ceiling: &Ceiling, narrowed: &mut Vec<String>) -> Limits {
    let most = &ceiling.limits;
    let mut bytes =
        |name: &str, limit: Option<Bytes>, most: Bytes| Some(capped(name, limit, most, narrowed));
    let memory = bytes("memory", limits.memory, most.memory);
    let output = bytes("output", limits.output, most.output);
    let file_size = bytes("file_size", limits.file_size, most.file_size);
    let wall: Option<Millis> = Some(capped("wall", limits.wall, most.wall, narrowed));
    let mut counts =
        |name: &str, limit: Option<u32>, most: u32| Some(capped(name, limit, most, narrowed));
    Limits {
        memory,
        processes: counts("processes", limits.processes, most.processes),
        cpu_millis: counts("cpu_millis", limits.cpu_millis, most.cpu_millis),
        wall,
        output,
        file_size,
        open_files: counts("open_files", limits.open_files, most.open_files),
    }
}

/// The limit, at most `most`; reported where it was above.
fn capped<T: Ord + Copy>(name: &str, limit: Option<T>, most: T, narrowed: &mut Vec<String>) -> T {
    match limit {
        Some(limit) if limit > most => {
            narrowed.push(format!("limit {name}"));
            most
        }
        Some(limit) => limit,
        None => most,
    }
}

#[cfg(test)]
mod tests;
