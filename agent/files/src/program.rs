//! Finds which file a program name means, as execvp(3) would within the cell.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use cofferdam_proto::file::v1::{ProgramFound, ProgramLookup};
use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::bounds;
use crate::fault::FileFault;

/// Looks in the directories in order, or at the absolute path itself.
pub(crate) fn find(request: ProgramLookup) -> Result<ProgramFound, FileFault> {
    let ProgramLookup { program, directories } = request;
    if program.is_empty() || program.len() > bounds::PATH || program.contains(&0) {
        let message = "the program's name is empty, too long or has a NUL byte";
        return Err(FileFault::Invalid(message.to_owned()));
    }
    let absolute = program.starts_with(b"/");
    if !absolute && program.contains(&b'/') {
        let message = "a program is named without a slash, or by an absolute path";
        return Err(FileFault::Invalid(message.to_owned()));
    }
    let program = PathBuf::from(OsString::from_vec(program));
    let candidates: Vec<PathBuf> = if absolute {
        vec![program]
    } else {
        let path = |directory| PathBuf::from(OsString::from_vec(directory)).join(&program);
        directories.into_iter().map(path).collect()
    };
    let regular = |path: &&PathBuf| fs::metadata(path).is_ok_and(|m| m.is_file());
    let found = candidates
        .iter()
        .filter(regular)
        .find(|path| is_executable(path))
        .or_else(|| candidates.iter().find(regular));
    Ok(match found {
        Some(path) => ProgramFound {
            executable: is_executable(path),
            path: path.clone().into_os_string().into_vec(),
        },
        None => ProgramFound::default(),
    })
}

/// By the file's mode. Whether Landlock agrees is the plan's to know.
fn is_executable(path: &Path) -> bool {
    accessat(CWD, path, Access::EXEC_OK, AtFlags::empty()).is_ok()
}
