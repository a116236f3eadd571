//! Our compiler gives the verdicts that seccompiler gives: for any rules, and for
//! the rules that we ship.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::interpreter::{Syscall, call, evaluate};
use super::{EPERM, verdict_of};
use crate::arguments::{self, Comparison, Condition, Rule};
use crate::data::{Data, Errno, Numbers, X86_64};
use crate::tree::{self, Instruction, Verdict};

/// seccompiler's program: refused with EPERM when a rule of the number holds, or
/// the number has none.
fn oracle(rules: &BTreeMap<u32, Vec<Rule>>) -> Vec<Instruction> {
    let condition = |it: &Condition| {
        let (operator, value) = match it.comparison {
            Comparison::Equal(value) => (SeccompCmpOp::Eq, value),
            Comparison::NotEqual(value) => (SeccompCmpOp::Ne, value),
            Comparison::Masked { mask, value } => (SeccompCmpOp::MaskedEq(mask.into()), value),
        };
        SeccompCondition::new(it.argument, SeccompCmpArgLen::Dword, operator, value.into()).unwrap()
    };
    let rule = |rule: &Rule| SeccompRule::new(rule.iter().map(condition).collect()).unwrap();
    let rules = rules
        .iter()
        .map(|(number, rules)| (i64::from(*number), rules.iter().map(rule).collect()))
        .collect();
    let refuse = SeccompAction::Errno(1);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, TargetArch::x86_64);
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    let ours = |it: &seccompiler::sock_filter| Instruction {
        code: it.code,
        jump_true: it.jt,
        jump_false: it.jf,
        operand: it.k,
    };
    program.iter().map(ours).collect()
}

/// The same from our compiler.
fn ours(rules: &BTreeMap<u32, Vec<Rule>>) -> Vec<Instruction> {
    let mut verdicts = vec![Verdict::Return(tree::ALLOW); 64];
    let mut blocks = Vec::new();
    for (number, rules) in rules {
        verdicts[*number as usize] = if rules.is_empty() {
            Verdict::Return(EPERM)
        } else {
            blocks.push(arguments::block(rules, EPERM));
            Verdict::Block(blocks.len() - 1)
        };
    }
    tree::compile(X86_64.audit, &verdicts, tree::ALLOW, &blocks)
}

/// Small, so that rules hold often.
fn value() -> impl Strategy<Value = u32> {
    prop_oneof![0..4_u32, Just(u32::MAX), Just(1 << 31)]
}

fn condition() -> impl Strategy<Value = Condition> {
    let comparison = prop_oneof![
        value().prop_map(Comparison::Equal),
        value().prop_map(Comparison::NotEqual),
        (value(), value()).prop_map(|(mask, bits)| Comparison::Masked { mask, value: mask & bits }),
    ];
    (0..6_u8, comparison).prop_map(|(argument, comparison)| Condition { argument, comparison })
}

fn rules() -> impl Strategy<Value = BTreeMap<u32, Vec<Rule>>> {
    let rule = proptest::collection::vec(condition(), 1..4);
    proptest::collection::btree_map(0..64_u32, proptest::collection::vec(rule, 0..4), 0..20)
}

fn argument() -> impl Strategy<Value = u64> {
    (value(), value()).prop_map(|(low, high)| u64::from(high) << 32 | u64::from(low))
}

proptest! {
    #[test]
    fn any_rules_give_the_verdicts_that_seccompiler_gives(
        rules in rules(),
        arguments in proptest::collection::vec(proptest::array::uniform6(argument()), 8),
    ) {
        let (ours, oracle) = (ours(&rules), oracle(&rules));
        for arguments in arguments {
            for number in 0..70 {
                let syscall = Syscall { arguments, ..call(number, &[]) };
                prop_assert_eq!(evaluate(&ours, &syscall), evaluate(&oracle, &syscall));
            }
        }
    }
}

/// All that a filter refuses with EPERM.
fn shipped(name: &str) -> BTreeMap<u32, Vec<Rule>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let (data, numbers) =
        (Data::read(&directory, name).unwrap(), Numbers::read(&directory, X86_64).unwrap());
    let number = |name: &String| numbers.get(name).unwrap().unwrap();
    let mut rules: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
    for entry in &data.argument {
        for name in &entry.syscalls {
            rules.entry(number(name)).or_default().extend(entry.rules().unwrap());
        }
    }
    for entry in data.refuse.iter().filter(|entry| entry.errno == Errno::Permission) {
        rules.extend(entry.syscalls.iter().map(|name| (number(name), Vec::new())));
    }
    rules
}

/// Every value that some condition of `rules` looks for, with its neighbours.
fn telling(rules: &BTreeMap<u32, Vec<Rule>>) -> Vec<u64> {
    let mut values: Vec<u64> = rules
        .values()
        .flatten()
        .flatten()
        .flat_map(|it| match it.comparison {
            Comparison::Equal(value) | Comparison::NotEqual(value) => [value, value],
            Comparison::Masked { mask, value } => [mask, value],
        })
        .flat_map(|value| [value, value.wrapping_add(1), value.wrapping_sub(1)].map(u64::from))
        .collect();
    values.sort_unstable();
    values.dedup();
    values
}

#[test]
fn the_shipped_filters_give_the_verdicts_that_seccompiler_gives() {
    for filter in crate::FILTERS {
        let rules = shipped(filter.name);
        let oracle = oracle(&rules);
        let logged = filter.programs.iter().find(|program| program.logged).unwrap();
        let ours = super::decode(logged.code);
        let values = telling(&rules);
        for number in 0..500 {
            // Only what has rules looks at arguments, at two of them at most.
            let values = if rules.contains_key(&number) { &values[..] } else { &[0] };
            for (index, &first) in values.iter().enumerate() {
                let second = values[(index * 7 + number as usize) % values.len()];
                let arguments = [first, second, first, second, first, second];
                for arguments in [arguments, [second, first, first, first, second, 0]] {
                    let syscall = Syscall { arguments, ..call(number, &[]) };
                    assert_eq!(
                        evaluate(&ours, &syscall),
                        evaluate(&oracle, &syscall),
                        "{syscall:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_strict_filter_refuses_all_that_a_cells_filter_refuses() {
    let (cell, strict) = (crate::by_name("cell").unwrap(), crate::by_name("strict").unwrap());
    let values = telling(&shipped("strict"));
    for number in 0..500 {
        for (index, &first) in values.iter().enumerate() {
            let second = values[(index * 7 + number as usize) % values.len()];
            let syscall = call(number, &[first, second, first, second]);
            let (wide, narrow) = (verdict_of(cell, &syscall), verdict_of(strict, &syscall));
            assert!(wide == tree::ALLOW || narrow == wide, "{syscall:?}: {wide:x}, {narrow:x}");
        }
    }
}
