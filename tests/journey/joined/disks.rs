//! Disks that are full: of a host that joins or renews, and of the gateway. A small file
//! system is mounted at a place of the test's own, and filled.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_tests::host::{Host, SERVICE, Setup};
use cofferdam_tests::skip_unless_root;

use super::{Joined, PLAIN, lives, said, within};

/// Bytes of such a disk.
const SIZE: &str = "size=8m";

/// A small disk, until the test ends.
struct Disk(PathBuf);

impl Disk {
    /// One at `place` that belongs to this user.
    fn at(place: &Path, owner: u32) -> Self {
        let options = format!("{SIZE},mode=0755,uid={owner},gid={owner}");
        let mut command = Command::new("mount");
        let mounted = command.args(["-t", "tmpfs", "-o", &options, "small"]).arg(place).status();
        assert!(mounted.unwrap().success());
        Self(place.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file open there keeps it no longer than themselves.
        _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Takes all that is left on the disk of `place`; removing the file gives it back.
fn fill(place: &Path) -> PathBuf {
    let path = place.join("fill");
    let mut file = File::create(&path).unwrap();
    for size in [64 * 1024, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

/// Where a host keeps its identity.
fn place_of(host: &Host) -> PathBuf {
    host.identity().parent().unwrap().to_owned()
}

#[test]
fn a_host_whose_disk_is_full_joins_nothing_and_says_so_and_joins_by_the_same_token_afterwards() {
    if skip_unless_root("a host whose disk is full joins nothing") {
        return;
    }
    let mut joined = Joined::start(PLAIN);
    let index = joined.add(Setup::default());
    let place = place_of(&joined.hosts[index]);
    fs::create_dir(&place).unwrap();
    let _disk = Disk::at(&place, SERVICE);
    let filled = fill(&place);
    let token = joined.invite(index);
    let refused = joined.enroll(index, &token, &[]);
    let told = said(&refused);
    assert!(!refused.status.success() && told.contains("No space left"), "{told}");
    assert!(told.contains(&place.display().to_string()), "the file is named: {told}");
    let left: Vec<_> = fs::read_dir(&place).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "nothing half: {left:?}");
    fs::remove_file(&filled).unwrap();
    let enrolled = joined.enroll(index, &token, &[]);
    assert!(enrolled.status.success(), "{}", said(&enrolled));
}

#[test]
fn a_host_whose_disk_is_full_keeps_its_certificate_tells_so_and_renews_once_there_is_room() {
    if skip_unless_root("a host whose disk is full keeps its certificate") {
        return;
    }
    let mut joined = Joined::start(&lives(8));
    let index = joined.add(Setup::default());
    let place = place_of(&joined.hosts[index]);
    fs::create_dir(&place).unwrap();
    let _disk = Disk::at(&place, SERVICE);
    let token = joined.invite(index);
    let enrolled = joined.enroll(index, &token, &[]);
    assert!(enrolled.status.success(), "{}", said(&enrolled));
    joined.hosts[index].start_again();
    let ann = joined.gateway.token("ann");
    let filled = fill(&place);
    let before = fs::read(joined.hosts[index].identity()).unwrap();
    assert!(joined.works(&ann, index), "what it has goes on");
    within(20, "it tells", || {
        let problem = joined.hosts[index].status()["certificate"]["problem"].clone();
        problem.as_str().is_some_and(|it| it.contains("No space left"))
    });
    assert_eq!(fs::read(joined.hosts[index].identity()).unwrap(), before, "nothing half");
    assert_eq!(joined.steps("renewed"), 0, "and none was made that nobody keeps");
    fs::remove_file(&filled).unwrap();
    within(20, "it is renewed", || joined.steps("renewed") + joined.steps("reattested") > 0);
    within(20, "it serves", || joined.works(&ann, index));
    assert!(joined.known(index)["alarm"].is_null());
}

#[test]
fn an_authority_whose_disk_is_full_lets_nobody_in_without_a_record_and_goes_on_afterwards() {
    if skip_unless_root("an authority whose disk is full lets nobody in") {
        return;
    }
    let mut disk = None;
    let mut joined = Joined::prepare_on(PLAIN, |place| disk = Some(Disk::at(place, 0)));
    let made = joined.gateway.cofferdam(&["authority", "init"]);
    assert!(made.status.success(), "{}", said(&made));
    joined.start_gateway();
    let index = joined.add(Setup::default());
    let token = joined.invite(index);
    let filled = fill(&joined.directory.path().canonicalize().unwrap());
    let refused = joined.enroll(index, &token, &[]);
    let told = said(&refused);
    assert!(!refused.status.success(), "{told}");
    assert!(["full", "No space left"].iter().any(|it| told.contains(it)), "{told}");
    assert!(!joined.hosts[index].identity().exists());
    fs::remove_file(&filled).unwrap();
    // A journal that failed wants its gateway started anew: it says so.
    joined.gateway.kill();
    joined.start_gateway();
    let enrolled = joined.enroll(index, &token, &[]);
    assert!(enrolled.status.success(), "{}", said(&enrolled));
    assert_eq!(joined.steps("certified"), 1);
    assert!(joined.known(index)["alarm"].is_null());
}

#[test]
fn an_authority_that_is_made_on_a_full_disk_is_not_there_and_is_made_afterwards() {
    if skip_unless_root("an authority that is made on a full disk is not there") {
        return;
    }
    let mut disk = None;
    let joined = Joined::prepare_on(PLAIN, |place| disk = Some(Disk::at(place, 0)));
    let filled = fill(&joined.directory.path().canonicalize().unwrap());
    let refused = joined.gateway.cofferdam(&["authority", "init"]);
    let told = said(&refused);
    assert!(!refused.status.success(), "{told}");
    assert!(["full", "No space left"].iter().any(|it| told.contains(it)), "{told}");
    fs::remove_file(&filled).unwrap();
    let made = joined.gateway.cofferdam(&["authority", "init"]);
    assert!(made.status.success(), "{}", said(&made));
}
