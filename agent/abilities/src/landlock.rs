//! Landlock: which version this kernel has, and what is missing in it.
//!
//! The version is asked of the kernel (landlock_create_ruleset(2)), as are the
//! mended mistakes («errata»); kernel numbers are only told as advice.

mod versions;

use serde::Serialize;

use crate::ability::{Ability, Need, State};
use crate::sys;

pub use versions::{VERSIONS, Version};

/// What the kernel says of its Landlock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Landlock {
    /// The ABI's number; 0 where there is no Landlock.
    pub abi: u32,
    /// Why there is none.
    pub absence: Option<Absence>,
    /// Bit N-1: erratum N is mended. `None` where the kernel cannot say.
    pub errata: Option<u32>,
}

/// Why a kernel has no Landlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Absence {
    /// It is not built in.
    NotBuilt,
    /// It is built in and left out at boot.
    NotEnabled,
    /// The call is refused, as in some containers.
    Refused,
}

impl Landlock {
    pub(crate) fn ask() -> Self {
        let version = sys::ask_landlock(sys::LANDLOCK_VERSION);
        let absence = version.as_ref().err().map(|error| match error.raw_os_error() {
            Some(libc::ENOSYS) => Absence::NotBuilt,
            Some(libc::EOPNOTSUPP) => Absence::NotEnabled,
            _ => Absence::Refused,
        });
        Self {
            abi: version.unwrap_or(0),
            absence,
            errata: sys::ask_landlock(sys::LANDLOCK_ERRATA).ok(),
        }
    }

    pub(crate) fn lines(&self) -> Vec<Ability> {
        VERSIONS.iter().map(|version| self.line(version)).chain(self.errata_line()).collect()
    }

    fn line(&self, version: &Version) -> Ability {
        let there = self.abi >= version.abi;
        let detail = format!("{} (ABI {}; here: {})", version.adds, version.abi, self.found());
        let line = Ability::there(version.name, version.need, there, detail)
            .means(if there { version.held } else { version.open })
            .since(version.kernel);
        // What cells do not use needs no new kernel.
        if version.need == Need::Noted { line } else { line.fix(self.fix(version)) }
    }

    fn found(&self) -> String {
        match self.absence {
            None => format!("ABI {}", self.abi),
            Some(Absence::NotBuilt) => "not built into this kernel".to_owned(),
            Some(Absence::NotEnabled) => "not enabled at boot".to_owned(),
            Some(Absence::Refused) => "the call is refused".to_owned(),
        }
    }

    fn fix(&self, version: &Version) -> String {
        match self.absence {
            Some(Absence::NotEnabled) => {
                "add landlock to the kernel's `lsm=` list, as in `lsm=landlock,…`, and reboot"
                    .to_owned()
            }
            Some(Absence::Refused) => {
                "start the agent where landlock_create_ruleset(2) is allowed, outside of a \
                 container that filters it"
                    .to_owned()
            }
            None | Some(Absence::NotBuilt) => {
                format!("boot Linux {} or later with CONFIG_SECURITY_LANDLOCK=y", version.kernel)
            }
        }
    }

    /// The mistakes of this version that a kernel may or may not have mended.
    fn errata_line(&self) -> Option<Ability> {
        if self.abi == 0 {
            return None;
        }
        let name = "landlock.errata";
        let Some(mended) = self.errata else {
            return Some(
                Ability::new(
                    name,
                    Need::Wished,
                    State::Unknown,
                    "this kernel cannot tell which are mended",
                )
                .means("known mistakes of its Landlock may be there; mounts hold beside it")
                .fix("boot a kernel with all stable updates, 6.15 or later")
                .since("6.15"),
            );
        };
        let open: Vec<String> = versions::ERRATA
            .iter()
            .filter(|erratum| self.abi >= erratum.abi && mended & (1 << (erratum.number - 1)) == 0)
            .map(|erratum| format!("{} ({})", erratum.number, erratum.what))
            .collect();
        let mended: Vec<String> =
            (1..=32).filter(|n| mended & (1 << (n - 1)) != 0).map(|n: u32| n.to_string()).collect();
        Some(if open.is_empty() {
            Ability::new(name, Need::Wished, State::Full, format!("mended: {}", mended.join(", ")))
                .means("no known mistake of this Landlock is open")
        } else {
            Ability::new(name, Need::Wished, State::Partial, format!("open: {}", open.join(", ")))
                .means("known mistakes of this Landlock are open; the mount view holds beside it")
                .fix("install your distribution's newest update of this kernel and reboot")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(abi: u32, absence: Option<Absence>, errata: Option<u32>) -> Vec<Ability> {
        Landlock { abi, absence, errata }.lines()
    }

    fn line<'a>(lines: &'a [Ability], name: &str) -> &'a Ability {
        lines.iter().find(|line| line.name == name).unwrap()
    }

    #[test]
    fn each_version_says_what_is_missing_and_which_kernel_has_it() {
        let lines = of(4, None, Some(0b101));
        assert_eq!(line(&lines, "landlock.network").state, State::Full);
        let scopes = line(&lines, "landlock.scopes");
        assert_eq!((scopes.state, scopes.since), (State::Missing, Some("6.12")));
        assert!(scopes.fix.as_ref().unwrap().contains("Linux 6.12"), "{scopes:?}");
        assert!(!scopes.stops_cells());
    }

    #[test]
    fn a_kernel_without_landlock_stops_cells_and_says_why() {
        let lines = of(0, Some(Absence::NotEnabled), None);
        let files = line(&lines, "landlock.files");
        assert!(files.stops_cells());
        assert!(files.fix.as_ref().unwrap().contains("lsm="), "{files:?}");
        assert!(lines.iter().all(|line| line.name != "landlock.errata"));
    }

    #[test]
    fn an_open_erratum_is_told_only_where_its_feature_is_there() {
        let lines = of(6, None, Some(0b101));
        let errata = line(&lines, "landlock.errata");
        assert_eq!(errata.state, State::Partial);
        assert!(errata.detail.contains("2 ("), "{errata:?}");
        assert_eq!(line(&of(3, None, Some(0b100)), "landlock.errata").state, State::Full);
        assert_eq!(line(&of(7, None, None), "landlock.errata").state, State::Unknown);
    }

    #[test]
    fn a_later_version_than_we_know_is_no_less() {
        let lines = of(99, None, Some(u32::MAX));
        assert!(lines.iter().all(|line| line.state == State::Full), "{lines:?}");
    }
}
