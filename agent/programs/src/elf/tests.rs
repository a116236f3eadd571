//! Tests of the ELF reader, on this machine's files and on damaged ones.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> Option<Elf> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Elf::read(file)
}

fn this() -> Elf {
    Elf::read(File::open("/proc/self/exe").unwrap()).unwrap()
}

#[test]
fn a_program_names_its_loader_and_its_libraries() {
    let elf = this();
    assert!(elf.is_program(true) && elf.is_program(false));
    assert!(elf.interpreter.unwrap().is_absolute());
    assert!(elf.needed.iter().any(|name| name.to_string_lossy().starts_with("libc.")));
}

#[test]
fn a_library_is_no_program_and_fits_only_its_machine() {
    let libraries = ["/lib/x86_64-linux-gnu/libz.so.1", "/lib64/libz.so.1", "/lib/libz.so.1"];
    let Some(path) = libraries.iter().find(|path| Path::new(path).exists()) else { return };
    let elf = Elf::read(File::open(path).unwrap()).unwrap();
    assert!(!elf.is_program(true) && elf.is_dynamic());
    assert!(elf.is_library_for(this().machine));
    assert!(!elf.is_library_for(Machine { number: 3, wide: false }));
}

#[test]
fn sizes_that_a_header_claims_are_not_believed() {
    // A sparse file as large as its header says, whose dynamic table is all of it.
    let mut bytes = std::fs::read("/proc/self/exe").unwrap();
    bytes.truncate(4096);
    let (table, count) = (64, usize::from(bytes[56]));
    for index in 0..count {
        let at = table + index * 56;
        if bytes[at] == 2 {
            bytes[at + 8..at + 16].copy_from_slice(&0_u64.to_le_bytes());
            bytes[at + 32..at + 40].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        }
    }
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.set_len(1 << 41).unwrap();
    assert_eq!(Elf::read(file), None);
}

proptest! {
    #[test]
    fn damaged_headers_are_read_without_panic(
        damage in proptest::collection::vec((0_usize..1024, any::<u8>()), 1..12),
        cut in proptest::option::of(0_usize..4096),
    ) {
        let mut bytes = std::fs::read("/bin/true").unwrap();
        for (at, byte) in damage {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        if let Some(elf) = read(&bytes) {
            prop_assert!(elf.needed.len() <= bounds::NEEDED);
            prop_assert!(elf.interpreter.is_none_or(|path| path.is_absolute()));
        }
    }

    #[test]
    fn damaged_dynamic_tables_are_read_without_panic(row in 0_usize..40, value in any::<u64>()) {
        let mut bytes = std::fs::read("/bin/true").unwrap();
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let table = usize::try_from(number(32)).unwrap();
        let dynamic = (0..usize::from(bytes[56])).find(|index| bytes[table + index * 56] == 2);
        let offset = usize::try_from(number(table + dynamic.unwrap() * 56 + 8)).unwrap();
        let at = offset + row * 8;
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        _ = read(&bytes);
    }

    #[test]
    fn anything_behind_the_magic_is_read_without_panic(rest in proptest::collection::vec(any::<u8>(), 0..600)) {
        _ = read(&[MAGIC, &rest].concat());
    }
}
