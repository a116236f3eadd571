//! Searching.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use cofferdam_proto::file::v1::{FileSearch, SearchResult};

use super::*;

fn search(workspace: &Path, request: FileSearch) -> Answer {
    ask(workspace, Operation::Search(request))
}

fn request(content: &str, name: &str) -> FileSearch {
    FileSearch {
        path: b".".to_vec(),
        content: content.to_owned(),
        name: name.to_owned(),
        ..FileSearch::default()
    }
}

fn result(answer: Answer) -> SearchResult {
    match answer {
        Answer::Search(result) => result,
        other => panic!("no result: {other:?}"),
    }
}

fn hits(result: &SearchResult) -> Vec<(String, u64, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    result.matches.iter().map(|m| (text(&m.path), m.line, text(&m.text))).collect()
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("src/in")).unwrap();
    fs::write(dir.path().join("src/a.rs"), "one\ntwo needle\nthree\nneedle four\n").unwrap();
    fs::write(dir.path().join("src/in/b.rs"), "Needle\r\n").unwrap();
    fs::write(dir.path().join("notes.txt"), "a needle\n").unwrap();
    fs::write(dir.path().join("binary"), b"\0needle\n").unwrap();
    dir
}

#[test]
fn contents_are_found_with_their_lines_and_binary_files_skipped() {
    let dir = tree();
    let found = result(search(dir.path(), request("needle", "")));
    let expected = [
        ("notes.txt".to_owned(), 1, "a needle".to_owned()),
        ("src/a.rs".to_owned(), 2, "two needle".to_owned()),
        ("src/a.rs".to_owned(), 4, "needle four".to_owned()),
    ];
    assert_eq!(hits(&found), expected);
    assert_eq!((found.files_searched, found.truncated), (4, false));
}

#[test]
fn case_names_and_fixed_strings_narrow_the_search() {
    let dir = tree();
    let any_case = FileSearch { ignore_case: true, ..request("NEEDLE", "*.rs") };
    assert_eq!(result(search(dir.path(), any_case)).matches.len(), 3);
    let beneath = request("(?i)needle", "src/in/**");
    assert_eq!(
        hits(&result(search(dir.path(), beneath))),
        [("src/in/b.rs".into(), 1, "Needle".into())]
    );
    let fixed = FileSearch { fixed_string: true, ..request("n.edle", "") };
    assert!(result(search(dir.path(), fixed)).matches.is_empty());
    let names = result(search(dir.path(), request("", "**/*.rs")));
    assert_eq!(hits(&names).len(), 2);
    assert_eq!(names.matches[0].line, 0);
}

#[test]
fn context_comes_with_each_match() {
    let dir = tree();
    let with = FileSearch { context_lines: 1, ..request("needle", "a.rs") };
    let found = result(search(dir.path(), with)).matches;
    assert_eq!(found[0].before, [b"one"]);
    assert_eq!(found[0].after, [b"three"]);
    assert_eq!(found[1].text, b"needle four");
}

#[test]
fn one_file_can_be_searched_alone() {
    let dir = tree();
    let alone = FileSearch { path: b"notes.txt".to_vec(), ..request("needle", "") };
    let found = result(search(dir.path(), alone));
    assert_eq!(hits(&found), [("notes.txt".into(), 1, "a needle".into())]);
}

#[test]
fn bad_patterns_are_refused_with_the_reason() {
    let dir = tree();
    for (bad, word) in [
        (request("(", ""), "unclosed"),
        (request("a\\nb", ""), "\\n"),
        (request("", "["), "glob"),
        (request("", "!a"), "glob"),
        (request("", ""), "content"),
        (FileSearch { max_matches: 10_001, ..request("a", "") }, "max_matches"),
        (FileSearch { context_lines: 21, ..request("a", "") }, "context_lines"),
        (request(&"(a{1000}){1000}".repeat(3), ""), "size"),
    ] {
        let error = refusal(search(dir.path(), bad));
        assert_eq!(error.kind(), FileErrorKind::Invalid);
        assert!(error.message.contains(word), "{}", error.message);
    }
    let missing = FileSearch { path: b"none".to_vec(), ..request("a", "") };
    assert_eq!(kind(search(dir.path(), missing)), FileErrorKind::NotFound);
}

#[test]
fn huge_sparse_files_fifos_and_loops_do_not_hold_it_up() {
    let dir = tree();
    File::create(dir.path().join("sparse")).unwrap().set_len(1 << 40).unwrap();
    fs::write(dir.path().join("line"), vec![b'x'; 3 << 20]).unwrap();
    fifo(&dir.path().join("fifo"));
    symlink(".", dir.path().join("loop")).unwrap();
    let started = std::time::Instant::now();
    assert_eq!(result(search(dir.path(), request("needle", ""))).matches.len(), 3);
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn matches_and_lines_are_cut_and_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("many"), "needle\n".repeat(1000)).unwrap();
    let cut = result(search(dir.path(), FileSearch { max_matches: 7, ..request("needle", "") }));
    assert_eq!((cut.matches.len(), cut.truncated), (7, true));
    fs::write(dir.path().join("many"), format!("needle{}\n", "x".repeat(9000))).unwrap();
    assert_eq!(result(search(dir.path(), request("needle", ""))).matches[0].text.len(), 2048);
}

#[test]
fn ignored_files_are_left_out_when_asked_for() {
    let dir = tree();
    fs::write(dir.path().join(".gitignore"), "*.txt\n").unwrap();
    let ignoring = FileSearch { respect_ignore_files: true, ..request("needle", "") };
    let found = result(search(dir.path(), ignoring));
    assert!(hits(&found).iter().all(|(path, ..)| path == "src/a.rs"));
    // A name does not bring an ignored file back.
    let named = FileSearch { respect_ignore_files: true, ..request("needle", "*.txt") };
    assert!(result(search(dir.path(), named)).matches.is_empty());
}

#[test]
fn pages_show_every_match_once() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..200 {
        let lines = "needle\n".repeat(number % 7);
        fs::write(dir.path().join(format!("{number}")), lines).unwrap();
    }
    let whole =
        result(search(dir.path(), FileSearch { max_matches: 9000, ..request("needle", "") }));
    assert!(!whole.truncated && whole.next == 0);
    let (mut seen, mut skip) = (Vec::new(), 0);
    loop {
        let page = FileSearch { max_matches: 13, skip, ..request("needle", "") };
        let page = result(search(dir.path(), page));
        seen.extend(hits(&page));
        if page.next == 0 {
            break;
        }
        skip = page.next;
    }
    assert_eq!(seen, hits(&whole));
}

#[test]
fn types_of_files_are_those_of_ripgrep() {
    let dir = tree();
    let rust = FileSearch { types: vec!["rust".into()], ..request("(?i)needle", "") };
    assert_eq!(result(search(dir.path(), rust)).matches.len(), 3);
    let others = FileSearch { types_not: vec!["rust".into()], ..request("(?i)needle", "") };
    assert_eq!(hits(&result(search(dir.path(), others)))[0].0, "notes.txt");
    let names = FileSearch { types: vec!["rust".into()], ..request("", "") };
    assert_eq!(result(search(dir.path(), names)).matches.len(), 2);
    let unknown = FileSearch { types: vec!["rsut".into()], ..request("x", "") };
    assert!(refusal(search(dir.path(), unknown)).message.contains("rsut"));
}

#[test]
fn what_is_found_is_what_grep_finds() {
    // This crate's own sources: text of many shapes.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for pattern in ["fn ", "the", "[a-z]+_[a-z]+\\(", "^use ", "->.*\\{$"] {
        let most = FileSearch { max_matches: 10_000, ..request(pattern, "") };
        let mut ours = hits(&result(search(&source, most)));
        let grep = std::process::Command::new("grep")
            .args(["-rnIE", "--", pattern, "."])
            .current_dir(&source)
            .output()
            .unwrap();
        let mut theirs: Vec<_> = String::from_utf8(grep.stdout)
            .unwrap()
            .lines()
            .map(|line| {
                let mut parts = line.trim_start_matches("./").splitn(3, ':');
                let mut next = || parts.next().unwrap().to_owned();
                (next(), next().parse::<u64>().unwrap(), next())
            })
            .collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{pattern}");
    }
}
