//! What everybody may reach: the service user, who belongs to no group and owns
//! nothing, reaches no more.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The first directory above `path` that not everybody may enter.
pub(super) fn barrier(path: &Path) -> Option<&Path> {
    path.ancestors().skip(1).find(|directory| !allows(directory, 0o001))
}

/// Whether everybody may read and execute a program.
pub(super) fn everybody_can_execute(program: &Path) -> bool {
    allows(program, 0o005) && barrier(program).is_none()
}

fn allows(path: &Path, bits: u32) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & bits == bits)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_in_a_private_directory_is_out_of_reach() {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let program = outer.path().join("program");
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        assert!(!everybody_can_execute(&program));
        assert_eq!(barrier(&program), Some(outer.path()));
        assert!(everybody_can_execute(Path::new("/bin/sh")));
    }
}
