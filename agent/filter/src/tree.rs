//! A seccomp program that finds its verdict by binary search over system call
//! numbers.
//!
//! seccompiler compares one number after another; the kernel then checks and
//! translates several hundred comparisons each time a cell is built. A search
//! tree over ranges of equal verdicts says the same in a tenth of the
//! instructions. The tests hold it against seccompiler's verdicts.
//!
//! Used by the build script only; the kernel's contract is in
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
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const OFFSET_NUMBER: u32 = 0; // seccomp_data.nr
const OFFSET_ARCHITECTURE: u32 = 4; // seccomp_data.arch

/// `SECCOMP_RET_KILL_PROCESS`.
pub(crate) const KILL_PROCESS: u32 = 0x8000_0000;
/// `SECCOMP_RET_ALLOW`.
pub(crate) const ALLOW: u32 = 0x7fff_0000;
/// `SECCOMP_RET_ERRNO`; the error number is added.
pub(crate) const ERRNO: u32 = 0x0005_0000;
/// `AUDIT_ARCH_X86_64`.
pub(crate) const X86_64: u32 = 0xc000_003e;
/// `__X32_SYSCALL_BIT`.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// Consecutive numbers from `first` on with one verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    verdict: u32,
}

/// Compiles verdicts by number into a program for `architecture`. A foreign
/// architecture, or a number with the x32 bit, kills the process; a number
/// beyond the table gets `unknown`.
#[must_use]
pub(crate) fn compile(architecture: u32, verdicts: &[u32], unknown: u32) -> Vec<Instruction> {
    let kill = Instruction { code: RETURN, jump_true: 0, jump_false: 0, operand: KILL_PROCESS };
    let load = |operand| Instruction { code: LOAD_WORD, jump_true: 0, jump_false: 0, operand };
    let mut program = vec![
        load(OFFSET_ARCHITECTURE),
        Instruction { code: JUMP_EQUAL, jump_true: 1, jump_false: 0, operand: architecture },
        kill,
        load(OFFSET_NUMBER),
        Instruction { code: JUMP_GREATER_OR_EQUAL, jump_true: 0, jump_false: 1, operand: X32_BIT },
        kill,
    ];
    search(&ranges(verdicts, unknown), &mut program);
    program
}

/// The verdicts as ranges, in order; the last one is open-ended.
fn ranges(verdicts: &[u32], unknown: u32) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for (number, &verdict) in (0..).zip(verdicts.iter().chain([&unknown])) {
        if ranges.last().is_none_or(|last| last.verdict != verdict) {
            ranges.push(Range { first: number, verdict });
        }
    }
    ranges
}

/// Emits the search among `ranges`, which is not empty.
fn search(ranges: &[Range], program: &mut Vec<Instruction>) {
    if let [only] = ranges {
        program.push(Instruction {
            code: RETURN,
            jump_true: 0,
            jump_false: 0,
            operand: only.verdict,
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
    program.push(Instruction {
        code: JUMP_GREATER_OR_EQUAL,
        jump_true,
        jump_false: 0,
        operand: upper[0].first,
    });
    program.extend(left);
    search(upper, program);
}
