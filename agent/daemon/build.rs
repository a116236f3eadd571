//! Compiles `data/agent-seccomp.toml` into the seccomp programs that the agent
//! installs on itself.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use serde::Deserialize;

const DATA: &str = "data/agent-seccomp.toml";
/// The kernel's names and numbers; one table for all filters.
const SYSCALLS: &str = "../filter/data/syscalls-x86_64.txt";

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
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

type Numbers = BTreeMap<String, i64>;
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DATA}");
    println!("cargo::rerun-if-changed={SYSCALLS}");
    if std::env::var("CARGO_CFG_TARGET_ARCH")? != "x86_64" {
        return Err("the agent's filter exists for x86-64 only".into());
    }
    let numbers = numbers()?;
    let data: Data = toml::from_str(&std::fs::read_to_string(DATA)?)?;
    let mut refused = calls(&data.refuse, &numbers)?;
    for entry in &data.argument {
        let rules = entry.any.iter().map(|all| rule(all)).collect::<Result<Vec<_>, _>>()?;
        for number in look_up(&entry.reason, &entry.syscalls, &numbers)? {
            refused.entry(number).or_default().extend(rules.clone());
        }
    }
    let programs =
        [compile(calls(&data.no_such_call, &numbers)?, ENOSYS)?, compile(refused, EPERM)?];
    let mut source = String::from("static PROGRAMS: &[&[[u8; 8]]] = &[\n");
    for program in programs {
        writeln!(source, "&{program:?},")?;
    }
    source.push_str("];\n");
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("seccomp.rs"), source)?;
    Ok(())
}

fn numbers() -> Result<Numbers, Box<dyn Error>> {
    let mut numbers = Numbers::new();
    for line in std::fs::read_to_string(SYSCALLS)?.lines().filter(|l| !l.starts_with('#')) {
        let (name, number) = line.split_once(' ').ok_or_else(|| format!("{SYSCALLS}: {line}"))?;
        numbers.insert(name.to_owned(), number.parse()?);
    }
    Ok(numbers)
}

fn look_up(reason: &str, names: &[String], numbers: &Numbers) -> Result<Vec<i64>, String> {
    if reason.is_empty() {
        return Err(format!("{DATA}: an entry without a reason"));
    }
    let number = |name: &String| {
        numbers
            .get(name)
            .copied()
            .ok_or_else(|| format!("{DATA}: no system call is named `{name}`"))
    };
    names.iter().map(number).collect()
}

/// Calls that are refused whatever their arguments.
fn calls(entries: &[Calls], numbers: &Numbers) -> Result<Rules, String> {
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

fn compile(rules: Rules, errno: u32) -> Result<Vec<[u8; 8]>, Box<dyn Error>> {
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
