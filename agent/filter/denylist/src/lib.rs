//! Compiles the seccomp filters that our unprivileged daemons install on
//! themselves: lists of what a daemon gives up, each entry with its reason.
//!
//! Called by build scripts only, so that no filter is parsed at run time. Unlike
//! a cell's filter, which names what is allowed, these name what is refused: a
//! daemon is our own code, and its libraries may change what they call.
//!
//! The result is a Rust source file with `static PROGRAMS: &[&[[u8; 8]]]`:
//! programs to install one after the other. The first kills foreign system call
//! numbers (x32), the second answers `ENOSYS`, the third `EPERM`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use serde::Deserialize;

/// The kernel's names and numbers; one table for all filters.
const SYSCALLS: &str = include_str!("../../data/syscalls-x86_64.txt");

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Kills x32 calls, whose numbers seccompiler's programs would take for
/// unknown ones: `ld [nr]; jge 0x4000_0000; allow; kill` (linux/filter.h).
const FOREIGN_NUMBERS: &[[u8; 8]] = &[
    [0x20, 0, 0, 0, 0, 0, 0, 0],
    [0x35, 0, 1, 0, 0, 0, 0, 0x40],
    [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f],
    [0x06, 0, 0, 0, 0, 0, 0, 0x80],
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    no_such_call: Vec<Calls>,
    refuse: Vec<Calls>,
    argument: Vec<Argument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Calls {
    reason: String,
    syscalls: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Argument {
    reason: String,
    syscalls: Vec<String>,
    any: Vec<Vec<Condition>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    arg: u8,
    is: Comparison,
    value: u64,
    #[serde(default)]
    mask: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Comparison {
    Eq,
    Ne,
    Masked,
}

/// Why a list could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum DenylistError {
    /// A file could not be read or written.
    #[error("cannot read the deny list or write what it compiles to: {0}")]
    File(#[from] io::Error),
    /// The file is not such a list.
    #[error("cannot read the deny list: {0}")]
    Read(#[from] toml::de::Error),
    /// An entry says nothing.
    #[error("an entry of the deny list has no reason: {0:?}")]
    Reason(Vec<String>),
    /// A call that the table does not have.
    #[error("no system call is named `{0}`")]
    Name(String),
    /// The table of numbers has a line that means nothing.
    #[error("the table of system calls has the line {0:?}")]
    Table(String),
    /// seccompiler refuses.
    #[error("cannot compile the deny list: {0}")]
    Compile(#[from] seccompiler::BackendError),
    /// The filters know one architecture.
    #[error("filters exist for x86-64 only")]
    Architecture,
}

type Numbers = BTreeMap<&'static str, i64>;
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Reads the list `data` and writes Rust source to `source`. A build script
/// gives it paths; `cargo::rerun-if-changed` is printed here.
///
/// # Errors
/// See [`DenylistError`]; the build fails.
pub fn compile(data: &Path, source: &Path) -> Result<(), DenylistError> {
    println!("cargo::rerun-if-changed={}", data.display());
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|target| target != "x86_64") {
        return Err(DenylistError::Architecture);
    }
    let numbers = numbers()?;
    let list: List = toml::from_str(&std::fs::read_to_string(data)?)?;
    let mut refused = calls(&list.refuse, &numbers)?;
    for entry in &list.argument {
        let rules = entry.any.iter().map(|all| rule(all)).collect::<Result<Vec<_>, _>>()?;
        for number in look_up(&entry.reason, &entry.syscalls, &numbers)? {
            refused.entry(number).or_default().extend(rules.clone());
        }
    }
    let programs = [
        FOREIGN_NUMBERS.to_vec(),
        program(calls(&list.no_such_call, &numbers)?, ENOSYS)?,
        program(refused, EPERM)?,
    ];
    let mut text = String::from("static PROGRAMS: &[&[[u8; 8]]] = &[\n");
    for program in programs {
        // Writing to a String does not fail.
        let _ = writeln!(text, "&{program:?},");
    }
    text.push_str("];\n");
    Ok(std::fs::write(source, text)?)
}

fn numbers() -> Result<Numbers, DenylistError> {
    let line = |line: &'static str| {
        line.split_once(' ')
            .and_then(|(name, number)| Some((name, number.parse().ok()?)))
            .ok_or_else(|| DenylistError::Table(line.to_owned()))
    };
    SYSCALLS.lines().filter(|l| !l.starts_with('#')).map(line).collect()
}

fn look_up(reason: &str, names: &[String], numbers: &Numbers) -> Result<Vec<i64>, DenylistError> {
    if reason.is_empty() {
        return Err(DenylistError::Reason(names.to_vec()));
    }
    let number = |name: &String| {
        numbers.get(name.as_str()).copied().ok_or_else(|| DenylistError::Name(name.clone()))
    };
    names.iter().map(number).collect()
}

/// Calls that are refused whatever their arguments.
fn calls(entries: &[Calls], numbers: &Numbers) -> Result<Rules, DenylistError> {
    let mut rules = Rules::new();
    for entry in entries {
        for number in look_up(&entry.reason, &entry.syscalls, numbers)? {
            rules.insert(number, Vec::new());
        }
    }
    Ok(rules)
}

fn rule(all: &[Condition]) -> Result<SeccompRule, seccompiler::BackendError> {
    let condition = |c: &Condition| {
        let operator = match c.is {
            Comparison::Eq => SeccompCmpOp::Eq,
            Comparison::Ne => SeccompCmpOp::Ne,
            Comparison::Masked => SeccompCmpOp::MaskedEq(c.mask),
        };
        SeccompCondition::new(c.arg, SeccompCmpArgLen::Dword, operator, c.value)
    };
    SeccompRule::new(all.iter().map(condition).collect::<Result<_, _>>()?)
}

fn program(rules: Rules, errno: u32) -> Result<Vec<[u8; 8]>, DenylistError> {
    let refuse = SeccompAction::Errno(errno);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, TargetArch::x86_64)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(program
        .iter()
        .map(|i| {
            let ([c0, c1], [k0, k1, k2, k3]) = (i.code.to_le_bytes(), i.k.to_le_bytes());
            [c0, c1, i.jt, i.jf, k0, k1, k2, k3]
        })
        .collect())
}
