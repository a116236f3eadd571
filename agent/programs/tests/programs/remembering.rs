//! The same grant again costs only looking; what changed is noticed.

use std::path::PathBuf;
use std::sync::Arc;

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
        ("a library that was missing comes", |w| {
            _ = w.library("/lib/x86_64-linux-gnu/libc.so.6", &[])
        }),
        ("a library is replaced", |w| _ = w.library("/lib/libc.so.6", &["libnew.so"])),
        ("a program that was missing comes", |w| _ = w.program("/usr/bin/none")),
        ("a program goes", |w| std::fs::remove_file(w.outside("/usr/bin/python3.9")).unwrap()),
        ("a program comes deep into a tree", |w| _ = w.program("/usr/lib/python3.9/json/runner")),
        ("a tree that was missing comes", |w| _ = w.file("/usr/lib/python3/x.py", 0o644, "")),
        ("a link comes", |w| _ = w.link("/usr/lib/python3.9/json/b.py", "a.py")),
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
