//! Lines 1 to 16: what is beneath the view, and what a cell leaves there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use cofferdam_tests::dev::until;
use cofferdam_tests::host::{Host, Setup};
use cofferdam_tests::{skip_unless_root, warden};

use crate::Bench;

#[test]
fn another_sessions_workspace_and_the_agents_files_cannot_be_read() {
    let bench = Bench::new("reader");
    let other = bench.host.workspace("other");
    fs::write(other.join("secret"), "s3cret").unwrap();
    fs::set_permissions(other.join("secret"), PermissionsExt::from_mode(0o666)).unwrap();
    let place = bench.host.place();
    let paths = [other.join("secret"), place.join("ceiling.toml"), place.join("agent/signing.key")];
    for (way, caller) in bench.ways() {
        for path in &paths {
            let ran = caller.sh(&format!("cat {}", path.display()));
            assert_ne!(ran.code(), 0, "{} {way}: {}", path.display(), ran.said());
        }
        let ran = caller.sh(&format!("ls {}", place.join("work").display()));
        let own = caller.workspace().file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(ran.out(), own, "{way}: more than the own workspace is seen");
    }
}

/// What may be tried on a file and its directory, none of which Landlock holds
/// alone; prints what was possible.
const CHANGE_ALL: &str = r#"
import os, sys
directory = sys.argv[1]
file = directory + "/file"
attempts = {
    "open": lambda: os.open(file, os.O_WRONLY),
    "create": lambda: os.open(directory + "/made", os.O_WRONLY | os.O_CREAT),
    "mkdir": lambda: os.mkdir(directory + "/made"),
    "unlink": lambda: os.unlink(file),
    "rename": lambda: os.rename(file, directory + "/other"),
    "link": lambda: os.link(file, directory + "/link"),
    "symlink": lambda: os.symlink("x", directory + "/link"),
    "chmod": lambda: os.chmod(file, 0o777),
    "chown": lambda: os.chown(file, os.getuid(), os.getgid()),
    "utime": lambda: os.utime(file),
    "setxattr": lambda: os.setxattr(file, "user.x", b"x"),
    "truncate": lambda: os.truncate(file, 0),
    "mknod": lambda: os.mknod(directory + "/made", 0o600),
    "mkfifo": lambda: os.mkfifo(directory + "/made"),
}
for name, attempt in attempts.items():
    try:
        attempt()
        print(name)
    except OSError as error:
        assert error.errno != 2, name
"#;

#[test]
fn what_is_mounted_beneath_a_shown_directory_is_as_read_only_as_it() {
    let test = "what_is_mounted_beneath_a_shown_directory_is_as_read_only_as_it";
    if skip_unless_root(test) {
        return;
    }
    let nested = "/usr/local/games";
    let mounts = format!(
        "mount -t tmpfs -o mode=777 nested {nested}; echo x >{nested}/file; chmod 666 {nested}/file"
    );
    let bench = Bench::on(Host::start_with(Setup { mounts, ..Setup::default() }), "nested");
    for (way, caller) in bench.ways() {
        let ran = caller.run(cofferdam_tests::caller::command(&[
            "/usr/bin/python3",
            "-c",
            CHANGE_ALL,
            nested,
        ]));
        let ran = ran.unwrap();
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
    let warden = bench.host.warden_pid().to_string();
    let listed =
        Command::new("nsenter").args(["-t", &warden, "-m", "ls", nested]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "file\n");
}

#[test]
fn every_kind_of_change_outside_the_workspace_is_refused() {
    let bench = Bench::new("changer");
    fs::write(bench.path("file"), "x").unwrap();
    // Where there is a file of this name, whoever owns it: the script wants one.
    let script = CHANGE_ALL.replace("/file", "/passwd");
    for (way, caller) in bench.ways() {
        let command =
            cofferdam_tests::caller::command(&["/usr/bin/python3", "-c", &script, "/etc"]);
        let ran = caller.run(command).unwrap();
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
}

#[test]
fn a_setuid_program_runs_as_the_cells_user() {
    let bench = Bench::new("setuid");
    // The loader tells with which effective user a program starts, unless it gained rights:
    // then it does not listen to LD_SHOW_AUXV (ld.so(8)).
    for program in setuid_programs() {
        let ran = bench.caller.sh(&format!("LD_SHOW_AUXV=1 {program} --version; id -u"));
        let own = ran.out().lines().last().unwrap().to_owned();
        let told = |line: &str| line.strip_prefix("AT_EUID:").map(|uid| uid.trim().to_owned());
        let effective = ran.out().lines().find_map(told);
        assert_eq!(effective.as_deref(), Some(&*own), "{program}: {}", ran.said());
        assert_ne!(own, "0", "{program}");
    }
    if !warden::is_root() {
        return;
    }
    let planted = bench.path("id");
    fs::copy("/usr/bin/id", &planted).unwrap();
    // Root's, as an image or an archive that root unpacked would have it.
    fs::set_permissions(&planted, PermissionsExt::from_mode(0o6755)).unwrap();
    let caller = bench.caller.clone().profile("build");
    let ran = caller.sh("./id -u; ./id -g; id -u; id -g");
    let ids: Vec<String> = ran.out().lines().map(str::to_owned).collect();
    assert_eq!(ids.len(), 4, "{}", ran.said());
    assert_eq!(ids[..2], ids[2..]);
    assert!(!ids.contains(&"0".to_owned()));
}

/// Programs of this host that would run as root, a few.
fn setuid_programs() -> Vec<String> {
    let is_setuid = |path: &std::path::PathBuf| {
        fs::metadata(path).is_ok_and(|it| it.mode() & 0o4000 != 0 && it.uid() == 0)
    };
    let all = fs::read_dir("/usr/bin").unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<String> =
        all.filter(is_setuid).take(3).map(|path| path.display().to_string()).collect();
    assert!(!found.is_empty(), "this host has no setuid program in /usr/bin");
    found
}

#[test]
fn no_kind_of_device_can_be_made() {
    let bench = Bench::new("devices");
    let script = r#"
import os, stat
for kind in stat.S_IFBLK, stat.S_IFCHR:
    for device in (0, 0), (1, 1), (1, 3), (1, 5), (5, 0), (7, 0), (10, 229), (254, 0):
        try:
            os.mknod("made", kind | 0o666, os.makedev(*device))
            print(kind, device)
        except OSError as error:
            pass
"#;
    for (way, caller) in bench.ways() {
        let ran = caller.python(script);
        assert_eq!((ran.code(), ran.out()), (0, String::new()), "{way}: {}", ran.said());
    }
}

#[test]
fn a_workspace_that_is_swapped_for_a_symlink_never_leads_out() {
    let bench = Bench::new("swapped");
    let real = bench.caller.workspace();
    let (aside, outside) = (real.with_file_name("aside"), bench.host.place().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "s3cret").unwrap();
    fs::set_permissions(&outside, PermissionsExt::from_mode(0o777)).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (mut held, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                fs::rename(&real, &aside).unwrap();
                symlink(&outside, &real).unwrap();
                std::thread::yield_now();
                fs::remove_file(&real).unwrap();
                fs::rename(&aside, &real).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        let caller = bench.caller.clone().one_shot();
        for _ in 0..60 {
            let ran = caller.sh("cat secret; echo x > made; pwd");
            assert!(!ran.said().contains("s3cret"), "it was led out");
            if ran.started.is_some() { held += 1 } else { refused += 1 }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(!outside.join("made").exists());
    assert!(held > 0, "{held} held, {refused} refused");
}

#[test]
fn nothing_is_left_for_the_next_cell_of_the_same_uid() {
    // An ordinary user's cells all have the user's own uid.
    let uid = if warden::is_root() {
        "1900000777".to_owned()
    } else {
        rustix::process::getuid().as_raw().to_string()
    };
    let leases = if warden::is_root() { format!("{uid}-{uid}") } else { String::new() };
    let setup = Setup { leases, stock: 0, ..Setup::default() };
    let bench = Bench::on(Host::start_with(setup), "leftovers");
    let caller = bench.caller.clone().one_shot();
    let leave = r#"
import ctypes, os
for place in "/tmp", "/dev/shm", "/var/tmp", os.environ["HOME"]:
    open(place + "/left", "w").write("left")
libc = ctypes.CDLL(None)
made = [libc.shmget(4242, 4096, 0o1666), libc.semget(4242, 1, 0o1666), libc.msgget(4242, 0o1666)]
print(os.getuid(), all(it >= 0 for it in made))
"#;
    let look = r#"
import ctypes, os
left = [place for place in ("/tmp", "/dev/shm", "/var/tmp", os.environ["HOME"]) if "left" in os.listdir(place)]
libc = ctypes.CDLL(None)
left += [it for it in (libc.shmget(4242, 0, 0), libc.semget(4242, 0, 0), libc.msgget(4242, 0)) if it >= 0]
left += open("/proc/sysvipc/shm").read().splitlines()[1:]
print(os.getuid(), left)
"#;
    let ran = caller.python(leave);
    assert_eq!(ran.out(), format!("{uid} True"), "{}", ran.said());
    // No cell may ask for keys, so the kernel's own count of them is looked at (keyrings(7)).
    let has_keys = || {
        let users = fs::read_to_string("/proc/key-users").unwrap();
        users.lines().any(|line| line.trim_start().starts_with(&format!("{uid}:")))
    };
    if warden::is_root() {
        until("the keyring of the uid is gone", || !has_keys());
    }
    let ran = caller.python(look);
    assert_eq!(ran.out(), format!("{uid} []"), "{}", ran.said());
}

#[test]
fn a_uid_is_nobodys_until_the_last_process_of_it_is_gone() {
    if skip_unless_root("a_uid_is_nobodys_until_the_last_process_of_it_is_gone") {
        return;
    }
    let one = "1900000778-1900000778".to_owned();
    let setup = Setup { leases: one, stock: 0, ..Setup::default() };
    let bench = Bench::on(Host::start_with(setup), "lease");
    // A session's cell keeps the only uid, and is ended to make room.
    let mut live = bench.caller.start(cofferdam_tests::caller::sh("echo begun; sleep 60")).unwrap();
    live.until_says("begun");
    let refused = bench.caller.clone().one_shot().sh("true");
    assert!(format!("{:?}", refused.ending()).contains("uid"), "{:?}", refused.ending());
    live.cancel();
    live.finish().unwrap();
    let ran = bench.caller.clone().one_shot().sh("id -u; ls -d /proc/[0-9]* | wc -l");
    assert!(ran.out().starts_with("1900000778"), "{}", ran.said());
}

#[test]
fn a_file_inside_keeps_its_owner_and_shows_no_other() {
    let bench = Bench::new("owner");
    fs::write(bench.path("roots"), "x").unwrap();
    let ran = bench.caller.sh("echo x > made; stat -c %u roots; id -u");
    let told = ran.out();
    let (other, own) = told.split_once('\n').unwrap();
    // A file of anybody but the workspace's owner is nobody's inside.
    let expected = if warden::is_root() { "65534" } else { own };
    assert_eq!(other, expected, "{}", ran.said());
    let owner = fs::metadata(bench.caller.workspace()).unwrap().uid();
    assert_eq!(fs::metadata(bench.path("made")).unwrap().uid(), owner);
}
