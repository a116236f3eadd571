//! A program may say anything: it gets libraries, loaders and interpreters, and
//! nothing else.

use std::path::Path;

use cofferdam_programs::Kind;
use proptest::prelude::*;

use crate::World;
use crate::elf::Elf;

/// Names that a hostile file may use.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("/home/secret".to_owned()),
        Just("../home/secret".to_owned()),
        Just("secret".to_owned()),
        Just("libc.so.6".to_owned()),
        Just("/lib/libc.so.6".to_owned()),
        Just("/bin/other".to_owned()),
        Just("/".to_owned()),
        Just(String::new()),
        "[$/.A-Z{}a-z]{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]


    #[test]
    fn a_hostile_program_gets_no_file_that_is_neither_library_nor_program(
        interpreter in proptest::option::of(name()),
        needed in proptest::collection::vec(name(), 0..6),
        rpath in proptest::option::of(name()),
        runpath in proptest::option::of(prop_oneof![name(), Just("/home".to_owned())]),
        damage in proptest::collection::vec((0_usize..600, any::<u8>()), 0..4),
    ) {
        let world = World::new();
        world.file("/home/secret", 0o600, "password").program("/bin/other");
        let elf = Elf { kind: 3, machine: 62, interpreter, needed, rpath, runpath, ..Elf::default() };
        let mut bytes = elf.bytes();
        for (at, byte) in damage {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        world.file("/bin/hostile", 0o755, bytes);
        if let Ok(found) = world.resolve("/bin/hostile")
            && found.kind == Kind::Elf
        {
            for need in &found.needs {
                prop_assert!(!need.path.starts_with("/home"), "{need:?}");
                // A program that is named as a library or loader stays unreadable.
                prop_assert!(need.path != Path::new("/bin/other"), "{need:?}");
                let content = std::fs::read(world.outside(need.path.to_str().unwrap())).unwrap();
                prop_assert!(content.starts_with(b"\x7fELF"), "{need:?}");
            }
        }
    }

    #[test]
    fn a_hostile_script_gets_programs_only(line in "[ -~]{0,60}") {
        let world = World::new();
        world.file("/home/secret", 0o600, "password").program("/usr/bin/env");
        world.file("/bin/hostile", 0o755, format!("#!{line}\n"));
        let found = world.resolve("/bin/hostile").unwrap();
        prop_assert!(found.needs.iter().all(|need| !need.path.starts_with("/home")));
    }
}
