use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// A directory with these files.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("version = 1\n{text}\n")).unwrap();
    }
    directory
}

fn load(directory: &tempfile::TempDir, name: &str) -> Result<RuleFiles, RuleFilesError> {
    RuleFiles::load(&[&directory.path().join(name)])
}

/// What is wrong, without the directory's name.
fn wrong(directory: &tempfile::TempDir, name: &str) -> String {
    let error = load(directory, name).unwrap_err().to_string();
    error.replace(&format!("{}/", directory.path().display()), "")
}

fn deny(id: &str) -> String {
    format!("[[rule]]\nid = \"{id}\"\neffect = \"deny\"")
}

#[test]
fn a_file_is_read_with_all_that_it_includes_relative_to_each() {
    let tree = tree(&[
        ("rules.toml", &format!("include = [\"teams/*.toml\"]\n{}", deny("a"))),
        ("teams/web.toml", &format!("include = [\"more/x.toml\"]\n{}", deny("b"))),
        ("teams/data.toml", &deny("c")),
        ("teams/more/x.toml", &deny("d")),
        ("teams/.hidden.toml", "no = 1"),
        ("teams/readme.md", "no = 1"),
    ]);
    assert_eq!(load(&tree, "rules.toml").unwrap().parse().unwrap().len(), 4);
}

#[test]
fn a_directory_stands_for_the_rule_files_in_it() {
    let tree = tree(&[("d/a.toml", &deny("a")), ("d/b.toml", &deny("b")), ("d/c.txt", "no = 1")]);
    assert_eq!(load(&tree, "d").unwrap().parse().unwrap().len(), 2);
    fs::create_dir(tree.path().join("empty")).unwrap();
    assert!(wrong(&tree, "empty").contains("ends with `.toml`"));
}

#[test]
fn the_digest_of_one_file_is_its_own_and_that_of_several_covers_each_and_the_packs() {
    let digest = |files: &[(&str, &str)]| {
        let tree = tree(files);
        *load(&tree, "a.toml").unwrap().parse().unwrap().digest()
    };
    assert_eq!(digest(&[("a.toml", "")]), sha256(b"version = 1\n\n"));
    assert_ne!(
        digest(&[("a.toml", "packs = [\"search\"]")]),
        sha256(b"version = 1\npacks = [\"search\"]\n")
    );
    let one = super::digest(&[("a", "x"), ("b", "y")]);
    assert_eq!(one, super::digest(&[("b", "y"), ("a", "x")]));
    assert_ne!(one, super::digest(&[("a", "x"), ("b", "z")]));
    assert_ne!(one, super::digest(&[("a", "x"), ("c", "y")]));
    let lines = format!("{}  a\n{}  b\n", hex(&sha256(b"x")), hex(&sha256(b"y")));
    assert_eq!(one, sha256(lines.as_bytes()));
}

#[test]
fn nothing_outside_of_the_directory_is_included() {
    let outside = tree(&[("x.toml", &deny("x"))]);
    let tree = tree(&[
        ("link.toml", "include = [\"out.toml\"]"),
        ("directory.toml", "include = [\"out/*.toml\"]"),
        ("dots.toml", "include = [\"../x.toml\"]"),
        ("inside.toml", "include = [\"in.toml\"]"),
        ("real.toml", &deny("r")),
    ]);
    symlink(outside.path().join("x.toml"), tree.path().join("out.toml")).unwrap();
    symlink(outside.path(), tree.path().join("out")).unwrap();
    symlink("real.toml", tree.path().join("in.toml")).unwrap();
    for name in ["link.toml", "directory.toml"] {
        let message = wrong(&tree, name);
        assert!(message.contains("leads out of the directory"), "{message}");
        assert!(message.starts_with(&format!("{name}:2:12: include: ")), "{message}");
    }
    assert!(wrong(&tree, "dots.toml").contains("has `.`, `..`"));
    assert_eq!(load(&tree, "inside.toml").unwrap().parse().unwrap().len(), 1);
}

#[test]
fn circles_and_doubles_are_told_with_the_way() {
    let tree = tree(&[
        ("a.toml", "include = [\"b.toml\"]"),
        ("b.toml", "include = [\"c.toml\"]"),
        ("c.toml", "include = [\"b.toml\"]"),
        ("self.toml", "include = [\"s*.toml\"]"),
        ("twice.toml", "include = [\"x.toml\", \"x*.toml\"]"),
        ("x.toml", ""),
    ]);
    let message = wrong(&tree, "a.toml");
    let way = "c.toml:2:12: include: `b.toml` goes around in a circle: b.toml:2:12 -> c.toml:2:12 -> b.toml";
    assert!(message.starts_with(way), "{message}");
    assert!(wrong(&tree, "self.toml").contains("circle"));
    let message = wrong(&tree, "twice.toml");
    assert!(message.contains("names `x.toml`, which is there already"), "{message}");
    let x = tree.path().join("x.toml");
    assert!(RuleFiles::load(&[&x, &x]).unwrap_err().to_string().contains("is there already"));
}

#[test]
fn what_is_missing_unreadable_or_too_much_is_an_error_and_no_rules() {
    let deep: Vec<(String, String)> = (0..10)
        .map(|at| (format!("d{at}.toml"), format!("include = [\"d{}.toml\"]", at + 1)))
        .collect();
    let deep: Vec<(&str, &str)> = deep.iter().map(|(name, text)| (&**name, &**text)).collect();
    let tree = tree(
        &[
            &deep[..],
            &[
                ("gone.toml", "include = [\"nowhere.toml\"]"),
                ("none.toml", "include = [\"x*.toml\"]"),
                ("folder.toml", "include = [\"sub.toml\"]"),
                ("pipe.toml", "include = [\"fifo.toml\"]"),
                ("many.toml", "include = [\"many/*.toml\"]"),
            ],
        ]
        .concat(),
    );
    fs::create_dir(tree.path().join("sub.toml")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        tree.path().join("fifo.toml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    fs::create_dir(tree.path().join("many")).unwrap();
    for at in 0..MAX_FILES {
        fs::write(tree.path().join(format!("many/{at}.toml")), "version = 1").unwrap();
    }
    fs::write(tree.path().join("huge.toml"), vec![b'#'; 4 * 1024 * 1024 + 1]).unwrap();
    fs::write(tree.path().join("bytes.toml"), [0xff]).unwrap();
    for (name, part) in [
        ("absent.toml", "cannot read the rule file `absent.toml`: No such file"),
        ("gone.toml", "gone.toml:2:12: include: `nowhere.toml` cannot be read"),
        ("none.toml", "none.toml:2:12: include: `x*.toml` matches no file"),
        ("folder.toml", "not a regular file"),
        ("pipe.toml", "not a regular file"),
        ("d0.toml", "more than 8 includes deep"),
        ("many.toml", "more than 256 files"),
        ("huge.toml", "longer than 4194304 bytes"),
        ("bytes.toml", "UTF-8"),
    ] {
        let message = wrong(&tree, name);
        assert!(message.contains(part), "{name}: {message}");
    }
}
