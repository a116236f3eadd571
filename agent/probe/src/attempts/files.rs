//! Files outside the view, device nodes, mode bits.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{AT_FDCWD, Attempt, create, done, read, refused, write};
use crate::sys::{address, call};

const CREATE_WRITE: u64 = (libc::O_CREAT | libc::O_WRONLY) as u64;

fn mode_of(path: &str) -> io::Result<String> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o6000 == 0 { refused("the bits were stripped") } else { Ok(format!("{mode:o}")) }
}

pub(super) const ALL: &[Attempt] = &[
    ("read-shadow", &[1], || read("/etc/shadow")),
    ("read-root-home", &[1], || fs::read_dir("/root").map(|d| format!("{} entries", d.count()))),
    ("read-var", &[1], || fs::read_dir("/var").map(|d| format!("{} entries", d.count()))),
    ("write-etc", &[2], || create("/etc/cofferdam-was-here")),
    ("write-root", &[2], || create("/cofferdam-was-here")),
    ("write-usr", &[2], || create("/usr/cofferdam-was-here")),
    ("chmod-outside", &[3], || {
        fs::set_permissions("/usr/bin/env", fs::Permissions::from_mode(0o777))
            .map(|()| "chmod".into())
    }),
    ("chown-outside", &[3], || done(call(libc::SYS_chown, &[address(c"/usr/bin/env"), 0, 0]))),
    ("utime-outside", &[3], || {
        done(call(libc::SYS_utimensat, &[AT_FDCWD, address(c"/usr/bin/env"), 0, 0]))
    }),
    ("setxattr-outside", &[3], || {
        let (path, name) = (address(c"/usr/bin/env"), address(c"user.cofferdam"));
        done(call(libc::SYS_setxattr, &[path, name, address(c"x"), 1, 0]))
    }),
    ("truncate-outside", &[3], || done(call(libc::SYS_truncate, &[address(c"/usr/bin/env"), 0]))),
    ("write-through-symlink", &[5], || symlink("/etc/passwd", "link").and_then(|()| write("link"))),
    ("hard-link-outside-in", &[7], || {
        fs::hard_link("/usr/bin/env", "linked").map(|()| "linked".into())
    }),
    ("rename-out", &[8], || {
        fs::write("mine", b"x")
            .and_then(|()| fs::rename("mine", "/tmp/mine"))
            .map(|()| "moved".into())
    }),
    // Device nodes and mode bits.
    ("make-device", &[10], || {
        done(call(libc::SYS_mknodat, &[AT_FDCWD, address(c"disk"), 0o060_600, 0xfe00]))
    }),
    ("chmod-setuid", &[11], || {
        create("mine")?;
        fs::set_permissions("mine", fs::Permissions::from_mode(0o4755))?;
        mode_of("mine")
    }),
    ("fchmodat-setgid", &[11], || {
        create("mine")?;
        call(libc::SYS_fchmodat, &[AT_FDCWD, address(c"mine"), 0o2755])?;
        mode_of("mine")
    }),
    ("fchmodat2-setuid", &[11], || {
        create("mine")?;
        call(452, &[AT_FDCWD, address(c"mine"), 0o4755, 0])?;
        mode_of("mine")
    }),
    ("create-setuid", &[11], || {
        call(libc::SYS_openat, &[AT_FDCWD, address(c"mine"), CREATE_WRITE, 0o6755])?;
        mode_of("mine")
    }),
    ("mknod-setuid", &[11], || {
        call(libc::SYS_mknodat, &[AT_FDCWD, address(c"mine"), 0o106_755, 0])?;
        mode_of("mine")
    }),
    ("openat2-setuid", &[11], || {
        let how = [CREATE_WRITE, 0o6755, 0];
        call(libc::SYS_openat2, &[AT_FDCWD, address(c"mine"), how.as_ptr() as u64, 24])?;
        mode_of("mine")
    }),
    ("file-capability", &[11], || {
        create("mine")?;
        let (path, name) = (address(c"mine"), address(c"security.capability"));
        done(call(libc::SYS_setxattr, &[path, name, address(c"xxxxxxxxxxxxxxxxxxxx"), 20, 0]))
    }),
];
