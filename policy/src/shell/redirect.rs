//! Redirections: which files a command line opens by itself.

use brush_parser::ast::{IoFileRedirectKind, IoFileRedirectTarget, IoRedirect};

use super::Redirection;
use super::walk::Walker;
use super::word::Word;

/// Collects one redirection.
pub(super) fn collect(walker: &mut Walker, redirect: &IoRedirect) {
    match redirect {
        IoRedirect::File(_, kind, target) => file(walker, kind, target),
        IoRedirect::OutputAndError(word, _append) => {
            let target = walker.word(word);
            open_expanded_again(walker, target, true);
        }
        // The body was checked before parsing.
        IoRedirect::HereDocument(..) => {}
        IoRedirect::HereString(_, word) => drop(walker.word(word)),
    }
}

fn file(walker: &mut Walker, kind: &IoFileRedirectKind, target: &IoFileRedirectTarget) {
    let (reads, writes) = match kind {
        IoFileRedirectKind::Read | IoFileRedirectKind::DuplicateInput => (true, false),
        IoFileRedirectKind::Write
        | IoFileRedirectKind::Append
        | IoFileRedirectKind::Clobber
        | IoFileRedirectKind::DuplicateOutput => (false, true),
        IoFileRedirectKind::ReadAndWrite => (true, true),
    };
    match target {
        IoFileRedirectTarget::Fd(_) => {}
        IoFileRedirectTarget::Filename(word) => {
            let target = walker.word(word);
            if reads {
                open(walker, target.clone(), false);
            }
            if writes {
                open(walker, target, true);
            }
        }
        IoFileRedirectTarget::Duplicate(word) => match walker.word(word) {
            Word::Literal(text) if is_descriptor(&text) => {}
            // Bash ends the redirection at the hyphen: in `>&-rm x` it runs `rm`.
            Word::Literal(text) if text.starts_with(b"-") => {
                walker.opaque("a word begins where a redirection ends");
            }
            target => open_expanded_again(walker, target, writes),
        },
        IoFileRedirectTarget::ProcessSubstitution(kind, shell) => walker.beside(kind, shell),
    }
}

/// After `>&` bash expands the file's name, and then the outcome once more, so
/// that even a quoted `$(…)` runs. Only plain names are seen through.
fn open_expanded_again(walker: &mut Walker, target: Word, writes: bool) {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./-".contains(byte);
    match &target {
        Word::Literal(path)
            if path.iter().all(plain) && !path.first().is_some_and(u8::is_ascii_digit) =>
        {
            open(walker, target, writes);
        }
        _ => walker.opaque("the file after `>&` is expanded twice"),
    }
}

/// `1`, `-`, or `1-`.
fn is_descriptor(text: &[u8]) -> bool {
    let digits = text.strip_suffix(b"-").unwrap_or(text);
    !text.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn open(walker: &mut Walker, target: Word, writes: bool) {
    match target {
        Word::Literal(path) if is_stream(&path) => {}
        Word::Literal(path) if path.starts_with(b"/dev/tcp") || path.starts_with(b"/dev/udp") => {
            walker.opaque("a redirection opens a network connection");
        }
        Word::Literal(path) => walker.script.redirections.push(Redirection { path, writes }),
        Word::Unknown { .. } => walker.opaque("the file of a redirection depends on the run"),
    }
}

/// Files that reach nothing but the run itself.
fn is_stream(path: &[u8]) -> bool {
    matches!(path, b"/dev/null" | b"/dev/stdin" | b"/dev/stdout" | b"/dev/stderr")
}
