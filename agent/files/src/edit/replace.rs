//! Exact replacements, each on what the one before left.
//!
//! A text that is to be replaced stands there exactly once, or everywhere is
//! meant; anything else is an error that says where it stands, or what is like
//! it.

use std::path::Path;

use cofferdam_proto::file::v1::{Replacement as Wire, ReplacementDone};
use memchr::{memchr_iter, memmem};

use super::{Changed, invalid, nearest};
use crate::bounds;
use crate::encoding::Encoding;
use crate::fault::FileFault;
use crate::lines::{ends_with_crlf, with_crlf};

/// Lines that an answer names of one replacement.
const LINES: usize = 20;

/// One replacement, in the file's encoding.
#[derive(Debug)]
pub(super) struct Replacement {
    old: Vec<u8>,
    new: Vec<u8>,
    all: bool,
}

/// Checks what was asked for.
pub(super) fn check(list: Vec<Wire>, encoding: Encoding) -> Result<Vec<Replacement>, FileFault> {
    if list.len() > bounds::REPLACEMENTS {
        return Err(invalid(&format!(
            "{} replacements are too many for one edit; at most {}",
            list.len(),
            bounds::REPLACEMENTS
        )));
    }
    let checked = list.into_iter().enumerate().map(|(index, Wire { old, new, replace_all })| {
        if old.is_empty() {
            return Err(invalid(&format!(
                "edit {} has no old text; give the text that it replaces",
                index + 1
            )));
        }
        if old == new {
            return Err(invalid(&format!("edit {} replaces a text by itself", index + 1)));
        }
        let old = encoding.encode("old text", old)?;
        Ok(Replacement { old, new: encoding.encode("new text", new)?, all: replace_all })
    });
    checked.collect()
}

/// Carries them out in order.
pub(super) fn apply(
    before: &[u8],
    list: Vec<Replacement>,
    shown: &Path,
) -> Result<Changed, FileFault> {
    let mut changed = Changed { after: before.to_vec(), ..Changed::default() };
    let crlf = ends_with_crlf(before);
    let several = list.len() > 1;
    for (index, mut one) in list.into_iter().enumerate() {
        if crlf {
            one.old = with_crlf(&one.old);
            one.new = with_crlf(&one.new);
        }
        let which = if several { format!(" (edit {})", index + 1) } else { String::new() };
        let places = find(&changed.after, &one.old)?;
        if places.is_empty() {
            return Err(unmatched(shown, nearest::missing(&changed.after, &one.old, &which)));
        }
        let told = numbers(&changed.after, &places);
        if places.len() > 1 && !one.all {
            let told = told.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let more = if places.len() > LINES { " and more" } else { "" };
            return Err(unmatched(
                shown,
                format!(
                    "has the old text{which} {} times, at lines {told}{more}; give more of what \
                     stands around the one that is meant, or set replace_all",
                    places.len()
                ),
            ));
        }
        changed.after = replaced(&changed.after, &places, &one);
        if changed.after.len() > 2 * bounds::EDIT {
            return Err(invalid("the edits make the file too large; split them"));
        }
        changed.replaced.push(ReplacementDone { count: places.len() as u64, lines: told });
    }
    Ok(changed)
}

/// Where `needle` stands, without overlaps.
fn find(text: &[u8], needle: &[u8]) -> Result<Vec<usize>, FileFault> {
    let places: Vec<usize> = memmem::find_iter(text, needle).take(bounds::REPLACED + 1).collect();
    if places.len() > bounds::REPLACED {
        return Err(invalid(&format!(
            "the old text stands there more than {} times; give more of it",
            bounds::REPLACED
        )));
    }
    Ok(places)
}

/// The lines where the first of `places` are.
fn numbers(text: &[u8], places: &[usize]) -> Vec<u64> {
    let (mut line, mut from) = (1, 0);
    let number = |&place: &usize| {
        line += memchr_iter(b'\n', &text[from..place]).count() as u64;
        from = place;
        line
    };
    places.iter().take(LINES).map(number).collect()
}

fn replaced(text: &[u8], places: &[usize], one: &Replacement) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for &place in places {
        out.extend_from_slice(&text[from..place]);
        out.extend_from_slice(&one.new);
        from = place + one.old.len();
    }
    out.extend_from_slice(&text[from..]);
    out
}

fn unmatched(shown: &Path, problem: String) -> FileFault {
    FileFault::Unmatched { path: shown.to_owned(), problem }
}
