//! An evaluator of classic BPF, for the instructions that seccomp programs have.

use crate::data::X86_64;
use crate::tree::Instruction;

/// What the kernel hands to a filter: `struct seccomp_data`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syscall {
    pub(super) architecture: u32,
    pub(super) number: u32,
    pub(super) arguments: [u64; 6],
}

/// On x86-64.
pub(super) fn call(number: u32, arguments: &[u64]) -> Syscall {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    Syscall { architecture: X86_64.audit, number, arguments: all }
}

fn word(syscall: &Syscall, offset: u32) -> u32 {
    let argument = |o: u32| syscall.arguments[(o as usize - 16) / 8];
    #[allow(clippy::cast_possible_truncation, reason = "the low word is what is asked for")]
    match offset {
        0 => syscall.number,
        4 => syscall.architecture,
        o if o % 8 == 0 => argument(o) as u32,
        o => (argument(o - 4) >> 32) as u32,
    }
}

/// Runs one program; panics on an instruction that no filter of ours has.
pub(super) fn evaluate(program: &[Instruction], syscall: &Syscall) -> u32 {
    let (mut pc, mut accumulator) = (0, 0);
    loop {
        let Instruction { code, jump_true, jump_false, operand: k } = program[pc];
        pc += 1;
        let jump = |holds: bool| usize::from(if holds { jump_true } else { jump_false });
        match code {
            0x20 => accumulator = word(syscall, k),
            0x54 => accumulator &= k,
            0x05 => pc += k as usize,
            0x15 => pc += jump(accumulator == k),
            0x25 => pc += jump(accumulator > k),
            0x35 => pc += jump(accumulator >= k),
            0x06 => return k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

pub(super) fn decode(program: &[[u8; 8]]) -> Vec<Instruction> {
    program
        .iter()
        .map(|&[c0, c1, jump_true, jump_false, k0, k1, k2, k3]| Instruction {
            code: u16::from_le_bytes([c0, c1]),
            jump_true,
            jump_false,
            operand: u32::from_le_bytes([k0, k1, k2, k3]),
        })
        .collect()
}
