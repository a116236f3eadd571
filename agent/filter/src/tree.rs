//! A seccomp program that finds its verdict by binary search over system call
//! numbers.
//!
//! seccompiler compares one number after another; the kernel then checks and
//! translates several hundred comparisons each time a cell is built, and runs them
//! at each call. A search tree over ranges of equal verdicts says the same in a
//! tenth of the instructions; what looks at arguments lies behind it, so that only
//! the calls that have such rules come there. The tests hold it against
//! seccompiler's verdicts.
//!
//! Used by the build script and tests only; the kernel's contract is in
//! Documentation/userspace-api/seccomp_filter.rst and linux/bpf_common.h.

/// One classic BPF instruction, as `struct sock_filter` lays it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// The operation.
    pub(crate) code: u16,
    /// How many instructions to skip when a comparison holds.
    pub(crate) jump_true: u8,
    /// How many to skip when it does not.
    pub(crate) jump_false: u8,
    /// The operand.
    pub(crate) operand: u32,
}

const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER_OR_EQUAL: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const OFFSET_NUMBER: u32 = 0; // seccomp_data.nr
const OFFSET_ARCHITECTURE: u32 = 4; // seccomp_data.arch

/// `SECCOMP_RET_KILL_PROCESS`.
pub(crate) const KILL_PROCESS: u32 = 0x8000_0000;
/// `SECCOMP_RET_ALLOW`.
pub(crate) const ALLOW: u32 = 0x7fff_0000;
/// `SECCOMP_RET_ERRNO`; the error number is added.
pub(crate) const ERRNO: u32 = 0x0005_0000;
/// `__X32_SYSCALL_BIT`.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

impl Instruction {
    /// One that jumps nowhere.
    pub(crate) const fn of(code: u16, operand: u32) -> Self {
        Self { code, jump_true: 0, jump_false: 0, operand }
    }
}

/// What a number gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A return value.
    Return(u32),
    /// The block with this index decides.
    Block(usize),
}

/// Consecutive numbers from `first` on with one verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    verdict: Verdict,
}

/// Compiles verdicts by number into a program for `architecture`. A foreign
/// architecture, or a number with the x32 bit, kills the process; a number
/// beyond the table gets `unknown`.
#[must_use]
pub(crate) fn compile(
    architecture: u32,
    verdicts: &[Verdict],
    unknown: u32,
    blocks: &[Vec<Instruction>],
) -> Vec<Instruction> {
    let kill = Instruction::of(RETURN, KILL_PROCESS);
    let mut program = vec![
        Instruction::of(LOAD_WORD, OFFSET_ARCHITECTURE),
        Instruction { jump_true: 1, ..Instruction::of(JUMP_EQUAL, architecture) },
        kill,
        Instruction::of(LOAD_WORD, OFFSET_NUMBER),
        Instruction { jump_false: 1, ..Instruction::of(JUMP_GREATER_OR_EQUAL, X32_BIT) },
        kill,
    ];
    search(&ranges(verdicts, unknown), &mut program);
    let mut starts = Vec::new();
    let mut blocks_end = program.len();
    for block in blocks {
        starts.push(blocks_end);
        blocks_end += block.len();
    }
    for (index, jump) in program.iter_mut().enumerate().filter(|(_, it)| it.code == JUMP) {
        let far = starts[jump.operand as usize] - index - 1;
        jump.operand = u32::try_from(far).unwrap_or_else(|_| panic!("{far} instructions away"));
    }
    program.extend(blocks.iter().flatten());
    program
}

/// The verdicts as ranges, in order; the last one is open-ended.
fn ranges(verdicts: &[Verdict], unknown: u32) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for (number, &verdict) in (0..).zip(verdicts.iter().chain([&Verdict::Return(unknown)])) {
        if ranges.last().is_none_or(|last| last.verdict != verdict) {
            ranges.push(Range { first: number, verdict });
        }
    }
    ranges
}

/// Emits the search among `ranges`, which is not empty. A jump to a block has the
/// block's index as its operand until it is known where the block lies.
fn search(ranges: &[Range], program: &mut Vec<Instruction>) {
    if let [only] = ranges {
        program.push(match only.verdict {
            Verdict::Return(value) => Instruction::of(RETURN, value),
            Verdict::Block(index) => {
                let index = u32::try_from(index).unwrap_or_else(|_| panic!("{index} blocks"));
                Instruction::of(JUMP, index)
            }
        });
        return;
    }
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let mut left = Vec::new();
    search(lower, &mut left);
    // At or above the upper half's first number: jump over the lower half.
    let jump_true = u8::try_from(left.len()).unwrap_or_else(|_| {
        panic!("a filter's half is {} instructions long; a jump reaches 255", left.len())
    });
    program
        .push(Instruction { jump_true, ..Instruction::of(JUMP_GREATER_OR_EQUAL, upper[0].first) });
    program.extend(left);
    search(upper, program);
}
