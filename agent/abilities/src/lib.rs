//! What this host's kernel and configuration can enforce, found out by asking.
//!
//! Words used here:
//!
//! - An **ability** ([`Ability`]) is one thing that cells need, wish for, or that
//!   the host's owner should know about; the **table** lists all of them.
//! - A **probe** asks for the facts behind a group of abilities. It reads and
//!   asks, and changes nothing; kernel version numbers are only told, never
//!   decided by.
//!
//! [`probe`] is called by `cofferdam-agent doctor` and `cofferdam profile show`,
//! with or without root. What cannot be asked without a privilege is
//! [`State::Unknown`], never taken for there. Nothing here panics on what the
//! kernel or its files say.

#![deny(unsafe_code)]

mod ability;
mod kernel;
mod landlock;
mod read;
mod seccomp;
#[allow(unsafe_code, reason = "questions to the kernel that no crate wraps; see the file")]
mod sys;

use serde::Serialize;

pub use ability::{Ability, Need, State};
pub use kernel::Kernel;
pub use landlock::{Absence, Landlock, VERSIONS as LANDLOCK_VERSIONS, Version as LandlockVersion};
pub use seccomp::Seccomp;

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
}

/// Asks the kernel. Takes milliseconds, changes nothing, needs no privilege.
#[must_use]
pub fn probe() -> Abilities {
    Abilities { kernel: Kernel::ask(), landlock: Landlock::ask(), seccomp: Seccomp::ask() }
}

impl Abilities {
    /// One line for each ability, grouped by the part of the name before the
    /// point.
    #[must_use]
    pub fn table(&self) -> Vec<Ability> {
        let Self { kernel, landlock, seccomp } = self;
        [kernel.lines(), landlock.lines(), seccomp.lines()].concat()
    }
}
