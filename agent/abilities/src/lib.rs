//! What this host's kernel and configuration can enforce, found out by asking.
//!
//! Words used here:
//!
//! - An **ability** ([`Ability`]) is one thing that cells need, wish for, or that
//!   the host's owner should know about; the **table** lists all of them.
//! - A **probe** asks for the facts behind a group of abilities. It reads and
//!   asks, and changes nothing; kernel version numbers are only told, never
//!   decided by.
//! - The **checklist** ([`checklist()`]) numbers what a command in a cell may try;
//!   a line names the abilities without which it does not hold.
//!
//! [`probe`] is called by `cofferdam-agent doctor` and `cofferdam profile show`,
//! with or without root. What cannot be asked without a privilege is
//! [`State::Unknown`], never taken for there. Nothing here panics on what the
//! kernel or its files say.

#![deny(unsafe_code)]

mod ability;
mod audit;
mod cgroups;
mod checklist;
mod filesystems;
mod kernel;
mod landlock;
mod modules;
mod mount_table;
mod namespaces;
mod privileged;
mod read;
mod seccomp;
mod settings;
mod sockets;
#[allow(unsafe_code, reason = "questions to the kernel that no crate wraps; see the file")]
mod sys;
pub mod trial;

use std::path::PathBuf;

use serde::Serialize;

pub use ability::{Ability, Need, State};
pub use audit::{Answer as AuditAnswer, Audit, Status as AuditStatus};
pub use cgroups::{Cgroups, Controller, Layout};
pub use checklist::{Line, checklist};
pub use filesystems::{FileSystems, Workspace};
pub use kernel::Kernel;
pub use landlock::{Absence, Landlock, VERSIONS as LANDLOCK_VERSIONS, Version as LandlockVersion};
pub use modules::Modules;
pub use namespaces::Namespaces;
pub use privileged::Privileged;
pub use seccomp::Seccomp;
pub use settings::Settings;
pub use sockets::Sockets;
pub use trial::{Outcome, Trials};

/// The facts about this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Abilities {
    /// Which kernel.
    pub kernel: Kernel,
    /// Its Landlock.
    pub landlock: Landlock,
    /// Its seccomp.
    pub seccomp: Seccomp,
    /// Its namespaces.
    pub namespaces: Namespaces,
    /// Its control groups.
    pub cgroups: Cgroups,
    /// Its mounts and the workspaces' file systems.
    pub filesystems: FileSystems,
    /// Its audit.
    pub audit: Audit,
    /// Its Unix sockets.
    pub sockets: Sockets,
    /// Its other security modules.
    pub modules: Modules,
    /// Its settings.
    pub settings: Settings,
}

/// What to ask beyond what reading tells.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Performs trials as the user that asks.
    pub trials: Option<Trials>,
    /// Directories that sessions may change.
    pub workspaces: Vec<PathBuf>,
    /// What was asked as root before.
    pub privileged: Option<Privileged>,
}

/// Asks the kernel without trials. Takes milliseconds, changes nothing, needs
/// no privilege.
#[must_use]
pub fn probe() -> Abilities {
    probe_for(Question::default())
}

/// Asks the kernel, with trials, and about workspaces.
#[must_use]
pub fn probe_for(question: Question) -> Abilities {
    let Question { trials, workspaces, privileged } = question;
    let (trials, mounts) = (trials.as_ref(), mount_table::mounts());
    let landlock = Landlock::ask();
    let mut namespaces = Namespaces::ask(trials);
    let (mut owners, mut audit) = (Vec::new(), None);
    if let Some(told) = privileged {
        namespaces.as_root = told.namespaces;
        owners = told.owners;
        audit = Some(told.audit);
    }
    Abilities {
        kernel: Kernel::ask(),
        seccomp: Seccomp::ask(),
        namespaces,
        cgroups: Cgroups::ask(&mounts),
        filesystems: FileSystems::ask(&mounts, &workspaces, &owners, trials),
        audit: Audit::ask(audit, landlock.abi),
        sockets: Sockets::ask(&workspaces, landlock.abi),
        modules: Modules::ask(),
        settings: Settings::ask(),
        landlock,
    }
}

impl Abilities {
    /// One line for each ability, grouped by the part of the name before the
    /// point.
    #[must_use]
    pub fn table(&self) -> Vec<Ability> {
        let Self {
            kernel,
            landlock,
            seccomp,
            namespaces,
            cgroups,
            filesystems,
            audit,
            sockets,
            modules,
            settings,
        } = self;
        [
            kernel.lines(),
            landlock.lines(),
            seccomp.lines(),
            namespaces.lines(),
            filesystems.lines(),
            cgroups.lines(),
            audit.lines(),
            sockets.lines(),
            modules.lines(),
            settings.lines(),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_says_what_it_means_and_has_a_name_of_its_own() {
        let table = probe().table();
        let names: std::collections::BTreeSet<_> = table.iter().map(|line| line.name).collect();
        assert_eq!(names.len(), table.len());
        for line in &table {
            assert!(!line.detail.is_empty() && !line.means.is_empty(), "{line:?}");
            assert!(line.group() != line.name, "{line:?}");
        }
    }

    #[test]
    fn what_stops_cells_says_what_to_do() {
        for line in probe().table().iter().filter(|line| line.stops_cells()) {
            assert!(line.fix.is_some(), "{line:?}");
        }
    }

    #[test]
    fn the_table_is_data_for_scripts() {
        let text = serde_json::to_string(&probe().table()).unwrap();
        assert!(text.contains("\"name\":\"landlock.files\",\"state\":"), "{text}");
        assert!(serde_json::to_string(&probe()).is_ok());
    }

    #[test]
    fn a_workspace_that_is_not_there_is_no_panic() {
        let question =
            Question { workspaces: vec!["/nowhere".into(), "".into()], ..Question::default() };
        assert!(!probe_for(question).table().is_empty());
    }
}
