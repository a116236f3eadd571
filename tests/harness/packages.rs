//! What forges and registries serve: one repository, one wheel, one npm package,
//! one crate, as git, pip, npm and cargo fetch them from plain files.
//!
//! Made with the programs of this host; the tests that call it have looked
//! whether they are there.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::servers::Files;

/// A repository with one file `README` that says `hello`, at `/repo.git`, for
/// git's dumb HTTP protocol (gitprotocol-http(5)).
///
/// # Panics
/// When git fails.
pub fn repository(files: &Files) {
    let made = directory();
    write(made.path(), "README", "hello\n");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@test"]).args(arguments);
        output(git.current_dir(made.path()).env("GIT_CONFIG_GLOBAL", "/dev/null"));
    };
    git(&["init", "-q", "."]);
    git(&["add", "README"]);
    git(&["commit", "-q", "-m", "first"]);
    git(&["update-server-info"]);
    publish(files, "/repo.git", &made.path().join(".git"));
}

/// Every file beneath `directory`.
fn publish(files: &Files, prefix: &str, directory: &Path) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let to = format!("{prefix}/{name}");
        if path.is_dir() {
            publish(files, &to, &path);
        } else {
            files.put(to, std::fs::read(path).expect("a file"));
        }
    }
}

/// A wheel `sample` 1.0 with the module `sample`, in a simple index (PEP 503) at
/// `/simple/`.
///
/// # Panics
/// When python3 fails.
pub fn wheel(files: &Files) {
    let made = directory();
    let dist = "sample-1.0.dist-info";
    write(made.path(), "sample.py", "WORD = 'sample'\n");
    let metadata = "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n";
    write(made.path(), &format!("{dist}/METADATA"), metadata);
    let about = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    write(made.path(), &format!("{dist}/WHEEL"), about);
    write(made.path(), &format!("{dist}/RECORD"), "");
    let wheel = "sample-1.0-py3-none-any.whl";
    let zip = ["-m", "zipfile", "-c", wheel, "sample.py", dist];
    output(Command::new("python3").current_dir(made.path()).args(zip));
    let path = format!("/files/{wheel}");
    files.put("/simple/sample/", format!("<a href=\"{path}\">{wheel}</a>"));
    files.put(path, std::fs::read(made.path().join(wheel)).expect("the wheel"));
}

/// An npm package `sample` 1.0.0 whose `index.js` exports its name. `base` is
/// the registry's URL without a slash at its end.
///
/// # Panics
/// When tar fails.
pub fn npm_package(files: &Files, base: &str) {
    let made = directory();
    write(made.path(), "package/package.json", r#"{"name":"sample","version":"1.0.0"}"#);
    write(made.path(), "package/index.js", "module.exports = 'sample'\n");
    files.put("/sample-1.0.0.tgz", tar(made.path(), "package"));
    let description = serde_json::json!({
        "name": "sample",
        "dist-tags": { "latest": "1.0.0" },
        "versions": { "1.0.0": {
            "name": "sample",
            "version": "1.0.0",
            "dist": { "tarball": format!("{base}/sample-1.0.0.tgz") },
        }},
    });
    files.put("/sample", description.to_string());
}

/// A crate `sample-crate` 1.0.0 with the constant `WORD`, in a sparse registry
/// at `/index/` beneath `base`.
///
/// # Panics
/// When tar or sha256sum fails.
pub fn published_crate(files: &Files, base: &str) {
    let made = directory();
    let manifest = "[package]\nname = \"sample-crate\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";
    write(made.path(), "sample-crate-1.0.0/Cargo.toml", manifest);
    let source = "pub const WORD: &str = \"sample\";\n";
    write(made.path(), "sample-crate-1.0.0/src/lib.rs", source);
    let archive = tar(made.path(), "sample-crate-1.0.0");
    let sum = output(Command::new("sha256sum").arg(made.path().join(ARCHIVE)));
    let sum = String::from_utf8_lossy(&sum).split_whitespace().next().unwrap_or("").to_owned();
    files.put("/dl/sample-crate/1.0.0.crate", archive);
    let download = format!("{base}/dl/{{crate}}/{{version}}.crate");
    files.put("/index/config.json", serde_json::json!({ "dl": download }).to_string());
    let version = serde_json::json!({
        "name": "sample-crate", "vers": "1.0.0", "deps": [], "cksum": sum,
        "features": {}, "yanked": false,
    });
    files.put("/index/sa/mp/sample-crate", format!("{version}\n"));
}

/// A project in `directory` whose program prints `sample-crate`'s `WORD`, from
/// the registry of [`published_crate`] beneath `base`.
///
/// # Panics
/// When it cannot be written.
pub fn project(directory: &Path, base: &str) {
    let registry = format!("[registries.test]\nindex = \"sparse+{base}/index/\"\n");
    write(directory, ".cargo/config.toml", &registry);
    let manifest = "[package]\nname = \"own\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\
        [dependencies]\nsample-crate = { version = \"1\", registry = \"test\" }\n";
    write(directory, "Cargo.toml", manifest);
    let source = "fn main() {\n    println!(\"{}\", sample_crate::WORD);\n}\n";
    write(directory, "src/main.rs", source);
}

const ARCHIVE: &str = "archive.tar.gz";

fn tar(directory: &Path, member: &str) -> Vec<u8> {
    output(Command::new("tar").current_dir(directory).args(["-czf", ARCHIVE, member]));
    std::fs::read(directory.join(ARCHIVE)).expect("the archive")
}

fn directory() -> TempDir {
    TempDir::new().expect("a directory")
}

fn write(directory: &Path, path: &str, text: &str) {
    let path = directory.join(path);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("its directory");
    std::fs::write(path, text).expect("a file");
}

/// What a command printed.
fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output.stdout
}
