//! Libraries are found as the dynamic loader finds them.

use cofferdam_programs::Rights;

use crate::elf::Elf;
use crate::{LOADER, World, with};

fn needing(needed: &[&str]) -> Elf {
    Elf::program(LOADER, needed)
}

/// What is read for `/opt/x/bin/program`.
fn read(world: &World, program: &Elf) -> Vec<String> {
    world.elf("/opt/x/bin/program", 0o755, program);
    let found = world.resolve("/opt/x/bin/program").unwrap();
    with(&found.needs, Rights::Read).into_iter().map(str::to_owned).collect()
}

#[test]
fn libraries_of_libraries_are_found() {
    let world = World::new();
    world.library("/usr/lib/liba.so", &["libb.so"]);
    world.library("/usr/lib/x86_64-linux-gnu/libb.so", &["liba.so"]);
    let expected = ["/usr/lib/liba.so", "/usr/lib/x86_64-linux-gnu/libb.so"];
    assert_eq!(read(&world, &needing(&["liba.so"])), expected);
}

#[test]
fn a_link_to_a_library_leads_to_its_file() {
    let world = World::new();
    world.library("/opt/real/liba.so.1.2", &[]).link("/lib/liba.so", "/opt/real/liba.so.1.2");
    assert_eq!(read(&world, &needing(&["liba.so"])), ["/opt/real/liba.so.1.2"]);
}

#[test]
fn a_runpath_is_for_its_own_object_and_an_rpath_for_all_that_it_loads() {
    let world = World::new();
    world.library("/opt/x/lib/liba.so", &["libb.so"]).library("/opt/x/lib/libb.so", &[]);
    world.library("/usr/lib/libb.so", &[]);
    let path = Some("$ORIGIN/../lib:relative".to_owned());
    let rpath = Elf { rpath: path.clone(), ..needing(&["liba.so"]) };
    assert_eq!(read(&world, &rpath), ["/opt/x/lib/liba.so", "/opt/x/lib/libb.so"]);
    let runpath = Elf { runpath: path.clone(), ..needing(&["liba.so"]) };
    assert_eq!(read(&world, &runpath), ["/opt/x/lib/liba.so", "/usr/lib/libb.so"]);
    // With both, the older one is not looked at.
    let both = Elf { rpath: path, runpath: Some(String::new()), ..needing(&["libb.so"]) };
    assert_eq!(read(&world, &both), ["/usr/lib/libb.so"]);
}

#[test]
fn what_is_no_library_for_the_machine_is_passed_over() {
    let world = World::new();
    let foreign = Elf { machine: 183, ..Elf::library(&[]) };
    world.elf("/opt/x/lib/liba.so", 0o644, &foreign);
    world.file("/opt/x/lib/libb.so", 0o644, "INPUT(libb.so.1)");
    world.library("/usr/lib/liba.so", &[]).library("/usr/lib/libb.so", &[]);
    let runpath = Some("/opt/x/lib".to_owned());
    let program = Elf { runpath, ..needing(&["liba.so", "libb.so"]) };
    assert_eq!(read(&world, &program), ["/usr/lib/liba.so", "/usr/lib/libb.so"]);
}

#[test]
fn the_loaders_cache_is_asked_before_the_default_directories() {
    let world = World::new();
    world.library("/opt/special/liba.so", &[]).library("/usr/lib/liba.so", &[]);
    let mut cache = b"glibc-ld.so.cache1.1".to_vec();
    cache.extend(1_u32.to_ne_bytes());
    cache.resize(48, 0);
    cache.extend([0_u32, 72, 80, 0, 0, 0].map(u32::to_ne_bytes).concat());
    cache.extend(b"liba.so\0/opt/special/liba.so\0");
    world.file("/etc/ld.so.cache", 0o644, cache);
    assert_eq!(read(&world, &needing(&["liba.so"])), ["/opt/special/liba.so"]);
}

#[test]
fn libraries_for_newer_processors_are_taken_too() {
    let world = World::new();
    world.library("/usr/lib/liba.so", &[]);
    world.library("/usr/lib/glibc-hwcaps/x86-64-v3/liba.so", &[]);
    let expected = ["/usr/lib/glibc-hwcaps/x86-64-v3/liba.so", "/usr/lib/liba.so"];
    assert_eq!(read(&world, &needing(&["liba.so"])), expected);
}

#[test]
fn modules_of_the_name_service_come_with_the_c_library() {
    let world = World::new();
    world.library("/lib/libnss_mine.so.2", &["libd.so"]).library("/lib/libd.so", &[]);
    world.file("/etc/nsswitch.conf", 0o644, "hosts: files mine [NOTFOUND=return] absent\n");
    let read = read(&world, &needing(&["libc.so.6"]));
    let expected =
        ["/etc/nsswitch.conf", "/lib/libc.so.6", "/lib/libd.so", "/lib/libnss_mine.so.2"];
    assert_eq!(read, expected);
}

#[test]
fn a_missing_library_is_noted() {
    let world = World::new();
    world.elf("/bin/program", 0o755, &needing(&["libnone.so", "sub/lib.so"]));
    let found = world.resolve("/bin/program").unwrap();
    assert!(found.notes.iter().any(|note| note.contains("libnone.so")), "{:?}", found.notes);
    assert_eq!(with(&found.needs, Rights::Read), Vec::<&str>::new());
}
