//! The same grant again costs only looking; what changed is noticed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::World;

fn world() -> (World, Vec<PathBuf>) {
    let world = World::new();
    world.program("/usr/bin/python3.9").file("/usr/lib/python3.9/json/a.py", 0o644, "");
    (world, vec!["/usr/bin/python3.9".into(), "/usr/bin/none".into()])
}

#[test]
fn what_did_not_change_is_the_same_result() {
    let (world, programs) = world();
    let resolver = world.resolver();
    let first = resolver.resolve_all(&programs).unwrap();
    let reversed: Vec<PathBuf> = programs.into_iter().rev().collect();
    assert!(Arc::ptr_eq(&first, &resolver.resolve_all(&reversed).unwrap()));
}

#[test]
fn every_change_is_noticed() {
    type Change = fn(&World);
    let changes: [(&str, Change); 7] = [
        ("a library that was missing comes", |world| {
            world.library("/lib/x86_64-linux-gnu/libc.so.6", &[]);
        }),
        ("a library is replaced", |world| {
            world.library("/lib/libc.so.6", &["libnew.so"]);
        }),
        ("a program that was missing comes", |world| {
            world.program("/usr/bin/none");
        }),
        ("a program goes", |world| {
            std::fs::remove_file(world.outside("/usr/bin/python3.9")).unwrap();
        }),
        ("a program comes deep into a tree", |world| {
            world.program("/usr/lib/python3.9/json/runner");
        }),
        ("a tree that was missing comes", |world| {
            world.file("/usr/lib/python3/x.py", 0o644, "");
        }),
        ("a link comes", |world| {
            world.link("/usr/lib/python3.9/json/b.py", "a.py");
        }),
    ];
    for (change, make) in changes {
        let (world, programs) = world();
        let resolver = world.resolver();
        let before = resolver.resolve_all(&programs).unwrap();
        make(&world);
        let after = resolver.resolve_all(&programs).unwrap();
        assert!(!Arc::ptr_eq(&before, &after), "{change}");
        assert_eq!(after, world.resolver().resolve_all(&programs).unwrap(), "{change}");
    }
}

#[test]
fn what_was_looked_at_just_now_is_not_looked_at_again_if_one_says_so() {
    let (world, programs) = world();
    let resolver = world.resolver().looking_again_after(Duration::from_hours(1));
    let before = resolver.resolve_all(&programs).unwrap();
    world.program("/usr/bin/none");
    assert!(Arc::ptr_eq(&before, &resolver.resolve_all(&programs).unwrap()));
}
