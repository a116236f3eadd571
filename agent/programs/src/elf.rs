//! What an ELF file says about itself: its loader, the libraries that it names
//! and where it looks for them, and whether it is a program.
//!
//! The file may be hostile: `object` checks every offset, [`Bounded`] every size
//! before a byte is read or a buffer made. Sources: elf(5), ld.so(8).

use std::ffi::OsString;
use std::fs::File;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use object::Endianness;
use object::elf::{
    DF_1_PIE, DT_FLAGS_1, DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_SONAME, DT_STRTAB, ET_DYN, ET_EXEC,
    FileHeader32, FileHeader64, PT_DYNAMIC, PT_INTERP,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};

use crate::bounds;

mod bounded;

use bounded::Bounded;

/// The first bytes of every ELF file.
pub(crate) const MAGIC: &[u8] = b"\x7fELF";

/// Only objects of the same machine and word size are loaded together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Machine {
    /// `e_machine`.
    pub(crate) number: u16,
    /// 64-bit.
    pub(crate) wide: bool,
}

/// An ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elf {
    /// What it runs on.
    pub(crate) machine: Machine,
    /// PT_INTERP: the dynamic loader.
    pub(crate) interpreter: Option<PathBuf>,
    /// DT_NEEDED, in the file's order.
    pub(crate) needed: Vec<OsString>,
    /// DT_RPATH, as written.
    pub(crate) rpath: Vec<OsString>,
    /// DT_RUNPATH, as written. `None` where there is none: an empty one counts.
    pub(crate) runpath: Option<Vec<OsString>>,
    kind: u16,
    entry: bool,
    pie: bool,
    soname: bool,
}

impl Elf {
    /// Reads the tables of an open file; `None` if it is not a whole ELF file.
    pub(crate) fn read(file: File) -> Option<Self> {
        let cache = ReadCache::new(file);
        let left = std::cell::Cell::new(bounds::ELF_TABLES);
        let data = Bounded::new(&cache, &left);
        match data.read_bytes_at(4, 1).ok()? {
            [object::elf::ELFCLASS64] => parse::<FileHeader64<Endianness>>(data),
            [object::elf::ELFCLASS32] => parse::<FileHeader32<Endianness>>(data),
            _ => None,
        }
    }

    /// Whether the kernel or a dynamic loader could run it as a program. A
    /// library has an entry point too in some distributions, and an execute bit
    /// in others; only those with both and without a name are taken for
    /// programs.
    pub(crate) fn is_program(&self, execute_bit: bool) -> bool {
        let bare = execute_bit && self.entry && !self.soname;
        self.kind == ET_EXEC
            || self.kind == ET_DYN && (self.interpreter.is_some() || self.pie || bare)
    }

    /// Whether a loader would take it for a library of a program on `machine`. A
    /// program named as a library is none: glibc refuses it too, and it must not
    /// become readable by being named. The C library can be started and is a
    /// library all the same: it has a name as one.
    pub(crate) fn is_library_for(&self, machine: Machine) -> bool {
        let is_program = self.pie || self.interpreter.is_some() && !self.soname;
        self.kind == ET_DYN && self.machine == machine && !is_program
    }

    /// Whether it is a library or a module that a program may open as it runs.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.kind == ET_DYN
    }
}

/// The rows of the dynamic table that matter.
#[derive(Default)]
struct Rows {
    strings: u64,
    needed: Vec<u64>,
    rpath: Option<u64>,
    runpath: Option<u64>,
    pie: bool,
    soname: bool,
}

fn parse<E: FileHeader<Endian = Endianness>>(data: Bounded<'_>) -> Option<Elf> {
    let header = E::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let of = |kind| segments.iter().find(move |segment| segment.p_type(endian) == kind);
    let interpreter = match of(PT_INTERP) {
        Some(segment) => Some(loader_name(segment.data(endian, data).ok()?)?),
        None => None,
    };
    let mut rows = Rows::default();
    if let Some(segment) = of(PT_DYNAMIC) {
        for row in segment.dynamic(endian, data).ok()?? {
            rows.take(row.d_tag(endian).into(), row.d_val(endian).into())?;
        }
    }
    // The table names an address; the file has it where the segments say.
    let strings = segments.iter().find_map(|segment| {
        let start: u64 = segment.p_vaddr(endian).into();
        let within = rows.strings.checked_sub(start)?;
        let length: u64 = segment.p_filesz(endian).into();
        let offset: u64 = segment.p_offset(endian).into();
        let loaded = segment.p_type(endian) == object::elf::PT_LOAD && within < length;
        loaded.then(|| offset.checked_add(within)).flatten()
    });
    let string = |at: u64| text(data, strings?.checked_add(at)?);
    let run_path = |at: u64| string(at).map(|text| split(&text));
    Some(Elf {
        machine: Machine { number: header.e_machine(endian), wide: header.is_type_64() },
        interpreter,
        needed: rows.needed.iter().map(|&at| string(at)).collect::<Option<_>>()?,
        rpath: rows.rpath.map_or(Some(Vec::new()), run_path)?,
        runpath: match rows.runpath {
            Some(at) => Some(run_path(at)?),
            None => None,
        },
        kind: header.e_type(endian),
        entry: header.e_entry(endian).into() != 0,
        pie: rows.pie,
        soname: rows.soname,
    })
}

impl Rows {
    fn take(&mut self, tag: i64, value: u64) -> Option<()> {
        match tag {
            DT_STRTAB => self.strings = value,
            DT_NEEDED => self.needed.push(value),
            DT_RPATH => self.rpath = Some(value),
            DT_RUNPATH => self.runpath = Some(value),
            DT_SONAME => self.soname = true,
            DT_FLAGS_1 => self.pie = value & u64::from(DF_1_PIE) != 0,
            _ => {}
        }
        (self.needed.len() <= bounds::NEEDED).then_some(())
    }
}

fn loader_name(bytes: &[u8]) -> Option<PathBuf> {
    let name = bytes.split(|&byte| byte == 0).next()?;
    let name = PathBuf::from(OsString::from_vec(name.to_vec()));
    name.is_absolute().then_some(name)
}

fn text(data: Bounded<'_>, at: u64) -> Option<OsString> {
    let end = at.checked_add(4096)?.min(data.len().ok()?);
    let bytes = data.read_bytes_at_until(Range { start: at, end }, 0).ok()?;
    Some(OsString::from_vec(bytes.to_vec()))
}

fn split(text: &OsString) -> Vec<OsString> {
    let bytes = text.as_encoded_bytes();
    let parts = bytes.split(|&byte| byte == b':').filter(|part| !part.is_empty());
    parts.take(bounds::RUN_PATH).map(|part| OsString::from_vec(part.to_vec())).collect()
}

#[cfg(test)]
mod tests;
