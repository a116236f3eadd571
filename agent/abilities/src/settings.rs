//! Settings of the host (sysctl) that stand behind the cells: a cell holds
//! without them, and less is open where it does not.

mod wanted;

use serde::Serialize;

use crate::ability::{Ability, Need, State};
use crate::read::{number, text};

use wanted::{WANTED, Wanted};

/// The values of the settings that matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Names and values; `None` where the kernel has no such setting or does
    /// not show it.
    pub values: Vec<(&'static str, Option<i64>)>,
    /// `kernel.core_pattern`.
    pub core_pattern: Option<String>,
}

impl Settings {
    pub(crate) fn ask() -> Self {
        let value = |wanted: &Wanted| (wanted.setting, number(wanted.path()));
        Self {
            values: WANTED.iter().map(value).collect(),
            core_pattern: text("/proc/sys/kernel/core_pattern").map(|it| it.trim().to_owned()),
        }
    }

    pub(crate) fn lines(&self) -> Vec<Ability> {
        let value = |setting: &str| {
            self.values.iter().find(|(known, _)| *known == setting).and_then(|(_, value)| *value)
        };
        let lines = WANTED.iter().map(|wanted| wanted.line(value(wanted.setting)));
        lines.chain([self.core_line()]).collect()
    }

    /// A pattern that starts with a bar names a program that the kernel starts
    /// as root of the host for a crash in any cell (core(5)).
    fn core_line(&self) -> Ability {
        let name = "settings.core-pattern";
        match self.core_pattern.as_deref() {
            None => {
                Ability::new(name, Need::Noted, State::Unknown, "kernel.core_pattern is hidden")
                    .means("cells have core limits of their own")
            }
            Some(pattern) if pattern.starts_with('|') => {
                let program: String = pattern.chars().take(80).collect();
                let detail = format!("kernel.core_pattern starts `{program}`");
                Ability::new(name, Need::Noted, State::Partial, detail)
                    .means("a crash in a cell may start this program as root on the host")
                    .fix("sysctl -w kernel.core_pattern=core, unless you need crash reports")
            }
            Some(pattern) => {
                let detail = format!("kernel.core_pattern = {pattern}: a file");
                Ability::new(name, Need::Noted, State::Full, detail)
                    .means("a crash in a cell starts nothing on the host")
            }
        }
    }
}

impl Wanted {
    fn line(&self, value: Option<i64>) -> Ability {
        let Self { name, setting, least, held, open, since } = *self;
        let line = match value {
            None => Ability::new(name, Need::Noted, State::Unknown, format!("no {setting} here"))
                .means("this kernel has no such setting, or hides it"),
            Some(value) if value >= least => {
                Ability::new(name, Need::Noted, State::Full, format!("{setting} = {value}"))
                    .means(held)
            }
            Some(value) => {
                Ability::new(name, Need::Noted, State::Partial, format!("{setting} = {value}"))
                    .means(open)
                    .fix(format!("sysctl -w {setting}={least}, and in /etc/sysctl.d to keep it"))
            }
        };
        line.since(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(setting: &'static str, value: Option<i64>) -> Vec<Ability> {
        Settings { values: vec![(setting, value)], core_pattern: Some("core".to_owned()) }.lines()
    }

    fn line(lines: &[Ability], name: &str) -> Ability {
        lines.iter().find(|line| line.name == name).unwrap().clone()
    }

    #[test]
    fn a_weak_setting_is_told_with_the_command_that_mends_it() {
        let weak = line(&with("kernel.dmesg_restrict", Some(0)), "settings.kernel-log");
        assert_eq!(weak.state, State::Partial);
        assert!(weak.fix.unwrap().starts_with("sysctl -w kernel.dmesg_restrict=1"));
        let good = line(&with("kernel.dmesg_restrict", Some(1)), "settings.kernel-log");
        assert_eq!((good.state, good.fix), (State::Full, None));
        let hidden = line(&with("kernel.dmesg_restrict", None), "settings.kernel-log");
        assert_eq!(hidden.state, State::Unknown);
    }

    #[test]
    fn a_core_pattern_that_starts_a_program_is_told() {
        let of = |pattern: Option<&str>| {
            let core_pattern = pattern.map(str::to_owned);
            Settings { values: vec![], core_pattern }.core_line()
        };
        assert_eq!(of(Some("|/usr/lib/systemd/systemd-coredump %P")).state, State::Partial);
        assert_eq!(of(Some("core")).state, State::Full);
        assert_eq!(of(None).state, State::Unknown);
        assert!(of(Some(&"|é".repeat(4096))).detail.len() < 300);
    }

    #[test]
    fn each_setting_has_a_name_of_its_own() {
        let mut names: Vec<_> = WANTED.iter().map(|wanted| wanted.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), WANTED.len());
    }
}
