//! What bounds a workspace's use of its disk is told in every outcome of a run that
//! could fill it: a quota of the host's owner, a file system of its own, or nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_proto::exec::v1::{Denial, Layer};
use cofferdam_proto::intent::v1::WorkspaceAccess;
use cofferdam_tests::caller::{Caller, Ran};
use cofferdam_tests::{skip, skip_unless_root};

use crate::Bench;

/// Sets the hard limit of a project, in KiB: quotactl(2), for which no program is
/// installed everywhere.
const SET_QUOTA: &str = r#"
import ctypes, struct, sys
device, project, limit = sys.argv[1].encode(), int(sys.argv[2]), int(sys.argv[3])
Q_SETQUOTA, PRJQUOTA, QIF_BLIMITS = 0x800008, 2, 1
quota = struct.pack("=8QI4x", limit, limit, 0, 0, 0, 0, 0, 0, QIF_BLIMITS)
libc = ctypes.CDLL(None, use_errno=True)
command = ctypes.c_int(Q_SETQUOTA << 8 | PRJQUOTA)
sys.exit(libc.quotactl(command, device, project, ctypes.create_string_buffer(quota, len(quota))) != 0)
"#;

/// An image that is mounted for a test.
struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// 64 MiB of ext4; why not, where this kernel or machine has not what it takes.
    fn new(image: &Path, at: &Path, features: &[&str], options: &str) -> Result<Self, String> {
        let file = fs::File::create(image).unwrap();
        file.set_len(64 << 20).unwrap();
        run("mkfs.ext4", &[&["-q", "-F"], features, &[image.to_str().unwrap()]].concat())?;
        fs::create_dir_all(at).unwrap();
        run("mount", &["-o", options, image.to_str().unwrap(), at.to_str().unwrap()])?;
        Ok(Self { at: at.to_owned() })
    }

    fn device(&self) -> String {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let at = self.at.to_str().unwrap();
        let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some(at)).unwrap();
        line.split(' ').next().unwrap().to_owned()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(run("umount", &["--lazy", self.at.to_str().unwrap()]));
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", said.trim())) }
}

fn layer(ran: &Ran) -> Option<Layer> {
    let sandbox = ran.finished.as_ref().unwrap().sandbox.clone().unwrap();
    sandbox.layers.into_iter().find(|layer| layer.name == "disk")
}

fn told_as_full(ran: &Ran) -> Option<Denial> {
    let sandbox = ran.finished.as_ref().unwrap().sandbox.clone().unwrap();
    sandbox.denials.into_iter().find(|denial| denial.layer == "disk")
}

/// Fills the workspace of a caller; says what an outcome must tell.
fn fills(caller: &Caller, errors: &[&str]) {
    let ran = caller.sh("head -c 80M /dev/zero > big");
    assert_ne!(ran.code(), 0, "{}", ran.said());
    assert!(errors.iter().any(|error| ran.said().contains(error)), "{}", ran.said());
    let told = told_as_full(&ran).expect("the outcome tells of it");
    assert!(told.object.contains("full"), "{told:?}");
    assert!(told.remedy.contains("host's owner"), "{told:?}");
    // Nothing is left of it, the journal's disk is another one, and the next run works.
    let ran = caller.sh("rm big; echo more > made; cat made");
    assert_eq!((ran.code(), ran.out().as_str()), (0, "more"));
    assert!(told_as_full(&ran).is_none());
}

#[test]
fn a_workspace_on_a_shared_disk_is_told_to_be_unbounded_and_why() {
    let bench = Bench::new("unbounded");
    for (way, caller) in bench.ways() {
        let told = layer(&caller.sh("true")).expect(way);
        assert!(!told.effective, "{way}: {told:?}");
        assert!(told.detail.starts_with("not enforced: "), "{way}: {told:?}");
        assert!(told.detail.ends_with(" free"), "{way}: {told:?}");
    }
    // One that cannot write there cannot fill it.
    let mut reader = bench.caller.clone();
    reader.grant.workspace_access = WorkspaceAccess::Read.into();
    assert_eq!(layer(&reader.sh("true")), None);
}

#[test]
fn a_workspace_that_is_a_file_system_of_its_own_is_bounded_by_it() {
    let test = "a_workspace_that_is_a_file_system_of_its_own_is_bounded_by_it";
    if skip_unless_root(test) {
        return;
    }
    let bench = Bench::new("own-disk");
    let workspace = bench.caller.workspace();
    let owner = fs::metadata(&workspace).unwrap();
    let image = workspace.with_extension("image");
    let mounted = match Mounted::new(&image, &workspace, &[], "loop,nosuid,nodev") {
        Ok(mounted) => mounted,
        Err(why) => return skip(test, &why),
    };
    own(&mounted.at, &owner);
    let told = layer(&bench.caller.sh("true")).unwrap();
    assert!(told.effective, "{told:?}");
    assert!(told.detail.contains("file system of its own"), "{told:?}");
    fills(&bench.caller, &["No space left"]);
}

#[test]
fn a_project_quota_of_the_hosts_owner_is_seen_and_holds() {
    let test = "a_project_quota_of_the_hosts_owner_is_seen_and_holds";
    if skip_unless_root(test) {
        return;
    }
    let bench = Bench::new("quota");
    let outer = bench.caller.workspace();
    let owner = fs::metadata(&outer).unwrap();
    let image = outer.with_extension("image");
    let features = ["-O", "project,quota", "-E", "quotatype=prjquota"];
    let mounted = match Mounted::new(&image, &outer, &features, "loop,nosuid,nodev,prjquota") {
        Ok(mounted) => mounted,
        // Not noted as skipped: many kernels are built without CONFIG_QFMT_V2, and what
        // follows from the sizes is tested beside the code.
        Err(why) => return eprintln!("skipped: {test}: no project quotas here: {why}"),
    };
    let workspace = outer.join("held");
    fs::create_dir(&workspace).unwrap();
    own(&workspace, &owner);
    let caller = bench.caller.clone().at(&workspace);
    let unset = layer(&caller.sh("true")).unwrap();
    assert!(!unset.effective && unset.detail.contains("none with a limit"), "{unset:?}");
    let held = workspace.to_str().unwrap();
    run("chattr", &["-p", "1001", "+P", held]).unwrap();
    run("python3", &["-c", SET_QUOTA, &mounted.device(), "1001", "8192"]).unwrap();
    let told = layer(&caller.sh("true")).unwrap();
    assert!(told.effective, "{told:?}");
    assert!(told.detail.contains("holds the workspace to 8 MiB"), "{told:?}");
    fills(&caller, &["quota exceeded", "No space left"]);
}

/// Gives the root of a new file system to whom the directory belonged.
fn own(at: &Path, owner: &fs::Metadata) {
    use std::os::unix::fs::MetadataExt;
    std::os::unix::fs::chown(at, Some(owner.uid()), Some(owner.gid())).unwrap();
}
