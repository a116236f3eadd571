//! Rules on the arguments of one system call, as a block of instructions.
//!
//! A block is reached when the search tree has found the call; it ends in a
//! verdict whatever the arguments are. Conditions compare the low 32 bits: the
//! kernel takes flags, modes, families and requests from there.

use crate::tree::{ALLOW, Instruction};

const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// `seccomp_data.args`, the first one's low word on a little-endian machine.
const OFFSET_ARGUMENTS: u32 = 16;

/// Holds when all of its conditions do.
pub(crate) type Rule = Vec<Condition>;

/// What one argument must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// 0 to 5.
    pub(crate) argument: u8,
    pub(crate) comparison: Comparison,
}

/// How the low 32 bits of an argument are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal(u32),
    NotEqual(u32),
    /// The bits of `mask` are those of `value`, which has no others.
    Masked {
        mask: u32,
        value: u32,
    },
}

/// The block that gives `refuse` when one of `rules` holds, and allows otherwise.
/// A rule has at most 80 conditions: a jump reaches 255 instructions.
pub(crate) fn block(rules: &[Rule], refuse: u32) -> Vec<Instruction> {
    let mut block: Vec<_> = rules.iter().flat_map(|rule| one(rule, refuse)).collect();
    block.push(Instruction::of(RETURN, ALLOW));
    block
}

/// One rule: falls through to what comes after it when it does not hold.
fn one(rule: &Rule, refuse: u32) -> Vec<Instruction> {
    let mut code: Vec<Instruction> = Vec::new();
    for Condition { argument, comparison } in rule {
        code.push(Instruction::of(LOAD_WORD, OFFSET_ARGUMENTS + 8 * u32::from(*argument)));
        let (value, mask) = match comparison {
            Comparison::Equal(value) | Comparison::NotEqual(value) => (*value, None),
            Comparison::Masked { mask, value } => (*value, Some(*mask)),
        };
        code.extend(mask.map(|mask| Instruction::of(AND, mask)));
        code.push(Instruction::of(JUMP_EQUAL, value));
    }
    code.push(Instruction::of(RETURN, refuse));
    // Comparisons that do not hold jump behind the end.
    let mut negated = rule.iter().map(|it| matches!(it.comparison, Comparison::NotEqual(_)));
    let end = code.len();
    let comparisons = code.iter_mut().enumerate().filter(|(_, it)| it.code == JUMP_EQUAL);
    for ((index, comparison), negated) in comparisons.zip(negated.by_ref()) {
        let out = u8::try_from(end - index - 1)
            .unwrap_or_else(|_| panic!("a rule is {end} instructions long; a jump reaches 255"));
        if negated {
            comparison.jump_true = out;
        } else {
            comparison.jump_false = out;
        }
    }
    code
}
