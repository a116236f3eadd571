//! What people read: tables and reasons.

use std::path::Path;

use cofferdam_programs::render;

use crate::World;

fn world() -> World {
    let world = World::new();
    world.program("/usr/bin/mawk").link("/usr/bin/awk", "/etc/alternatives/awk");
    world.link("/etc/alternatives/awk", "/usr/bin/mawk");
    world.program("/usr/bin/python3.9").file("/usr/lib/python3.9/os.py", 0o644, "");
    world.program("/usr/lib/python3.9/runner").program("/usr/bin/curl");
    world
}

#[test]
fn a_table_tells_path_rights_and_reason() {
    let table = render(&[world().resolve("/usr/bin/awk").unwrap()]);
    for words in [
        "/usr/bin/awk → /usr/bin/mawk   (ELF program)",
        "link     /etc/alternatives/awk → /usr/bin/mawk",
        "execute  /usr/bin/mawk ",
        "the program itself",
        "dynamic loader of mawk",
        "library libc.so.6 needed by mawk",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
}

#[test]
fn a_denial_is_explained_with_what_would_allow_it() {
    let combined = world().all(&["/usr/bin/awk", "/usr/bin/python3.9"]);
    let why_not = |path: &str| combined.why_not(Path::new(path));
    assert_eq!(
        why_not("/usr/bin/curl"),
        "`/usr/bin/curl` is not among the granted programs (awk, python3.9), and none of them needs it; a grant whose `programs` name `/usr/bin/curl` would allow curl"
    );
    assert!(why_not("/usr/lib/python3.9/runner").contains("a program among data"));
    assert!(why_not("/usr/lib/python3.9/os.py").contains("may be read"));
    assert!(why_not("/usr/bin/mawk").contains("may be executed"));
}
