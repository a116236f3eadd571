//! The resolver on made-up trees and on this machine.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod elf;
mod helpers;
mod hostile;
mod libraries;
mod machine;
mod remembering;
mod scripts;
mod trees;
mod words;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cofferdam_programs::{Combined, Need, Resolution, ResolveError, Resolver, Rights, Root, Rules};
use elf::Elf;

/// The loader that made-up programs name.
const LOADER: &str = "/lib/ld.so";

/// A made-up file system.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    /// One with a loader and a C library.
    fn new() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap() };
        world.library(LOADER, &[]);
        world.library("/lib/libc.so.6", &[]);
        world
    }

    fn outside(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.strip_prefix('/').unwrap())
    }

    fn file(&self, path: &str, mode: u32, content: impl AsRef<[u8]>) -> &Self {
        let at = self.outside(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(&at, content).unwrap();
        std::fs::set_permissions(&at, PermissionsExt::from_mode(mode)).unwrap();
        self
    }

    fn elf(&self, path: &str, mode: u32, elf: &Elf) -> &Self {
        self.file(path, mode, elf.bytes())
    }

    fn program(&self, path: &str) -> &Self {
        self.elf(path, 0o755, &Elf::program(LOADER, &["libc.so.6"]))
    }

    fn library(&self, path: &str, needed: &[&str]) -> &Self {
        self.elf(path, 0o644, &Elf::library(needed))
    }

    fn link(&self, path: &str, target: &str) -> &Self {
        let at = self.outside(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(target, at).unwrap();
        self
    }

    fn resolver(&self) -> Resolver {
        let search_path = ["/usr/bin", "/bin"].map(PathBuf::from).to_vec();
        let root = Root::at(self.directory.path()).unwrap();
        Resolver::new(root, search_path, Rules::builtin().unwrap())
    }

    fn resolve(&self, program: &str) -> Result<Resolution, ResolveError> {
        self.resolver().resolve(Path::new(program))
    }

    fn all(&self, programs: &[&str]) -> Arc<Combined> {
        let programs: Vec<PathBuf> = programs.iter().map(PathBuf::from).collect();
        self.resolver().resolve_all(&programs).unwrap()
    }
}

/// The paths of needs with these rights.
fn with(needs: &[Need], rights: Rights) -> Vec<&str> {
    let of = needs.iter().filter(|need| need.rights == rights);
    of.map(|need| need.path.to_str().unwrap()).collect()
}

#[test]
fn what_cannot_be_resolved_is_told() {
    let world = World::new();
    world.link("/bin/round", "round").link("/bin/lost", "nowhere");
    assert!(matches!(world.resolve("ls"), Err(ResolveError::NotAbsolute(_))));
    for missing in ["/bin/none", "/bin/round", "/bin/lost", "/lib/libc.so.6/x"] {
        assert_eq!(world.resolve(missing).unwrap_err(), ResolveError::Missing(missing.into()));
    }
    assert!(matches!(world.resolve("/lib"), Err(ResolveError::NotAFile { .. })));
    rustix::fs::mkfifoat(rustix::fs::CWD, world.outside("/bin/pipe"), 0o644.into()).unwrap();
    assert!(matches!(world.resolve("/bin/pipe"), Err(ResolveError::NotAFile { .. })));
    world.file("/bin/broken", 0o755, "\x7fELF and nothing else");
    assert!(matches!(world.resolve("/bin/broken"), Err(ResolveError::Unreadable { .. })));
}

#[test]
fn links_to_a_program_are_followed_inside_the_tree_and_remembered() {
    let world = World::new();
    world.program("/usr/bin/mawk");
    world.link("/usr/bin/awk", "/etc/alternatives/awk");
    world.link("/etc/alternatives/awk", "../../usr/bin/mawk");
    let found = world.resolve("/usr/bin/awk").unwrap();
    assert_eq!(found.real, PathBuf::from("/usr/bin/mawk"));
    let expected = [
        ("/etc/alternatives/awk".into(), "../../usr/bin/mawk".into()),
        ("/usr/bin/awk".into(), "/etc/alternatives/awk".into()),
    ];
    assert_eq!(found.links, expected);
    assert_eq!(with(&found.needs, Rights::Execute), [LOADER, "/usr/bin/mawk"]);
    assert_eq!(with(&found.needs, Rights::Read), ["/lib/libc.so.6"]);
}

#[test]
fn a_grant_is_the_same_in_any_order_and_notes_what_is_not_installed() {
    let world = World::new();
    world.program("/bin/a").program("/bin/b");
    let combined = world.all(&["/bin/b", "/bin/none", "/bin/a", "/bin/b"]);
    assert_eq!(combined, world.all(&["/bin/a", "/bin/b", "/bin/none"]));
    assert_eq!(combined.resolutions.len(), 2);
    assert!(combined.executes(Path::new("/bin/a")) && combined.executes(Path::new("/bin/b")));
    assert!(combined.notes.iter().any(|note| note.contains("/bin/none")), "{:?}", combined.notes);
}
