//! This machine's own programs. The invariant is held against a second, simpler
//! reader of ELF files, and the libraries against ldd(1).

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_programs::{Combined, Resolver, Root, Rules, Why};

const NAMES: &[&str] = &[
    "git",
    "gcc",
    "make",
    "python3",
    "node",
    "cargo",
    "perl",
    "bash",
    "curl",
    "tar",
    "sed",
    "awk",
    "vim.basic",
    "java",
];

fn search_path() -> Vec<PathBuf> {
    let cargo = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo/bin"));
    let system = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    system.into_iter().chain(cargo).collect()
}

/// The programs of [`NAMES`] that are installed.
fn installed() -> Vec<PathBuf> {
    let at =
        |name: &&str| search_path().into_iter().map(|it| it.join(name)).find(|it| it.is_file());
    let found: Vec<PathBuf> = NAMES.iter().filter_map(at).collect();
    for name in NAMES.iter().filter(|name| !found.iter().any(|path| path.ends_with(name))) {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

fn resolver() -> Resolver {
    Resolver::new(Root::host(), search_path(), Rules::builtin().unwrap())
}

/// What the kernel or the loader would run: read without the crate's reader.
fn is_elf_program(path: &Path) -> bool {
    let mut head = [0; 4096];
    let Ok(length) = File::open(path).and_then(|file| file.read_at(&mut head, 0)) else {
        return false;
    };
    if length < 64 || !head.starts_with(b"\x7fELF\x02") {
        return false;
    }
    let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let segments = (0..usize::from(short(56))).map(|index| 64 + index * 56);
    let has_interpreter =
        segments.take_while(|at| at + 4 < head.len()).any(|at| head[at..at + 4] == [3, 0, 0, 0]);
    short(16) == 2 || short(16) == 3 && has_interpreter
}

fn walk(directory: &Path, check: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(&entry.path(), check);
        } else if kind.is_file() {
            check(&entry.path());
        }
    }
}

/// Libraries that something names, and the loader.
fn named(combined: &Combined) -> BTreeSet<&Path> {
    let needs = combined.resolutions.iter().flat_map(|it| &it.needs);
    let is_named = |why: &Why| matches!(why, Why::Library { .. } | Why::NameService { .. });
    needs.filter(|need| is_named(&need.why)).map(|need| need.path.as_path()).collect()
}

#[test]
fn no_program_that_is_not_granted_can_be_read() {
    let resolver = resolver();
    for program in installed() {
        let combined = resolver.resolve_all(std::slice::from_ref(&program)).unwrap();
        let named = named(&combined);
        let mut check = |path: &Path| {
            let is_fine = combined.executes(path) || named.contains(path) || !is_elf_program(path);
            assert!(is_fine, "{} lets {} be read", program.display(), path.display());
        };
        for place in &combined.read {
            if place.directory { walk(&place.path, &mut check) } else { check(&place.path) }
        }
    }
}

#[test]
fn no_library_directory_is_given_as_a_whole() {
    let combined = resolver().resolve_all(&installed()).unwrap();
    let whole = [
        "/",
        "/usr",
        "/usr/lib",
        "/usr/lib64",
        "/usr/libexec",
        "/usr/bin",
        "/usr/sbin",
        "/usr/share",
        "/usr/local",
        "/etc",
    ];
    for place in combined.read.iter().filter(|place| place.directory) {
        assert!(!whole.iter().any(|whole| place.path == Path::new(whole)), "{place:?}");
        assert!(!place.path.ends_with("x86_64-linux-gnu"), "{place:?}");
    }
    for unlisted in ["/usr/bin/id", "/usr/bin/ssh", "/usr/sbin/chroot"] {
        assert!(!combined.reads(Path::new(unlisted)), "{unlisted}");
    }
}

#[test]
fn every_library_that_ldd_names_is_found() {
    let resolver = resolver();
    for program in installed() {
        let real = program.canonicalize().unwrap();
        let Ok(output) = Command::new("ldd").arg(&real).output() else {
            eprintln!("skipped: ldd is not installed");
            return;
        };
        let combined = resolver.resolve_all(std::slice::from_ref(&program)).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = text.split_whitespace().filter(|word| word.starts_with('/'));
        for library in words.filter_map(|word| Path::new(word).canonicalize().ok()) {
            assert!(combined.reads(&library), "{}: {}", program.display(), library.display());
        }
    }
}

#[test]
fn the_whole_grant_fits_into_a_plan() {
    let combined = resolver().resolve_all(&installed()).unwrap();
    let count = combined.execute.len() + combined.read.len() + combined.list.len();
    assert!(count < 2048, "{count}");
}
