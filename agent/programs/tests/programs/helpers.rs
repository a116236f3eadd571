//! Helper rules on made-up hosts.

use std::path::{Path, PathBuf};

use cofferdam_programs::{Resolver, Rights, Root, Rules};

use crate::elf::Elf;
use crate::{LOADER, World, with};

/// A host with git as Debian has it.
fn git() -> World {
    let world = World::new();
    world.program("/usr/bin/git").program("/bin/dash").link("/bin/sh", "dash");
    world.program("/usr/bin/perl").program("/bin/bash");
    world.link("/usr/lib/git-core/git", "../../bin/git");
    world.elf("/usr/lib/git-core/git-remote-https", 0o755, &Elf::program(LOADER, &["libcurl.so"]));
    world.library("/usr/lib/libcurl.so", &[]);
    world.program("/usr/lib/git-core/git-daemon").program("/usr/lib/git-core/git-shell");
    world.file("/usr/lib/git-core/git-submodule", 0o755, "#!/bin/sh\n");
    world.file("/usr/lib/git-core/git-sh-setup", 0o644, "# functions\n");
    world.file("/usr/lib/git-core/git-add--interactive", 0o755, "#!/usr/bin/perl\n");
    world
}

#[test]
fn git_brings_its_helpers_but_no_servers_and_no_perl() {
    let world = git();
    let found = world.resolve("/usr/bin/git").unwrap();
    let expected = [
        "/bin/dash",
        LOADER,
        "/usr/bin/git",
        "/usr/lib/git-core/git-remote-https",
        "/usr/lib/git-core/git-submodule",
    ];
    assert_eq!(with(&found.needs, Rights::Execute), expected);
    let read = with(&found.needs, Rights::Read);
    assert!(
        read.contains(&"/usr/lib/git-core/git-sh-setup") && read.contains(&"/usr/lib/libcurl.so")
    );
    let left_out: Vec<_> = found.left_out.keys().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(left_out, ["git-add--interactive", "git-daemon", "git-shell"]);
}

#[test]
fn a_helper_of_an_interpreter_that_is_granted_comes_along() {
    let combined = git().all(&["/usr/bin/git", "/usr/bin/perl"]);
    assert!(combined.executes(Path::new("/usr/lib/git-core/git-add--interactive")));
}

#[test]
fn gcc_brings_the_compiler_of_its_own_version_and_target() {
    let world = World::new();
    for (target, version) in [("x-linux", "12"), ("x-linux", "11"), ("y-linux", "12")] {
        world.program(&format!("/usr/bin/{target}-gcc-{version}"));
        world.program(&format!("/usr/lib/gcc/{target}/{version}/cc1"));
        world.file(&format!("/usr/lib/gcc/{target}/{version}/crtbegin.o"), 0o644, "");
        world.program(&format!("/usr/bin/{target}-as"));
    }
    world.program("/usr/bin/as").program("/usr/bin/ld").file("/usr/lib/crt1.o", 0o644, "");
    world.link("/usr/bin/cc", "/etc/alternatives/cc");
    world.link("/etc/alternatives/cc", "/usr/bin/x-linux-gcc-12");
    let found = world.resolve("/usr/bin/cc").unwrap();
    let expected = [
        LOADER,
        "/usr/bin/ld",
        "/usr/bin/x-linux-as",
        "/usr/bin/x-linux-gcc-12",
        "/usr/lib/gcc/x-linux/12/cc1",
    ];
    assert_eq!(with(&found.needs, Rights::Execute), expected);
    let read = with(&found.needs, Rights::Read);
    assert_eq!(read, ["/lib/libc.so.6", "/usr/lib/crt1.o", "/usr/lib/gcc/x-linux/12"]);
}

#[test]
fn rustup_brings_the_tool_of_the_asked_name_from_where_a_variable_says() {
    let world = World::new();
    world.program("/home/u/.cargo/bin/rustup").link("/home/u/.cargo/bin/cargo", "rustup");
    for tool in ["cargo", "rustc", "rustdoc", "rls"] {
        world.program(&format!("/data/rustup/toolchains/stable/bin/{tool}"));
    }
    world.library("/data/rustup/toolchains/stable/lib/libstd.so", &[]);
    let search_path = vec![PathBuf::from("/bin")];
    let root = Root::at(world.directory.path()).unwrap();
    let resolver = Resolver::new(root, search_path, Rules::builtin().unwrap())
        .with_variable("RUSTUP_HOME", "/data/rustup".into());
    let found = resolver.resolve(Path::new("/home/u/.cargo/bin/cargo")).unwrap();
    let expected = [
        "/data/rustup/toolchains/stable/bin/cargo",
        "/data/rustup/toolchains/stable/bin/rustc",
        "/data/rustup/toolchains/stable/bin/rustdoc",
        "/home/u/.cargo/bin/rustup",
        LOADER,
    ];
    assert_eq!(with(&found.needs, Rights::Execute), expected);
    assert!(with(&found.needs, Rights::Read).contains(&"/data/rustup/toolchains/stable/lib"));
}

#[test]
fn a_virtual_environment_brings_its_modules_and_the_base_installation() {
    let world = World::new();
    world.program("/usr/bin/python3.9").file("/usr/lib/python3.9/os.py", 0o644, "");
    world.file("/srv/venv/lib/python3.9/site-packages/m.py", 0o644, "");
    world.file("/srv/venv/pyvenv.cfg", 0o644, "home = /usr/bin\nversion = 3.9.2\n");
    world
        .link("/srv/venv/bin/python", "python3")
        .link("/srv/venv/bin/python3", "/usr/bin/python3.9");
    let linked = world.resolve("/srv/venv/bin/python").unwrap();
    let expected =
        ["/lib/libc.so.6", "/srv/venv/lib", "/srv/venv/pyvenv.cfg", "/usr/lib/python3.9"];
    assert_eq!(with(&linked.needs, Rights::Read), expected);
    // A copied interpreter knows its base only from the settings.
    world.program("/srv/venv/bin/python-copy");
    let copied = world.resolve("/srv/venv/bin/python-copy").unwrap();
    assert_eq!(with(&copied.needs, Rights::Read), expected);
}

#[test]
fn helpers_that_start_one_another_come_to_an_end() {
    let world = World::new();
    world.program("/bin/a").program("/bin/b");
    let rule = |name, start| {
        format!(
            "[[rule]]\nname = \"{name}\"\nreason = \"r\"\nprograms = [\"{name}\"]\nstart = [\"{start}\"]\n"
        )
    };
    let rules = Rules::parse(&(rule("a", "b") + &rule("b", "a"))).unwrap();
    let root = Root::at(world.directory.path()).unwrap();
    let resolver = Resolver::new(root, vec!["/bin".into()], rules);
    let found = resolver.resolve(Path::new("/bin/a")).unwrap();
    assert_eq!(with(&found.needs, Rights::Execute), ["/bin/a", "/bin/b", LOADER]);
}
