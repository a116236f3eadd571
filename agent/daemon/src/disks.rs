//! The disk that a directory is on, and what bounds a workspace there.

use std::ffi::OsStr;
use std::path::Path;

use rustix::fs::{major, makedev, minor, stat};

mod bound;

pub use bound::{Bound, Disk, Room};

/// Major and minor number of the whole disk, as the io controllers want it; 0:0,
/// which is no disk, where the file system is on none, or cannot be asked.
#[must_use]
pub fn of(directory: &Path) -> (u32, u32) {
    let Ok(found) = stat(directory) else { return (0, 0) };
    let device = (major(found.st_dev), minor(found.st_dev));
    whole(device).unwrap_or(device)
}

/// The disk of a partition: in sysfs its directory holds the partition's.
fn whole((major_number, minor_number): (u32, u32)) -> Option<(u32, u32)> {
    let place = std::fs::read_link(format!("/sys/dev/block/{major_number}:{minor_number}")).ok()?;
    let above = place.parent()?;
    // …/block/sda/sda1: what lies in `block` itself is a whole disk.
    if above.file_name() == Some(OsStr::new("block")) {
        return None;
    }
    let disk = stat(Path::new("/dev").join(above.file_name()?)).ok()?;
    (disk.st_rdev != makedev(0, 0)).then(|| (major(disk.st_rdev), minor(disk.st_rdev)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_a_disk_has_major_zero_and_nothing_panics() {
        assert_eq!(of(Path::new("/proc")).0, 0);
        assert_eq!(of(Path::new("/not/there")), (0, 0));
        let _ = of(Path::new("/"));
    }
}
