use super::*;

const FILE: &str = "a\nb\nc\nd\ne\nf\ng\n";

fn applied(diff: &str, file: &str) -> Result<(String, Vec<i64>), String> {
    let patch = parse(diff.as_bytes()).map_err(|error| error.to_string())?;
    let changed = patch.apply(file.as_bytes(), "it".as_ref()).map_err(|error| error.to_string())?;
    let offsets = changed.hunks.iter().map(|hunk| hunk.offset).collect();
    Ok((String::from_utf8(changed.after).unwrap(), offsets))
}

#[test]
fn a_hunk_goes_where_its_lines_are_and_that_is_told() {
    let diff = "--- a/x\n+++ b/x\n@@ -2,3 +2,3 @@ fn\n b\n-c\n+C\n d\n";
    assert_eq!(applied(diff, FILE), Ok(("a\nb\nC\nd\ne\nf\ng\n".into(), vec![0])));
    let moved = applied(diff, &format!("1\n2\n{FILE}"));
    assert_eq!(moved, Ok(("1\n2\na\nb\nC\nd\ne\nf\ng\n".into(), vec![2])));
}

#[test]
fn context_has_to_be_there_exactly() {
    let diff = "@@ -2,3 +2,3 @@\n b\n-c\n+C\n D\n";
    let refused = applied(diff, FILE).unwrap_err();
    assert!(refused.contains("line 4 is `d`"), "{refused}");
}

#[test]
fn the_last_newline_is_as_the_diff_says() {
    let diff = "@@ -1,2 +1,2 @@\n a\n-b\n+B\n\\ No newline at end of file\n";
    assert_eq!(applied(diff, "a\nb\n").unwrap().0, "a\nB");
    assert!(applied(diff, "a\nb").unwrap_err().contains("no newline"));
}

#[test]
fn lines_of_a_crlf_file_stay_so() {
    let diff = "@@ -1,2 +1,3 @@\n a\n-b\n+B\n+c\n";
    assert_eq!(applied(diff, "a\r\nb\r\n").unwrap().0, "a\r\nB\r\nc\r\n");
}

#[test]
fn a_hunk_with_less_context_on_one_side_fits_in_one_place_only() {
    let diff = "@@ -1,3 +1,3 @@\n b\n c\n-d\n+D\n";
    assert_eq!(applied(diff, FILE).unwrap().0, "a\nb\nc\nD\ne\nf\ng\n");
    assert!(applied(diff, &format!("{FILE}{FILE}")).is_err());
}

#[test]
fn an_empty_context_line_may_have_lost_its_space() {
    let diff = "@@ -1,3 +1,3 @@\n a\n\n-b\n+B";
    assert_eq!(applied(diff, "a\n\nb\n").unwrap().0, "a\n\nB\n");
}

#[test]
fn what_is_no_diff_of_one_file_is_refused_with_its_line() {
    for (diff, told) in [
        ("", "no hunk"),
        ("hello", "no hunk"),
        ("@@ -1 +1 @@\n-a\n", "ends within"),
        ("@@ -1 +1 @@\n-a\n+b\n+c\n", "line 4 of the diff belongs to no hunk"),
        ("@@ -1 +1 @@\n-a\n-b\n", "line 3 of the diff does not fit"),
        ("@@ -1 +1 @@\nx\n", "line 2 of the diff begins with neither"),
        ("@@ -x +1 @@\n", "line 1 of the diff is no header"),
        ("--- /dev/null\n+++ b\n@@ -0,0 +1 @@\n+a\n", "new file"),
        ("--- a\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", "removes the file"),
        ("--- a\n+++ a\n@@ -1 +1 @@\n-a\n+b\n--- c\n+++ c\n@@ -1 +1 @@\n-a\n+b\n", "several files"),
        ("rename from x\nrename to y\n", "line 1"),
    ] {
        let refused = parse(diff.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains(told), "{diff:?}: {refused}");
    }
}

#[test]
fn hunks_neither_overlap_nor_change_their_order() {
    let diff = "@@ -4 +4 @@\n-d\n+D\n@@ -2 +2 @@\n-b\n+B\n";
    assert!(applied(diff, FILE).is_err());
}
