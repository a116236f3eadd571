//! How much one resolution may read and find.
//!
//! Programs and libraries are files that somebody else made: what they name is
//! followed, but never without an end. [`ResolveError::TooMuch`] says which
//! bound was met.
//!
//! [`ResolveError::TooMuch`]: crate::ResolveError::TooMuch

/// Files that are opened for one program, those in trees included.
pub const FILES: usize = 400_000;
/// Bytes that are read for one program.
pub const BYTES: u64 = 512 << 20;
/// Places that one program, or all of a grant together, may need; as many as a
/// cell's plan has Landlock rules.
pub const NEEDS: usize = 4096;
/// Programs that one program leads to: interpreters, helpers, their helpers.
pub const PROGRAMS: usize = 1024;
/// Libraries that one program leads to, those for the modules in its trees
/// included.
pub const LIBRARIES: usize = 8192;
/// Scripts that name scripts as interpreters: `exec_binprm()` in the kernel's
/// fs/exec.c.
pub const INTERPRETERS: usize = 5;
/// Helpers that start helpers: cargo, rustc, cc, collect2, ld.
pub const HELPERS: usize = 8;
/// Symbolic links on the way to one path (the kernel's MAXSYMLINKS).
pub const LINKS: usize = 40;
/// Bytes of a `#!` line (the kernel's BINPRM_BUF_SIZE).
pub const SCRIPT_LINE: usize = 256;
/// Bytes that one table of an ELF file may have.
pub const ELF_TABLE: u64 = 1 << 20;
/// Bytes that all tables of an ELF file may have.
pub const ELF_TABLES: u64 = 4 << 20;
/// Libraries that one ELF file may name.
pub const NEEDED: usize = 1024;
/// Directories in one DT_RPATH or DT_RUNPATH.
pub const RUN_PATH: usize = 64;
/// Bytes of `/etc/ld.so.cache`.
pub const LOADER_CACHE: u64 = 16 << 20;
/// Bytes of a text file such as nsswitch.conf(5).
pub const TEXT: u64 = 64 << 10;
/// Directories and files beneath one tree; what comes after them is left out.
pub const TREE_ENTRIES: usize = 100_000;
/// Directories inside one another in a tree; what is deeper is left out.
pub const TREE_DEPTH: usize = 40;
/// Places that a tree with a program in it may be split into.
pub const SPLIT: usize = 1024;
/// Entries of one directory.
pub const DIRECTORY: usize = 50_000;
/// Paths that one pattern of a helper rule may match.
pub const MATCHES: usize = 2048;
/// Programs and libraries that a resolver remembers.
pub const MEMORY: usize = 16_384;
/// Trees that a resolver remembers.
pub const TREES: usize = 512;
/// Grants that a resolver remembers.
pub const GRANTS: usize = 64;
