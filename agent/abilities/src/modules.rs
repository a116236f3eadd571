//! Security modules of the kernel beside Landlock, and its lockdown.

use serde::Serialize;

use crate::ability::{Ability, Need, State};
use crate::read::text;

/// What is known about security modules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Modules {
    /// Those at work, in the kernel's order; `None` where it does not tell
    /// (securityfs is not mounted).
    pub active: Option<Vec<String>>,
    /// `none`, `integrity` or `confidentiality`.
    pub lockdown: Option<String>,
    /// SELinux: 1 enforcing, 0 permissive.
    pub selinux: Option<bool>,
    /// AppArmor is at work.
    pub apparmor: bool,
}

impl Modules {
    pub(crate) fn ask() -> Self {
        let selinux = text("/sys/fs/selinux/enforce");
        let apparmor = text("/sys/module/apparmor/parameters/enabled");
        Self {
            active: text("/sys/kernel/security/lsm").as_deref().map(list),
            lockdown: text("/sys/kernel/security/lockdown").as_deref().and_then(chosen),
            selinux: selinux.map(|text| text.trim() == "1"),
            apparmor: apparmor.is_some_and(|text| text.trim() == "Y"),
        }
    }

    pub(crate) fn lines(&self) -> Vec<Ability> {
        vec![self.active_line(), self.lockdown_line()]
    }

    fn active_line(&self) -> Ability {
        let name = "modules.active";
        let mut found = match &self.active {
            Some(active) => active.join(", "),
            None => "securityfs is not mounted".to_owned(),
        };
        match self.selinux {
            Some(true) => found.push_str("; SELinux enforces"),
            Some(false) => found.push_str("; SELinux only warns"),
            None if self.apparmor => found.push_str("; AppArmor is on"),
            None => {}
        }
        let there = self.selinux == Some(true) || self.apparmor;
        let state = match (&self.active, there) {
            (_, true) => State::Full,
            (Some(_), false) => State::Partial,
            (None, false) => State::Unknown,
        };
        let line = Ability::new(name, Need::Noted, state, found);
        if there {
            line.means(
                "the host's own policy stands behind the cells; it may refuse what a cell \
                        needs, and its log then says so",
            )
        } else {
            line.means("no other policy stands behind the cells; they need none")
        }
    }

    fn lockdown_line(&self) -> Ability {
        let name = "modules.lockdown";
        let Some(mode) = &self.lockdown else {
            return Ability::new(name, Need::Noted, State::Unknown, "the kernel does not tell")
                .means("root may be able to change the running kernel; no cell has root")
                .fix("mount -t securityfs securityfs /sys/kernel/security, if it is not mounted");
        };
        let locked = mode != "none";
        let state = if locked { State::Full } else { State::Partial };
        Ability::new(name, Need::Noted, state, format!("lockdown = {mode}"))
            .means(if locked {
                "not even root changes the running kernel"
            } else {
                "root may change the running kernel; no cell has root"
            })
            .fix("boot with lockdown=integrity, if all of your modules are signed")
            .since("5.4")
    }
}

/// Names between commas.
fn list(text: &str) -> Vec<String> {
    text.trim().split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The word in brackets of `[none] integrity confidentiality`.
fn chosen(text: &str) -> Option<String> {
    let word = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    word.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_are_read() {
        assert_eq!(list("lockdown,capability,landlock,yama,apparmor").len(), 5);
        assert!(list("\n").is_empty());
        assert_eq!(chosen("none [integrity] confidentiality\n").as_deref(), Some("integrity"));
        for odd in ["", "[", "]", "none", "[none"] {
            assert_eq!(chosen(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_unknown() {
        let lines = Modules::default().lines();
        assert!(lines.iter().all(|line| line.state == State::Unknown), "{lines:?}");
        let fedora = Modules { selinux: Some(true), ..Modules::default() };
        assert_eq!(fedora.active_line().state, State::Full);
    }
}
