use proptest::prelude::*;

use super::*;

const RUN: &str = "0b9c6a52-7d1e-4d0a-9c55-6f2f9d3f7a10";

fn file(host: &str, project: &str, path: &[u8]) -> Uri {
    let (project, path) = (project.to_owned(), path.to_vec());
    Uri { host: host.into(), what: What::File { project, path, part: Part::default() } }
}

/// A name on Linux: any bytes but NUL and slash; `.` and `..` are no names.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..40)
        .prop_map(|bytes| {
            bytes.into_iter().map(|it| if matches!(it, 0 | b'/') { b'x' } else { it }).collect()
        })
        .prop_filter("a name", |it: &Vec<u8>| !matches!(it.as_slice(), b"." | b".."))
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(name(), 1..6).prop_map(|names| names.join(&b'/'))
}

fn part_of() -> impl Strategy<Value = Part> {
    (0..=i64::MAX as u64, prop::option::of(0..=i64::MAX as u64))
        .prop_map(|(offset, length)| Part { offset, length })
}

proptest! {
    #[test]
    fn a_name_of_any_bytes_goes_into_a_uri_and_comes_back(
        host in "[a-z0-9.-]{1,20}", project in "\\PC{1,20}", path in path(), part in part_of(),
        after in path(),
    ) {
        prop_assume!(!project.contains('/'));
        let uri = Uri { host: host.clone(), what: What::File { project: project.clone(), path: path.clone(), part } };
        let text = uri.to_string();
        prop_assert!(text.is_ascii());
        prop_assert_eq!(Uri::parse(&text), Ok(uri));
        let directory = Uri { host, what: What::Directory { project, path, after } };
        prop_assert_eq!(Uri::parse(&directory.to_string()), Ok(directory));
    }

    #[test]
    fn whatever_is_sent_either_names_a_thing_or_is_refused(text in "\\PC{0,60}") {
        let hostile = format!("{SCHEME}{text}");
        for text in [text.as_str(), hostile.as_str()] {
            if let Ok(Uri { what: What::File { path, .. } | What::Directory { path, .. }, .. }) = Uri::parse(text) {
                let is_bad = |part: &[u8]| matches!(part, b"." | b"..") || part.contains(&0);
                prop_assert!(!path.split(|byte| *byte == b'/').any(is_bad));
                prop_assert!(!path.starts_with(b"/"));
            }
        }
    }
}

#[test]
fn a_path_has_one_meaning_however_it_is_escaped() {
    let plain = Uri::parse("cofferdam://web-1/files/site/src/main.rs").unwrap();
    assert_eq!(plain, file("web-1", "site", b"src/main.rs"));
    assert_eq!(Uri::parse("cofferdam://web-1/files/site/%73rc/main%2Ers").unwrap(), plain);
    let odd = file("web-1", "site", b"caf\xe9 100%?#.txt");
    assert_eq!(odd.to_string(), "cofferdam://web-1/files/site/caf%E9%20100%25%3F%23.txt");
}

#[test]
fn the_workspace_is_a_directory_and_what_ends_with_a_slash_is_one() {
    let workspace = Uri::workspace("h", "site");
    assert_eq!(workspace.to_string(), "cofferdam://h/files/site/");
    assert_eq!(Uri::parse("cofferdam://h/files/site/"), Ok(workspace));
    let sub = Uri::parse("cofferdam://h/files/site/src/?after=src/a%20b").unwrap();
    let What::Directory { path, after, .. } = sub.what else { panic!("a directory") };
    assert_eq!((path.as_slice(), after.as_slice()), (&b"src"[..], &b"src/a b"[..]));
}

#[test]
fn output_of_a_run_is_named_by_stream_and_offset() {
    let text = format!("cofferdam://h/runs/{RUN}/stderr?offset=7");
    let uri = Uri::parse(&text).unwrap();
    assert_eq!(uri, Uri::output("h", RUN, Streams::Stderr, 7));
    assert_eq!(uri.to_string(), text);
    assert_eq!(
        Uri::parse(&format!("cofferdam://h/runs/{}/stderr?offset=7", RUN.to_uppercase())),
        Ok(uri)
    );
}

#[test]
fn what_is_hidden_in_a_uri_is_refused() {
    let long = format!("cofferdam://h/files/p/{}", "x".repeat(5000));
    let longest = format!("cofferdam://h/files/p/{}", "x".repeat(20_000));
    for hostile in [
        "",
        "cofferdam://",
        "cofferdam://h",
        "cofferdam://h/",
        "cofferdam://h/files",
        "cofferdam://h/files/p",
        "cofferdam:///files/p/a",
        "file:///etc/passwd",
        "COFFERDAM://h/files/p/a",
        "cofferdam://h/files/p/..",
        "cofferdam://h/files/p/../a",
        "cofferdam://h/files/p/%2e%2e/a",
        "cofferdam://h/files/p/a/%2E/b",
        "cofferdam://h/files/p//etc/passwd",
        "cofferdam://h/files/p/a//b",
        "cofferdam://h/files/p//",
        "cofferdam://h/files/p/a%2Fb",
        "cofferdam://h/files/p/..%2f..%2fetc",
        "cofferdam://h/files/p%2F..%2F/a",
        "cofferdam://h%2ffiles/p/a",
        "cofferdam://h/files/p/a%00b",
        "cofferdam://h/files/p/a\0b",
        "cofferdam://h/files/p/a b",
        "cofferdam://h/files/p/a#b",
        "cofferdam://h/files/p/a%",
        "cofferdam://h/files/p/a%4",
        "cofferdam://h/files/p/a%zz",
        "cofferdam://h/files/p/a%+1",
        "cofferdam://h/files/p/a?offset=-1",
        "cofferdam://h/files/p/a?offset=+1",
        "cofferdam://h/files/p/a?offset=1&offset=2",
        "cofferdam://h/files/p/a?offset=99999999999999999999",
        "cofferdam://h/files/p/a?encoding=x",
        "cofferdam://h/files/p/a?after=x",
        "cofferdam://h/files/p/a/?offset=1",
        "cofferdam://h/files/p/a/?after=../b",
        "cofferdam://h/runs/x",
        "cofferdam://h/runs/x/",
        "cofferdam://h/runs//output",
        "cofferdam://h/runs/x/stdin",
        "cofferdam://h/runs/x/output/more",
        "cofferdam://h/etc/passwd",
        &long,
        &longest,
    ] {
        assert!(Uri::parse(hostile).is_err(), "{hostile}");
    }
}
