//! Mounts and sizes as kernels tell them, and what follows.

use super::*;

const MOUNTS: &[u8] = b"\
22 1 254:0 / / rw,relatime - ext4 /dev/root rw\n\
30 22 8:1 / /srv rw,relatime shared:1 - ext4 /dev/sda1 rw,prjquota\n\
31 22 8:2 / /data rw - xfs /dev/sda2 rw,attr2,inode64,prjquota\n\
32 22 0:30 /@work /pool rw - btrfs /dev/sda3 rw,subvolid=256\n\
33 30 7:0 / /srv/own\\040image rw - ext4 /dev/loop0 rw\n\
34 30 8:3 /some/where /srv/bound rw - ext4 /dev/sdb rw\n\
35 30 8:3 / /srv rw master:4 propagate_from:2 - tmpfs none rw,size=1k\n\
garbage\n\n36 35\n";

fn mount(path: &str) -> Mount {
    mount_of(MOUNTS, Path::new(path)).unwrap()
}

fn space(size: u64) -> Space {
    Space { size, free: size / 2, out_of_files: false }
}

fn bound_at(path: &str, here: u64, whole: u64) -> Bound {
    bound(Some(&mount(path)), Path::new(path), space(here), Some(space(whole)))
}

fn why(path: &str) -> String {
    match bound_at(path, 100, 100) {
        Bound::Nothing(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_mount_is_the_longest_way_and_the_last_of_one_place() {
    assert_eq!(mount("/home/a").kind, "ext4");
    assert_eq!(mount("/srv/project").kind, "tmpfs");
    assert_eq!(mount("/srv/own image/x").at, Path::new("/srv/own image"));
    assert_eq!(mount("/srvx").at, Path::new("/"));
    assert!(mount("/data/x").project_quota && !mount("/home").project_quota);
    assert_eq!(mount_of(b"", Path::new("/")), None);
}

#[test]
fn a_size_that_is_smaller_than_the_mounts_is_a_quotas_limit() {
    assert_eq!(bound_at("/data/project", 10, 100), Bound::Quota);
    let room = Room { bound: Bound::Quota, size: 1 << 30, free: 5 << 10, out_of_files: false };
    assert_eq!(
        room.in_words(),
        "a quota of the host's owner holds the workspace to 1024 MiB, 5 KiB free"
    );
    assert!(room.is_bounded() && room.is_full());
}

#[test]
fn a_file_system_of_its_own_is_a_bound_and_a_bind_mount_is_none() {
    assert_eq!(bound_at("/srv/own image", 100, 100), Bound::Own);
    assert!(matches!(bound_at("/srv/bound", 100, 100), Bound::Nothing(_)));
    // A subvolume shares its pool.
    assert!(matches!(bound_at("/pool", 100, 100), Bound::Nothing(_)));
    // A tmpfs without a limit.
    assert!(matches!(bound_at("/srv", 0, 0), Bound::Nothing(_)));
}

#[test]
fn why_nothing_bounds_it_is_said_with_what_could() {
    assert_eq!(why("/home"), "the ext4 at `/` is mounted without project quotas (`prjquota`)");
    assert!(why("/data/project").contains("none with a limit holds the workspace"));
    assert_eq!(why("/pool/x"), "the btrfs at `/pool` has no project quotas");
    let unknown = bound(None, Path::new("/x"), space(1), None);
    assert!(matches!(unknown, Bound::Nothing(why) if why.contains("mountinfo")));
}

#[test]
fn any_bytes_of_mountinfo_are_taken_without_harm() {
    for line in [&b"\\"[..], b"1 2 3 / \\0", b"1 2 3 / /a\\999 - - -", b"- - - - - - - -", b"\xff"]
    {
        drop(parse(line));
    }
    assert_eq!(unescaped(b"a\\040b\\134\\"), b"a b\\\\");
}

#[test]
fn this_hosts_own_root_has_a_mount_and_room() {
    let disk = Disk::of(Path::new("/"));
    assert!(disk.mount().is_some());
    assert!(disk.room().is_ok());
    assert!(Disk::of(Path::new("/not/there")).room().is_err());
}
