//! Unix sockets of the host that have a name in the file system, such as a
//! container engine's. A network namespace does not keep a cell from them.

use std::path::Path;

use cofferdam_plan::AbsolutePath;

/// Those beneath `directory` that are there now, as the kernel tells them
/// (proc(5), /proc/net/unix). Names that are relative or not normal are not
/// told as paths by anybody, and left out.
#[must_use]
pub fn beneath(directory: &Path) -> Vec<AbsolutePath> {
    let text = std::fs::read("/proc/net/unix").unwrap_or_default();
    let mut sockets = named(&text, directory);
    sockets.sort();
    sockets.dedup();
    sockets
}

fn named(text: &[u8], directory: &Path) -> Vec<AbsolutePath> {
    let path = |line: &[u8]| {
        // Num RefCount Protocol Flags Type St Inode Path; the path may have spaces.
        let at = line.windows(2).position(|two| two == b" /")?;
        AbsolutePath::new(&line[at + 1..]).ok().filter(|path| path.is_beneath(directory))
    };
    text.split(|&byte| byte == b'\n').filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_beneath_a_directory_are_found_by_name() {
        let text = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1001 /srv/project/docker.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1002 /srv/projectshop/a\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 1003\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1004 @abstract/srv/project/x\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1005 /srv/project/a b\n";
        let found = named(text, Path::new("/srv/project"));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["/srv/project/docker.sock", "/srv/project/a b"]);
    }

    #[test]
    fn a_socket_of_this_process_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        assert_eq!(beneath(&path).len(), 1);
    }
}
