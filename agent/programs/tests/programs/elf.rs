//! Makes small ELF files: a header, segments, a dynamic table, strings.

/// A 64-bit file for x86-64 that only says things.
#[derive(Default)]
pub(crate) struct Elf {
    pub(crate) kind: u16,
    pub(crate) machine: u16,
    pub(crate) entry: u64,
    pub(crate) interpreter: Option<String>,
    pub(crate) needed: Vec<String>,
    pub(crate) rpath: Option<String>,
    pub(crate) runpath: Option<String>,
    pub(crate) soname: Option<String>,
}

const HEADER: usize = 64;
const SEGMENT: usize = 56;

impl Elf {
    pub(crate) fn program(interpreter: &str, needed: &[&str]) -> Self {
        let interpreter = Some(interpreter.to_owned());
        Self { entry: 1, interpreter, ..Self::library(needed) }
    }

    pub(crate) fn library(needed: &[&str]) -> Self {
        let needed = needed.iter().map(|name| (*name).to_owned()).collect();
        Self { kind: 3, machine: 62, needed, ..Self::default() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut rows: Vec<(u64, u64)> = Vec::new();
        let mut string = |tag: u64, text: &str| {
            rows.push((tag, strings.len() as u64));
            strings.extend(text.bytes().chain([0]));
        };
        self.needed.iter().for_each(|name| string(1, name));
        let named = [(14, &self.soname), (15, &self.rpath), (29, &self.runpath)];
        for (tag, text) in named {
            if let Some(text) = text {
                string(tag, text);
            }
        }
        let interpreter: Vec<u8> =
            self.interpreter.iter().flat_map(|path| path.bytes().chain([0])).collect();
        let interpreter_at = HEADER + 3 * SEGMENT;
        let dynamic_at = (interpreter_at + interpreter.len()).next_multiple_of(8);
        let strings_at = dynamic_at + (rows.len() + 2) * 16;
        rows.extend([(5, strings_at as u64), (0, 0)]);
        let length = strings_at + strings.len();

        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(16, 0);
        bytes.extend([self.kind.to_le_bytes(), self.machine.to_le_bytes()].concat());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend([self.entry, HEADER as u64, 0].map(u64::to_le_bytes).concat());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend([64_u16, 56, 3, 64, 0, 0].map(u16::to_le_bytes).concat());
        // PT_INTERP, or PT_NULL where there is none; PT_LOAD of all; PT_DYNAMIC.
        let interp = if interpreter.is_empty() { 0 } else { 3 };
        let segments = [
            (interp, interpreter_at, interpreter.len()),
            (1, 0, length),
            (2, dynamic_at, rows.len() * 16),
        ];
        for (kind, at, size) in segments {
            bytes.extend([kind, 4_u32].map(u32::to_le_bytes).concat());
            let (at, size) = (at as u64, size as u64);
            bytes.extend([at, at, at, size, size, 8].map(u64::to_le_bytes).concat());
        }
        bytes.extend(interpreter);
        bytes.resize(dynamic_at, 0);
        bytes.extend(
            rows.iter().flat_map(|&(tag, value)| [tag, value].map(u64::to_le_bytes).concat()),
        );
        bytes.extend(strings);
        bytes
    }
}
