//! Seccomp: whether filters are there, whether their refusals can be logged.
//!
//! Reads seccomp(2)'s own lists under /proc/sys/kernel/seccomp and asks the call
//! which flags it knows.

use serde::Serialize;

use crate::ability::{Ability, Need, State};
use crate::read::text;
use crate::sys;

/// What the kernel says of its seccomp.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Seccomp {
    /// Filters can be installed, for all threads at once.
    pub filters: bool,
    /// A filter can ask for its refusals to be logged.
    pub log_flag: bool,
    /// Actions that a filter can answer with.
    pub actions: Vec<String>,
    /// Actions that the host lets into the log.
    pub logged: Vec<String>,
}

impl Seccomp {
    pub(crate) fn ask() -> Self {
        let words = |path| text(path).map(|text| words(&text)).unwrap_or_default();
        Self {
            filters: sys::knows_seccomp_flags(libc::SECCOMP_FILTER_FLAG_TSYNC),
            log_flag: sys::knows_seccomp_flags(libc::SECCOMP_FILTER_FLAG_LOG),
            actions: words("/proc/sys/kernel/seccomp/actions_avail"),
            logged: words("/proc/sys/kernel/seccomp/actions_logged"),
        }
    }

    pub(crate) fn lines(&self) -> Vec<Ability> {
        vec![self.filter_line(), self.log_line()]
    }

    fn filter_line(&self) -> Ability {
        let missing: Vec<&str> = ["kill_process", "errno", "allow"]
            .into_iter()
            .filter(|action| !self.actions.iter().any(|known| known == action))
            .collect();
        let name = "seccomp.filter";
        if self.filters && missing.is_empty() {
            return Ability::new(
                name,
                Need::Required,
                State::Full,
                "filters with every action that cells use",
            )
            .means("system calls outside the profile's filter are refused")
            .since("4.14");
        }
        let detail = if self.filters {
            format!("the kernel does not list the actions {}", missing.join(", "))
        } else {
            "filters cannot be installed".to_owned()
        };
        Ability::new(name, Need::Required, State::Missing, detail)
            .means("no cell starts, unless degraded ones are allowed")
            .fix("boot a kernel with CONFIG_SECCOMP_FILTER=y")
            .since("4.14")
    }

    fn log_line(&self) -> Ability {
        let name = "seccomp.log";
        let logged = |action: &str| self.logged.iter().any(|known| known == action);
        let wanted = ["errno", "kill_process"];
        let missing: Vec<&str> = wanted.into_iter().filter(|action| !logged(action)).collect();
        if self.log_flag && missing.is_empty() {
            return Ability::new(name, Need::Wished, State::Full, "refusals can be logged")
                .means(
                    "refused system calls can be explained to the caller, where audit is enabled",
                )
                .since("4.14");
        }
        let detail = if self.log_flag {
            format!("the host does not log {}", missing.join(", "))
        } else {
            "a filter cannot ask for it".to_owned()
        };
        let mut all: Vec<&str> = self.logged.iter().map(String::as_str).collect();
        all.extend(&missing);
        let state = if self.log_flag { State::Partial } else { State::Missing };
        Ability::new(name, Need::Wished, state, detail)
            .means("outcomes cannot name every refused system call")
            .fix(format!("sysctl -w kernel.seccomp.actions_logged=\"{}\"", all.join(" ")))
            .since("4.14")
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Seccomp {
        Seccomp {
            filters: true,
            log_flag: true,
            actions: words("kill_process kill_thread trap errno user_notif trace log allow\n"),
            logged: words("kill_process kill_thread trap errno user_notif trace log\n"),
        }
    }

    #[test]
    fn a_kernel_with_all_actions_is_full() {
        assert!(here().lines().iter().all(|line| line.state == State::Full));
    }

    #[test]
    fn an_unlogged_action_is_told_with_the_setting_that_logs_it() {
        let seccomp = Seccomp { logged: words("kill_process"), ..here() };
        let log = seccomp.log_line();
        assert_eq!(log.state, State::Partial);
        assert_eq!(
            log.fix.as_deref(),
            Some("sysctl -w kernel.seccomp.actions_logged=\"kill_process errno\"")
        );
    }

    #[test]
    fn a_kernel_that_says_nothing_has_nothing() {
        let lines = Seccomp::default().lines();
        assert!(lines[0].stops_cells() && lines[1].state == State::Missing, "{lines:?}");
    }
}
