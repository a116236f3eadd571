//! Trees are given without the programs in them that nobody granted.

use std::path::Path;

use cofferdam_programs::{Rights, bounds};

use crate::elf::Elf;
use crate::{LOADER, World, with};

const LIBRARY: &str = "/usr/lib/python3.9";

/// A Python with a small standard library.
fn python() -> World {
    let world = World::new();
    world.program("/usr/bin/python3.9");
    world.file("/usr/lib/python3.9/os.py", 0o644, "");
    world.file("/usr/lib/python3.9/json/decoder.py", 0o644, "");
    world.library("/usr/lib/python3.9/lib-dynload/_ssl.so", &["libssl.so"]);
    world.library("/usr/lib/libssl.so", &[]);
    world
}

#[test]
fn a_tree_without_programs_is_given_whole_and_its_modules_bring_their_libraries() {
    let found = python().resolve("/usr/bin/python3.9").unwrap();
    let expected = ["/lib/libc.so.6", "/usr/lib/libssl.so", LIBRARY];
    assert_eq!(with(&found.needs, Rights::Read), expected);
    assert!(with(&found.needs, Rights::List).is_empty());
}

#[test]
fn a_tree_is_split_around_a_program_that_nobody_granted() {
    for (mode, elf) in [
        (0o755, Elf::program(LOADER, &[])),
        // The loader runs what has no execute bit too.
        (0o644, Elf::program(LOADER, &[])),
        (0o644, Elf { kind: 2, ..Elf::library(&[]) }),
        (0o755, Elf { entry: 7, ..Elf::library(&[]) }),
    ] {
        let world = python();
        world.elf("/usr/lib/python3.9/json/tool/runner", mode, &elf);
        world.file("/usr/lib/python3.9/json/tool/data", 0o644, "");
        let found = world.resolve("/usr/bin/python3.9").unwrap();
        let runner = Path::new("/usr/lib/python3.9/json/tool/runner");
        assert!(found.left_out.contains_key(runner));
        let expected = [
            "/lib/libc.so.6",
            "/usr/lib/libssl.so",
            "/usr/lib/python3.9/json/decoder.py",
            "/usr/lib/python3.9/json/tool/data",
            "/usr/lib/python3.9/lib-dynload",
            "/usr/lib/python3.9/os.py",
        ];
        assert_eq!(with(&found.needs, Rights::Read), expected);
        assert_eq!(with(&found.needs, Rights::List), [LIBRARY]);
        // Granted, it stands in nobody's way.
        let granted = world.all(&["/usr/bin/python3.9", runner.to_str().unwrap()]);
        assert!(granted.read.iter().any(|place| place.path == Path::new(LIBRARY)));
        assert!(granted.executes(runner) && granted.left_out.is_empty());
    }
}

#[test]
fn a_library_with_an_entry_point_and_an_execute_bit_is_still_a_library() {
    let world = python();
    let named = Elf { entry: 7, soname: Some("libx.so".to_owned()), ..Elf::library(&[]) };
    world.elf("/usr/lib/python3.9/libx.so", 0o755, &named);
    let found = world.resolve("/usr/bin/python3.9").unwrap();
    assert!(found.left_out.is_empty(), "{:?}", found.left_out);
}

#[test]
fn scripts_among_modules_are_modules_and_elsewhere_programs() {
    let world = python();
    world.file("/usr/lib/python3.9/pdb.py", 0o755, "#!/usr/bin/env python3\n");
    assert!(world.resolve("/usr/bin/python3.9").unwrap().left_out.is_empty());
    world.program("/usr/bin/vim").file("/usr/share/vim/runtime.vim", 0o644, "");
    world.file("/usr/share/vim/tools/run", 0o755, "#!/bin/sh\n");
    let found = world.resolve("/usr/bin/vim").unwrap();
    assert!(found.left_out.contains_key(Path::new("/usr/share/vim/tools/run")));
    let expected = ["/lib/libc.so.6", "/usr/share/vim/runtime.vim"];
    assert_eq!(with(&found.needs, Rights::Read), expected);
}

#[test]
fn what_cannot_be_understood_is_left_out() {
    let world = python();
    world.file("/usr/lib/python3.9/odd", 0o644, "\x7fELF\x02\x01\x01 and no more");
    let found = world.resolve("/usr/bin/python3.9").unwrap();
    assert!(found.left_out.contains_key(Path::new("/usr/lib/python3.9/odd")));
}

#[test]
fn a_tree_that_would_fall_into_too_many_parts_is_left_out_whole() {
    let world = python();
    for number in 0..bounds::SPLIT {
        world.file(&format!("{LIBRARY}/m{number}.py"), 0o644, "");
    }
    world.program("/usr/lib/python3.9/runner");
    let found = world.resolve("/usr/bin/python3.9").unwrap();
    assert!(found.needs.iter().all(|need| !need.path.starts_with(LIBRARY)));
    assert!(found.notes.iter().any(|note| note.contains(LIBRARY)), "{:?}", found.notes);
}

#[test]
fn what_lies_too_deep_is_left_out_and_the_rest_given() {
    let world = python();
    let deep = "/d".repeat(bounds::TREE_DEPTH + 2);
    world.file(&format!("{LIBRARY}/json{deep}/x.py"), 0o644, "");
    let found = world.resolve("/usr/bin/python3.9").unwrap();
    let read = with(&found.needs, Rights::Read);
    assert!(read.contains(&"/usr/lib/python3.9/json/decoder.py"));
    assert!(read.iter().all(|path| !path.contains(&deep)));
    assert_eq!(found.left_out.len(), 1);
}

#[test]
fn links_of_the_systems_owner_lead_out_of_a_tree_and_others_do_not() {
    let world = python();
    world.file("/etc/python/site.py", 0o644, "").file("/home/secret", 0o600, "");
    world.link("/usr/lib/python3.9/site.py", "/etc/python/site.py");
    // To all of the system: never.
    world.link("/usr/lib/python3.9/all", "/etc");
    let found = world.resolve("/usr/bin/python3.9").unwrap();
    assert!(found.needs.iter().any(|need| need.path == Path::new("/etc/python/site.py")));
    assert!(found.needs.iter().all(|need| need.path != Path::new("/etc")));
    world.link("/usr/lib/python3.9/theirs", "/home/secret");
    let theirs = world.outside("/usr/lib/python3.9/theirs");
    if std::os::unix::fs::lchown(&theirs, Some(1), Some(1)).is_err() {
        eprintln!("skipped: only root can give a link to somebody else");
        return;
    }
    let found = world.resolve("/usr/bin/python3.9").unwrap();
    assert!(found.needs.iter().all(|need| !need.path.starts_with("/home")));
}

#[test]
fn a_pipe_in_a_tree_is_not_opened() {
    let world = python();
    let pipe = world.outside("/usr/lib/python3.9/pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, pipe, 0o644.into()).unwrap();
    assert!(world.resolve("/usr/bin/python3.9").is_ok());
}

#[test]
fn a_directory_covers_what_other_programs_read_beneath_it() {
    let world = python();
    let program = Elf {
        runpath: Some("/usr/lib/python3.9/lib-dynload".into()),
        ..Elf::program(LOADER, &["_ssl.so"])
    };
    world.elf("/bin/other", 0o755, &program);
    let combined = world.all(&["/bin/other", "/usr/bin/python3.9"]);
    let beneath = combined.read.iter().filter(|place| place.path.starts_with(LIBRARY));
    assert_eq!(beneath.count(), 1);
    assert!(combined.reads(Path::new("/usr/lib/python3.9/lib-dynload/_ssl.so")));
}
