//! What of a Landlock domain refused: the names in `blockers=`
//! (security/landlock/audit.c), up to ABI 10.

use std::fmt;

/// The longest name that is kept of a blocker that is not known here, in bytes.
const MAX_NAME: usize = 32;

macro_rules! blockers {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// One reason for which Landlock refused.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Blocker {
            $($(#[doc = $doc])* $variant,)*
            /// One that a kernel newer than this build knows, by its name.
            Other(String),
        }

        impl Blocker {
            /// Every one that is known here.
            pub const KNOWN: &[Self] = &[$(Self::$variant,)*];

            /// The kernel's name for it.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }

            /// By the kernel's name.
            pub(crate) fn named(name: &[u8]) -> Self {
                match name {
                    $(name if name == $name.as_bytes() => Self::$variant,)*
                    other => {
                        let kept = other.get(..MAX_NAME).unwrap_or(other);
                        Self::Other(String::from_utf8_lossy(kept).into_owned())
                    }
                }
            }
        }
    };
}

blockers! {
    /// Execute a file.
    Execute = "fs.execute",
    /// Open a file for writing.
    WriteFile = "fs.write_file",
    /// Open a file for reading.
    ReadFile = "fs.read_file",
    /// List a directory.
    ReadDir = "fs.read_dir",
    /// Remove a directory; the object is the one that holds it.
    RemoveDir = "fs.remove_dir",
    /// Remove a file; the object is the directory that holds it.
    RemoveFile = "fs.remove_file",
    /// Make a character device.
    MakeChar = "fs.make_char",
    /// Make a directory.
    MakeDir = "fs.make_dir",
    /// Make a regular file.
    MakeReg = "fs.make_reg",
    /// Make a Unix socket.
    MakeSock = "fs.make_sock",
    /// Make a named pipe.
    MakeFifo = "fs.make_fifo",
    /// Make a block device.
    MakeBlock = "fs.make_block",
    /// Make a symbolic link.
    MakeSym = "fs.make_sym",
    /// Move or link between directories.
    Refer = "fs.refer",
    /// Truncate a file.
    Truncate = "fs.truncate",
    /// ioctl(2) on a device.
    IoctlDev = "fs.ioctl_dev",
    /// Connect to a Unix socket that has a path (ABI 9).
    ResolveUnix = "fs.resolve_unix",
    /// Mount, unmount, remount, pivot_root(2).
    ChangeTopology = "fs.change_topology",
    /// Bind a TCP port.
    BindTcp = "net.bind_tcp",
    /// Connect to a TCP port.
    ConnectTcp = "net.connect_tcp",
    /// Bind a UDP port (ABI 10).
    BindUdp = "net.bind_udp",
    /// Connect or send to a UDP port (ABI 10).
    ConnectSendUdp = "net.connect_send_udp",
    /// Connect to an abstract Unix socket outside of the domain.
    AbstractUnixSocket = "scope.abstract_unix_socket",
    /// Signal a process outside of the domain.
    Signal = "scope.signal",
    /// Trace, or look into, a process outside of the domain.
    Ptrace = "ptrace",
}

impl fmt::Display for Blocker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_as_what_it_names() {
        for blocker in Blocker::KNOWN {
            assert_eq!(Blocker::named(blocker.name().as_bytes()), *blocker);
        }
    }

    #[test]
    fn a_name_of_a_newer_kernel_is_kept_and_bounded() {
        assert_eq!(Blocker::named(b"fs.new").name(), "fs.new");
        assert_eq!(Blocker::named(&[b'x'; 500]).name().len(), MAX_NAME);
    }
}
