//! Unix sockets of the host that have a name in the file system, such as a
//! container engine's. A network namespace does not keep a cell from them.

use std::path::Path;

use cofferdam_plan::AbsolutePath;

/// The kernel's list of Unix sockets in this network namespace.
pub const LIST: &str = "/proc/net/unix";

/// Those beneath `directory` that are there now, as the kernel tells them
/// (proc(5), /proc/net/unix). Names that are relative or not normal are left out:
/// nobody knows from where they were meant. Anybody on the host can have any name
/// appear here, because the kernel prints names as they are, line ends included: a
/// name is no proof that there is a socket.
///
/// # Errors
/// Where the kernel does not tell: nobody knows then what has to be covered.
pub fn beneath(directory: &Path) -> std::io::Result<Vec<AbsolutePath>> {
    let mut sockets = named(&std::fs::read(LIST)?, directory);
    sockets.sort();
    sockets.dedup();
    Ok(sockets)
}

fn named(text: &[u8], directory: &Path) -> Vec<AbsolutePath> {
    let path = |line| AbsolutePath::new(name(line)?).ok().filter(|it| it.is_beneath(directory));
    text.split(|&byte| byte == b'\n').filter_map(path).collect()
}

/// The name in a line of `Num RefCount Protocol Flags Type St Inode Path`, of which
/// all but the path are numbers; the path may have spaces.
fn name(mut line: &[u8]) -> Option<&[u8]> {
    for _ in 0..7 {
        line = line.trim_ascii_start();
        let end = line.iter().position(|byte| *byte == b' ')?;
        let number = line[..end].strip_suffix(b":").unwrap_or(&line[..end]);
        if !number.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        line = &line[end..];
    }
    line.strip_prefix(b" ")
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
            0000000000000000: 00000002 00000000 00010000 0001 01 1005 /srv/project/a b\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1006 @x\n /srv/project/forged\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1007 @y /srv/project/forged\n\
            0000000000000000: 00000002 00000000 00010000 0001 01    12 /srv/project/early\n";
        let found = named(text, Path::new("/srv/project"));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["/srv/project/docker.sock", "/srv/project/a b", "/srv/project/early"]);
    }

    #[test]
    fn a_socket_of_this_process_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        assert_eq!(beneath(&path).unwrap().len(), 1);
    }
}
