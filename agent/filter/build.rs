//! Compiles `data/*.toml` into seccomp programs: the search tree over numbers
//! with the generator in `src/tree.rs`, the rules on arguments with
//! seccompiler.

#[path = "src/tree.rs"]
mod tree;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// By name; one that extends another comes after it.
const FILTERS: [&str; 2] = ["cell", "strict"];
const SYSCALLS: &str = "data/syscalls-x86_64.txt";

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Data {
    /// The filter whose entries it has, too; one that comes before it.
    extends: Option<String>,
    refuse: Vec<Refuse>,
    argument: Vec<Argument>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Refuse {
    errno: Errno,
    reason: String,
    syscalls: Vec<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
enum Errno {
    #[serde(rename = "EPERM")]
    Permission = 1,
    #[serde(rename = "ENOSYS")]
    NoSuchCall = 38,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Argument {
    reason: String,
    syscalls: Vec<String>,
    any: Vec<Vec<Condition>>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Condition {
    arg: u8,
    is: Comparison,
    value: u64,
    mask: Option<u64>,
    #[serde(default)]
    wide: bool,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "lowercase")]
enum Comparison {
    Eq,
    Ne,
    Masked,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rerun-if-changed=src/tree.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH")? != "x86_64" {
        return Err("filters exist for x86-64 only: no cell could be built on this target".into());
    }
    let numbers = numbers()?;
    let mut source =
        String::from("/// Every filter there is.\npub static FILTERS: &[Filter] = &[\n");
    let mut all: BTreeMap<&str, Data> = BTreeMap::new();
    for name in FILTERS {
        let mut data: Data =
            toml::from_str(&std::fs::read_to_string(format!("data/{name}.toml"))?)?;
        if let Some(base) = &data.extends {
            let base =
                all.get(&**base).ok_or_else(|| format!("{name} extends no filter: {base}"))?;
            data.refuse.splice(0..0, base.refuse.clone());
            data.argument.splice(0..0, base.argument.clone());
        }
        let programs = [
            Program { logged: false, code: by_number(&data, &numbers, Errno::NoSuchCall)? },
            Program { logged: true, code: by_number(&data, &numbers, Errno::Permission)? },
            Program { logged: true, code: by_argument(&data, &numbers)? },
        ];
        emit(&mut source, name, data.extends.as_deref(), &programs)?;
        all.insert(name, data);
    }
    source.push_str("];\n");
    let folder = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&folder).join("filters.rs"), source)?;
    std::fs::write(Path::new(&folder).join("reasons.rs"), reasons(&all))?;
    Ok(())
}

/// Of every filter, for every call that it refuses, why: what the feature
/// `names` includes.
fn reasons(all: &BTreeMap<&str, Data>) -> String {
    let mut of_each = Vec::new();
    for (name, data) in all {
        let refused = data.refuse.iter().map(|entry| (&entry.syscalls, &entry.reason));
        let argument = data.argument.iter().map(|entry| (&entry.syscalls, &entry.reason));
        for (syscalls, reason) in refused.chain(argument) {
            of_each.extend(syscalls.iter().map(|syscall| (*name, syscall, reason)));
        }
    }
    format!("static REASONS: &[(&str, &str, &str)] = &{of_each:?};\n")
}

type Numbers = BTreeMap<String, u32>;
type Code = Vec<[u8; 8]>;

struct Program {
    /// Whether its refusals are logged.
    logged: bool,
    code: Code,
}

fn numbers() -> Result<Numbers, Box<dyn std::error::Error>> {
    let mut numbers = Numbers::new();
    for line in std::fs::read_to_string(SYSCALLS)?.lines().filter(|l| !l.starts_with('#')) {
        let (name, number) = line.split_once(' ').ok_or_else(|| format!("{SYSCALLS}: {line}"))?;
        numbers.insert(name.to_owned(), number.parse()?);
    }
    Ok(numbers)
}

fn number(numbers: &Numbers, name: &str) -> Result<u32, String> {
    numbers.get(name).copied().ok_or_else(|| format!("no system call is named `{name}`"))
}

/// The refusals with `errno` that need no look at arguments. What programs
/// expect and fall back from, and numbers that nobody knows, are one program;
/// what they do not expect is another, because only that is worth a log line.
fn by_number(
    data: &Data,
    numbers: &Numbers,
    errno: Errno,
) -> Result<Code, Box<dyn std::error::Error>> {
    let unknown = if errno == Errno::NoSuchCall { tree::ERRNO | errno as u32 } else { tree::ALLOW };
    let end = numbers.values().max().map_or(0, |last| *last as usize + 1);
    let mut verdicts = vec![unknown; end];
    for number in numbers.values() {
        verdicts[*number as usize] = tree::ALLOW;
    }
    for entry in &data.refuse {
        if entry.reason.is_empty() {
            return Err("an entry without a reason".into());
        }
        for name in entry.syscalls.iter().filter(|_| entry.errno == errno) {
            verdicts[number(numbers, name)? as usize] = tree::ERRNO | errno as u32;
        }
    }
    Ok(tree::compile(tree::X86_64, &verdicts, unknown)
        .into_iter()
        .map(|i| bytes(i.code, i.jump_true, i.jump_false, i.operand))
        .collect())
}

fn by_argument(data: &Data, numbers: &Numbers) -> Result<Code, Box<dyn std::error::Error>> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for entry in &data.argument {
        if entry.reason.is_empty() {
            return Err("an entry without a reason".into());
        }
        for name in &entry.syscalls {
            let rules = rules.entry(number(numbers, name)?.into()).or_default();
            for all in &entry.any {
                let conditions: Result<_, _> = all.iter().map(condition).collect();
                rules.push(SeccompRule::new(conditions?)?);
            }
        }
    }
    let refuse = SeccompAction::Errno(Errno::Permission as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, TargetArch::x86_64)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(program.iter().map(|i| bytes(i.code, i.jt, i.jf, i.k)).collect())
}

fn condition(c: &Condition) -> Result<SeccompCondition, Box<dyn std::error::Error>> {
    let width = if c.wide { SeccompCmpArgLen::Qword } else { SeccompCmpArgLen::Dword };
    let operator = match (&c.is, c.mask) {
        (Comparison::Eq, None) => SeccompCmpOp::Eq,
        (Comparison::Ne, None) => SeccompCmpOp::Ne,
        (Comparison::Masked, Some(mask)) => SeccompCmpOp::MaskedEq(mask),
        _ => return Err("`mask` goes with `masked`, and only with it".into()),
    };
    Ok(SeccompCondition::new(c.arg, width, operator, c.value)?)
}

/// `struct sock_filter` in the target's byte order, which is the host's: the
/// filters exist for x86-64 only.
fn bytes(code: u16, jump_true: u8, jump_false: u8, operand: u32) -> [u8; 8] {
    let ([c0, c1], [k0, k1, k2, k3]) = (code.to_le_bytes(), operand.to_le_bytes());
    [c0, c1, jump_true, jump_false, k0, k1, k2, k3]
}

fn emit(
    source: &mut String,
    name: &str,
    extends: Option<&str>,
    programs: &[Program],
) -> std::fmt::Result {
    let mut hasher = Sha256::new();
    for program in programs {
        hasher.update([u8::from(program.logged)]);
        hasher.update((program.code.len() as u64).to_le_bytes());
        for instruction in &program.code {
            hasher.update(instruction);
        }
    }
    let digest: [u8; 32] = hasher.finalize().into();
    writeln!(
        source,
        "Filter {{ name: {name:?}, digest: {digest:?}, extends: {extends:?}, programs: &["
    )?;
    for program in programs {
        writeln!(source, "Program {{ logged: {}, code: &{:?} }},", program.logged, program.code)?;
    }
    writeln!(source, "] }},")
}
