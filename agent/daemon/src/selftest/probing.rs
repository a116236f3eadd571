//! The probe's attempts: listed by the probe, made each in a cell of its own.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::bench::{Bench, Ran};
use super::verdict::{Evidence, Result};

/// SIGSYS: a filter has killed the attempt.
const KILLED_BY_FILTER: i32 = libc::SIGSYS;
/// What works for anybody outside of a cell: a probe that is refused there too
/// proves nothing.
const CONTROL: &str = "memfd";

/// What a profile may allow on purpose.
const BY_PROFILE: [&str; 2] = ["execute-dropped", "loader-on-dropped"];

/// An attempt, as the probe lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    /// Lines of the checklist.
    pub(super) numbers: Vec<u8>,
}

/// Reads `name n,n` lines; what is none is left out: the list comes out of a
/// cell.
pub(super) fn parse(text: &str) -> Vec<Listed> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(' ')?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let numbers: Vec<u8> = numbers.split(',').filter_map(|n| n.trim().parse().ok()).collect();
        (!name.is_empty() && name.len() < 64 && name.bytes().all(plain) && !numbers.is_empty())
            .then(|| Listed { name: name.to_owned(), numbers })
    };
    text.lines().filter_map(line).collect()
}

/// Makes every attempt.
pub(super) async fn probe(bench: &Bench, attempts: &[Listed]) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    for attempt in attempts {
        let Listed { name, numbers } = attempt.clone();
        let result = if bench.executes() && BY_PROFILE.contains(&&*name) {
            Result::Untried("the profile allows it".to_owned())
        } else {
            let ran = bench.once(&bench.place_of(&name), &[bench.probe(), &name]).await;
            ran.map_or_else(Result::Untried, |ran| judge(&ran))
        };
        evidence.push(Evidence { name, numbers, result });
    }
    evidence
}

/// What the probe's end says: see its own description.
fn judge(ran: &Ran) -> Result {
    match (ran.status.code(), ran.status.signal()) {
        (Some(0), _) => Result::Possible(ran.said()),
        (Some(1), _) if ran.text.starts_with("refused:") => Result::Refused,
        (_, Some(KILLED_BY_FILTER)) => Result::Refused,
        _ => Result::Untried(ran.said()),
    }
}

/// Whether the probe can, outside of a cell, do something that a cell refuses.
pub(super) fn outside(bench: &Bench) -> bool {
    let ran = Command::new(bench.probe()).arg(CONTROL).env_clear().current_dir("/").output();
    ran.is_ok_and(|ran| ran.status.success())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_probes_list_is_read() {
        let listed = parse("read-shadow 1\nmount 21,23\nodd\n../x 1\nname x\n 1\n");
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[1], Listed { name: "mount".to_owned(), numbers: vec![21, 23] });
    }

    #[test]
    fn only_a_refusal_is_taken_for_one() {
        let ran = |status: i32, text: &str| {
            let status = std::process::ExitStatus::from_raw(status);
            judge(&Ran { status, timed_out: false, text: text.to_owned() })
        };
        assert_eq!(ran(0x100, "refused: EPERM\n"), Result::Refused);
        assert_eq!(ran(libc::SIGSYS, ""), Result::Refused);
        assert_eq!(ran(0, "possible: read\n"), Result::Possible("possible: read".to_owned()));
        assert!(matches!(ran(0x100, "sh: error\n"), Result::Untried(_)));
        assert!(matches!(ran(libc::SIGSEGV, ""), Result::Untried(_)));
        assert!(matches!(ran(0x200, "no attempt is called"), Result::Untried(_)));
    }

    proptest! {
        #[test]
        fn no_list_confuses_the_reader(text in "([a-z0-9 ,\\n-]{0,80}|.{0,80})") {
            for listed in parse(&text) {
                prop_assert!(!listed.name.contains('/') && !listed.numbers.is_empty());
            }
        }
    }
}
