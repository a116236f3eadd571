//! Why a run was refused a file of the host: which of ceiling, profile and grant
//! does not have it, and what the granted programs bring along.
//!
//! Speaks of the lists of files only. What they allow may have been refused all
//! the same, by another layer or because the host's file was replaced since the
//! cell was built; then nothing is said here.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use cofferdam_denials::{HostFiles, Remedy, Tried, plain};
use cofferdam_profile::trees::covers;

use crate::cap::Capped;
use crate::planner::Survey;

/// The files of one run.
#[derive(Debug)]
pub struct FilesOfRun {
    capped: Capped,
    survey: Arc<Survey>,
}

/// What the lists above the grant have to have.
struct Lists {
    /// The key of the ceiling.
    ceiling: &'static str,
    ceiling_has: bool,
    /// The keys of the profile, and what they have to do.
    profile: &'static str,
    profile_has: bool,
}

impl FilesOfRun {
    /// Of a run that was planned with `survey`.
    #[must_use]
    pub fn new(capped: Capped, survey: Arc<Survey>) -> Self {
        Self { capped, survey }
    }

    fn execute(&self, path: &Path) -> Option<Remedy> {
        let lists = Lists {
            ceiling: "programs.execute",
            ceiling_has: covers(&self.capped.executable, path),
            profile: "`programs.execute` has it",
            profile_has: covers(&self.capped.profile.executable(), path),
        };
        let mut lacking = self.lacking(&lists);
        if self.names_programs() && !covers(&self.capped.programs, path) {
            lacking.insert(0, self.naming(path));
        }
        remedy("programs.execute", &lacking)
    }

    fn read(&self, path: &Path) -> Option<Remedy> {
        let lists = Lists {
            ceiling: "view.read",
            ceiling_has: covers(&self.capped.view_bound, path),
            profile: "`view.show` and `view.read` have it",
            profile_has: [&self.capped.profile.show, &self.capped.profile.readable()]
                .iter()
                .all(|trees| covers(trees, path)),
        };
        let is_program = covers(&self.capped.profile.programs, path);
        let lacking = self.lacking(&lists);
        if !lacking.is_empty() && !is_program {
            return remedy("view.read", &lacking);
        }
        // It is where programs and libraries are, and what is granted one by one does not need it.
        let named = self.survey.named()?;
        let grant = if is_program {
            self.naming(path)
        } else {
            let granted = plain(named.granted().as_bytes());
            format!(
                "a rule whose grant has in `programs` the program that needs it, which none of those it has ({granted}) does"
            )
        };
        remedy("programs.execute", &[grant])
    }

    /// Which lists above the grant have to have the file, in words.
    fn lacking(&self, lists: &Lists) -> Vec<String> {
        let Lists { ceiling, ceiling_has, profile, profile_has } = lists;
        let name = plain(self.capped.profile.name.as_bytes());
        let by_profile = || format!("a profile whose {profile}, which `{name}` lacks");
        let by_ceiling = || format!("a ceiling of this host whose `{ceiling}` has it");
        let by_profile = (!profile_has).then(by_profile);
        by_profile.into_iter().chain((!ceiling_has).then(by_ceiling)).collect()
    }

    /// Whether the grant leaves less than all programs of profile and ceiling.
    fn names_programs(&self) -> bool {
        self.capped.programs != self.capped.program_bound
    }

    /// The grant that names the program at `path`.
    fn naming(&self, path: &Path) -> String {
        let shown = plain(path.as_os_str().as_bytes());
        let grant = format!("a rule whose grant has `{shown}` in `programs`");
        let Some(named) = self.survey.named() else { return grant };
        let granted = plain(named.granted().as_bytes());
        match named.left_out.get(path) {
            Some(why) => format!(
                "{grant} (it is left out of what {granted} bring along: {})",
                plain(why.as_bytes())
            ),
            None => format!("{grant}, beside those it has ({granted})"),
        }
    }
}

impl HostFiles for FilesOfRun {
    fn refusal(&self, tried: Tried, path: &Path) -> Option<Remedy> {
        match tried {
            Tried::Execute if !self.survey.executes(path) => self.execute(path),
            Tried::Read if !self.survey.reads(path) => self.read(path),
            Tried::Execute | Tried::Read => None,
        }
    }
}

fn remedy(setting: &'static str, lacking: &[String]) -> Option<Remedy> {
    (!lacking.is_empty()).then(|| Remedy { setting, grant: lacking.join(", and ") })
}

#[cfg(test)]
mod tests;
