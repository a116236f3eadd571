//! Toolchains behind the caller's PATH: found by where their directories
//! usually are, shown to cells read-only and executable.
//!
//! Only the parts that programs need are shown. Files with secrets that live
//! beside them (`~/.cargo/credentials.toml`) are not.

use std::path::{Path, PathBuf};

use super::surroundings::Caller;

/// A toolchain. Every path in it is real: without a symlink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toolchain {
    /// What a person calls it.
    pub(super) name: &'static str,
    /// The directory in PATH that it was found by.
    pub(super) bin: PathBuf,
    /// Directories that may be read and executed.
    pub(super) programs: Vec<PathBuf>,
    /// Directories that may be read only.
    pub(super) data: Vec<PathBuf>,
    /// Variables that its programs need.
    pub(super) environment: Vec<(&'static str, PathBuf)>,
}

/// Knows one kind of toolchain by a directory of PATH.
type Finder = fn(&Path, &Caller) -> Option<Toolchain>;

const FINDERS: [Finder; 5] = [rustup, pyenv, nvm, fnm, local];

/// The toolchains behind the caller's PATH, each once for each directory.
pub(super) fn find(caller: &Caller) -> Vec<Toolchain> {
    let mut found: Vec<Toolchain> = Vec::new();
    for directory in &caller.path {
        let Ok(real) = directory.canonicalize() else { continue };
        let toolchain = FINDERS.into_iter().find_map(|finder| finder(&real, caller));
        found.extend(toolchain.filter(|new| found.iter().all(|known| known.bin != new.bin)));
    }
    found
}

/// `~/.cargo/bin` holds proxies; the toolchains are in `~/.rustup`. Downloaded
/// crates are shown where there are any, so that builds need no network.
fn rustup(bin: &Path, caller: &Caller) -> Option<Toolchain> {
    let cargo = caller.directory("CARGO_HOME", ".cargo").canonicalize().ok()?;
    if bin != cargo.join("bin") {
        return None;
    }
    let rustup = caller.directory("RUSTUP_HOME", ".rustup").canonicalize().ok();
    let data = existing([cargo.join("registry"), cargo.join("git")]);
    let mut environment: Vec<_> = rustup.iter().map(|at| ("RUSTUP_HOME", at.clone())).collect();
    if !data.is_empty() {
        environment.push(("CARGO_HOME", cargo));
    }
    let programs = [bin.to_owned()].into_iter().chain(rustup).collect();
    Some(Toolchain { name: "Rust", bin: bin.to_owned(), programs, data, environment })
}

fn pyenv(bin: &Path, caller: &Caller) -> Option<Toolchain> {
    let root = caller.directory("PYENV_ROOT", ".pyenv").canonicalize().ok()?;
    bin.starts_with(&root).then(|| Toolchain {
        name: "pyenv",
        bin: bin.to_owned(),
        programs: vec![root.clone()],
        data: Vec::new(),
        environment: vec![("PYENV_ROOT", root)],
    })
}

/// `~/.nvm/versions/node/v24.1.0/bin`.
fn nvm(bin: &Path, caller: &Caller) -> Option<Toolchain> {
    let root = caller.directory("NVM_DIR", ".nvm").canonicalize().ok()?;
    let version = bin.parent()?;
    (version.parent()? == root.join("versions/node")).then(|| Toolchain {
        name: "nvm",
        bin: bin.to_owned(),
        programs: vec![version.to_owned()],
        data: Vec::new(),
        environment: vec![("NVM_DIR", root)],
    })
}

/// `~/.local/share/fnm/node-versions/v24.1.0/installation/bin`, reached through
/// a link of its own for each shell.
fn fnm(bin: &Path, _: &Caller) -> Option<Toolchain> {
    let installation = bin.parent()?;
    let versions = installation.parent()?.parent()?;
    let fits = bin.ends_with("installation/bin") && versions.ends_with("node-versions");
    fits.then(|| Toolchain {
        name: "fnm",
        bin: bin.to_owned(),
        programs: vec![installation.to_owned()],
        data: Vec::new(),
        environment: Vec::new(),
    })
}

/// `~/.local/bin`, and what pipx and uv put behind it.
fn local(bin: &Path, caller: &Caller) -> Option<Toolchain> {
    let local = caller.home.join(".local").canonicalize().ok()?;
    if bin != local.join("bin") {
        return None;
    }
    let behind = existing([local.join("share/pipx"), local.join("share/uv")]);
    let programs = [bin.to_owned()].into_iter().chain(behind).collect();
    Some(Toolchain {
        name: "~/.local/bin",
        bin: bin.to_owned(),
        programs,
        data: Vec::new(),
        environment: Vec::new(),
    })
}

fn existing<const N: usize>(directories: [PathBuf; N]) -> Vec<PathBuf> {
    directories.into_iter().filter_map(|directory| directory.canonicalize().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A home with these directories, and a caller whose PATH is `path` in it.
    fn home(directories: &[&str], path: &[&str]) -> (tempfile::TempDir, PathBuf, Caller) {
        let temporary = tempfile::tempdir().unwrap();
        let home = temporary.path().canonicalize().unwrap();
        for directory in directories.iter().chain(path) {
            fs::create_dir_all(home.join(directory)).unwrap();
        }
        let path = path.iter().map(|directory| home.join(directory)).collect();
        let caller = Caller { home: home.clone(), path, variables: BTreeMap::new() };
        (temporary, home, caller)
    }

    #[test]
    fn rustup_shows_proxies_toolchains_and_crates_but_no_credentials() {
        let (_keep, home, caller) = home(&[".rustup", ".cargo/registry"], &[".cargo/bin"]);
        fs::write(home.join(".cargo/credentials.toml"), "token").unwrap();
        let [rust] = &find(&caller)[..] else { panic!("one toolchain") };
        assert_eq!(rust.programs, [home.join(".cargo/bin"), home.join(".rustup")]);
        assert_eq!(rust.data, [home.join(".cargo/registry")]);
        assert!(rust.environment.contains(&("RUSTUP_HOME", home.join(".rustup"))));
        assert!(rust.environment.contains(&("CARGO_HOME", home.join(".cargo"))));
        let shown = rust.programs.iter().chain(&rust.data);
        assert!(
            shown.into_iter().all(|shown| !home.join(".cargo/credentials.toml").starts_with(shown))
        );
    }

    #[test]
    fn without_downloaded_crates_cargo_has_a_home_of_its_own() {
        let (_keep, _, caller) = home(&[".rustup"], &[".cargo/bin"]);
        let [rust] = &find(&caller)[..] else { panic!("one toolchain") };
        assert!(rust.environment.iter().all(|(name, _)| *name != "CARGO_HOME"));
    }

    #[test]
    fn variables_say_where_a_toolchain_is() {
        let (_keep, home, mut caller) = home(&["elsewhere/rustup"], &["elsewhere/cargo/bin"]);
        assert!(find(&caller).is_empty());
        for (name, place) in [("CARGO_HOME", "cargo"), ("RUSTUP_HOME", "rustup")] {
            caller.variables.insert(name.into(), home.join("elsewhere").join(place).into());
        }
        let [rust] = &find(&caller)[..] else { panic!("one toolchain") };
        assert!(rust.programs.contains(&home.join("elsewhere/rustup")));
    }

    #[test]
    fn pyenv_is_shown_whole_whichever_of_its_directories_is_in_path() {
        let (_keep, home, caller) = home(&[], &[".pyenv/shims", ".pyenv/plugins/x/shims"]);
        let found = find(&caller);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|pyenv| pyenv.programs == [home.join(".pyenv")]));
    }

    #[test]
    fn of_node_managers_only_the_version_in_use_is_shown() {
        let (_keep, home, mut caller) =
            home(&[".nvm/versions/node/v18.0.0/bin"], &[".nvm/versions/node/v24.0.0/bin"]);
        let installed = home.join(".local/share/fnm/node-versions/v22.0.0/installation");
        fs::create_dir_all(installed.join("bin")).unwrap();
        symlink(&installed, home.join("shell-1")).unwrap();
        caller.path.push(home.join("shell-1/bin"));
        let [nvm, fnm] = &find(&caller)[..] else { panic!("two toolchains") };
        assert_eq!(nvm.programs, [home.join(".nvm/versions/node/v24.0.0")]);
        assert_eq!((fnm.name, &fnm.programs[0]), ("fnm", &installed));
    }

    #[test]
    fn local_programs_bring_what_lies_behind_them() {
        let (_keep, home, caller) =
            home(&[".local/share/uv", ".local/share/keyrings"], &[".local/bin"]);
        let [local] = &find(&caller)[..] else { panic!("one toolchain") };
        assert_eq!(local.programs, [home.join(".local/bin"), home.join(".local/share/uv")]);
    }

    #[test]
    fn a_home_without_toolchains_shows_nothing() {
        let (_keep, _, caller) = home(&[".ssh", "bin"], &["bin", "missing"]);
        assert!(find(&caller).is_empty());
    }
}
