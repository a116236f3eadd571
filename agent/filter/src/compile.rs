//! A filter's data becomes its programs.
//!
//! Two of them, because logging is a property of a whole program: refusals that
//! programs expect and fall back from, and numbers that nobody knows, are not
//! logged; those that they do not expect are.
//!
//! Used by the build script and by the tests of what it makes.

use std::collections::BTreeMap;
use std::error::Error;

use sha2::{Digest, Sha256};

use crate::arguments::{self, Rule};
use crate::data::{Architecture, Data, Errno, Numbers};
use crate::tree::{self, Verdict};

/// A program, compiled.
pub(crate) struct Compiled {
    /// Whether its refusals are logged.
    pub(crate) logged: bool,
    /// `struct sock_filter`s, little-endian as both architectures are.
    pub(crate) code: Vec<[u8; 8]>,
}

/// The programs of a filter, in the order in which they are installed.
pub(crate) fn programs(
    data: &Data,
    numbers: &Numbers,
    architecture: Architecture,
) -> Result<[Compiled; 2], Box<dyn Error>> {
    let audit = architecture.audit;
    Ok([
        Compiled { logged: false, code: fallbacks(data, numbers, audit)? },
        Compiled { logged: true, code: refusals(data, numbers, audit)? },
    ])
}

/// What a plan calls the filter.
pub(crate) fn digest(programs: &[Compiled]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for Compiled { logged, code } in programs {
        hasher.update([u8::from(*logged)]);
        hasher.update((code.len() as u64).to_le_bytes());
        for instruction in code {
            hasher.update(instruction);
        }
    }
    hasher.finalize().into()
}

fn value(errno: Errno) -> u32 {
    tree::ERRNO | errno as u32
}

/// Refusals with ENOSYS: those of the data, and of numbers that have no name.
fn fallbacks(data: &Data, numbers: &Numbers, audit: u32) -> Result<Vec<[u8; 8]>, Box<dyn Error>> {
    let unknown = value(Errno::NoSuchCall);
    let mut verdicts = Verdicts::all(numbers, Verdict::Return(unknown));
    for number in numbers.iter() {
        verdicts.set(number, Verdict::Return(tree::ALLOW));
    }
    for entry in data.refuse.iter().filter(|entry| entry.errno == Errno::NoSuchCall) {
        verdicts.set_each(&entry.syscalls, numbers, Verdict::Return(unknown))?;
    }
    Ok(bytes(tree::compile(audit, &verdicts.0, unknown, &[])))
}

/// Refusals with EPERM: by number, and by arguments.
fn refusals(data: &Data, numbers: &Numbers, audit: u32) -> Result<Vec<[u8; 8]>, Box<dyn Error>> {
    let refuse = value(Errno::Permission);
    let mut by_number: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
    for entry in &data.argument {
        for name in &entry.syscalls {
            if let Some(number) = numbers.get(name)? {
                by_number.entry(number).or_default().extend(entry.rules()?);
            }
        }
    }
    let mut verdicts = Verdicts::all(numbers, Verdict::Return(tree::ALLOW));
    // Calls with the same rules share a block.
    let mut rules: Vec<Vec<Rule>> = Vec::new();
    for (number, own) in by_number {
        let index = rules.iter().position(|other| *other == own).unwrap_or_else(|| {
            rules.push(own);
            rules.len() - 1
        });
        verdicts.set(number, Verdict::Block(index));
    }
    for entry in data.refuse.iter().filter(|entry| entry.errno == Errno::Permission) {
        verdicts.set_each(&entry.syscalls, numbers, Verdict::Return(refuse))?;
    }
    let blocks: Vec<_> = rules.iter().map(|rules| arguments::block(rules, refuse)).collect();
    Ok(bytes(tree::compile(audit, &verdicts.0, tree::ALLOW, &blocks)))
}

/// Verdicts by number.
struct Verdicts(Vec<Verdict>);

impl Verdicts {
    fn all(numbers: &Numbers, verdict: Verdict) -> Self {
        let last = numbers.iter().max().unwrap_or(0);
        Self(vec![verdict; last as usize + 1])
    }

    fn set(&mut self, number: u32, verdict: Verdict) {
        self.0[number as usize] = verdict;
    }

    fn set_each(
        &mut self,
        names: &[String],
        numbers: &Numbers,
        verdict: Verdict,
    ) -> Result<(), String> {
        for name in names {
            if let Some(number) = numbers.get(name)? {
                self.set(number, verdict);
            }
        }
        Ok(())
    }
}

fn bytes(program: Vec<tree::Instruction>) -> Vec<[u8; 8]> {
    let one = |it: tree::Instruction| {
        let ([c0, c1], [k0, k1, k2, k3]) = (it.code.to_le_bytes(), it.operand.to_le_bytes());
        [c0, c1, it.jump_true, it.jump_false, k0, k1, k2, k3]
    };
    program.into_iter().map(one).collect()
}
