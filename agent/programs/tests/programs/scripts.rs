//! Scripts bring their interpreters.

use cofferdam_programs::{Kind, Rights};

use crate::{LOADER, World, with};

#[test]
fn a_script_brings_its_interpreter_and_what_env_starts() {
    let world = World::new();
    world.program("/usr/bin/env").program("/usr/bin/python9").program("/bin/dash");
    world.link("/bin/sh", "dash");
    world.file("/bin/one", 0o755, "#!/bin/sh -e\n");
    world.file("/bin/two", 0o755, "#!/usr/bin/env -S python9 -u\n");
    let one = world.resolve("/bin/one").unwrap();
    assert_eq!(one.kind, Kind::Script { interpreter: "/bin/sh".into() });
    assert_eq!(with(&one.needs, Rights::Execute), ["/bin/dash", "/bin/one", LOADER]);
    assert!(one.links.contains(&("/bin/sh".into(), "dash".into())));
    let two = world.resolve("/bin/two").unwrap();
    let expected = ["/bin/two", LOADER, "/usr/bin/env", "/usr/bin/python9"];
    assert_eq!(with(&two.needs, Rights::Execute), expected);
}

#[test]
fn scripts_that_interpret_scripts_end_where_the_kernel_ends() {
    let world = World::new();
    for number in 0..9 {
        world.file(&format!("/bin/s{number}"), 0o755, format!("#!/bin/s{}\n", number + 1));
    }
    let found = world.resolve("/bin/s0").unwrap();
    let expected = ["/bin/s0", "/bin/s1", "/bin/s2", "/bin/s3", "/bin/s4", "/bin/s5"];
    assert_eq!(with(&found.needs, Rights::Execute), expected);
    assert!(found.notes.iter().any(|note| note.contains("gives up")), "{:?}", found.notes);
    // In a circle too.
    world.file("/bin/a", 0o755, "#!/bin/b\n").file("/bin/b", 0o755, "#!/bin/a\n");
    let found = world.resolve("/bin/a").unwrap();
    assert_eq!(with(&found.needs, Rights::Execute), ["/bin/a", "/bin/b"]);
}

#[test]
fn an_interpreter_that_is_missing_or_no_program_is_noted_and_not_given() {
    let world = World::new();
    world.file("/bin/one", 0o755, "#!/bin/none\n");
    world.file("/bin/two", 0o755, "#!/etc/secret\n").file("/etc/secret", 0o600, "password");
    for program in ["/bin/one", "/bin/two"] {
        let found = world.resolve(program).unwrap();
        assert_eq!(found.needs.len(), 1, "{:?}", found.needs);
        assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    }
}

#[test]
fn a_file_that_is_neither_is_told_so() {
    let world = World::new();
    world.file("/bin/plain", 0o755, "echo hello\n");
    let found = world.resolve("/bin/plain").unwrap();
    assert_eq!(found.kind, Kind::Other);
    assert_eq!(found.notes.len(), 1);
}
