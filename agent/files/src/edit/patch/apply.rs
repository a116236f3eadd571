//! Applies a diff as GNU patch does with --fuzz=0: each hunk's lines have to be
//! there exactly, at the line that its header says or, told, at the nearest one
//! where they are. Hunks never overlap or change their order.
//!
//! Where a hunk has less context on one side, GNU patch wants it at the file's
//! begin or end, because diff leaves context out only there. Diffs that people
//! and models write do not keep to that; so such a hunk is also taken where its
//! lines stand exactly once.

use std::path::Path;

use cofferdam_proto::file::v1::HunkPlaced;

use super::super::{Changed, nearest};
use super::{Hunk, Patch};
use crate::bounds;
use crate::fault::FileFault;
use crate::lines::{ends_with_crlf, lines};

/// Where hunks may still go.
struct Ground<'a> {
    file: &'a [&'a [u8]],
    /// Lines that hunks before have used.
    used: usize,
}

impl Patch {
    /// Applies all hunks, or none.
    pub(in crate::edit) fn apply(
        mut self,
        before: &[u8],
        shown: &Path,
    ) -> Result<Changed, FileFault> {
        if self.without_cr && ends_with_crlf(before) {
            self.hunks.iter_mut().for_each(Hunk::use_crlf);
        }
        let file = lines(before);
        let mut ground = Ground { file: &file, used: 0 };
        let mut changed = Changed::default();
        let (mut drift, mut grown) = (0_i64, 0_i64);
        for (index, hunk) in self.hunks.iter().enumerate() {
            let first = line(hunk.first());
            let Some(at) = ground.locate(hunk, first + drift) else {
                return Err(refusal(before, &ground, index, hunk, first + drift, shown));
            };
            let (old, new) = (hunk.before(), hunk.after());
            drift = line(at) - first;
            add(&mut changed.after, &file[ground.used..at - 1]);
            add(&mut changed.after, &new);
            let placed = HunkPlaced { line: index_of(line(at) + grown), offset: drift };
            changed.hunks.push(placed);
            grown += line(new.len()) - line(old.len());
            ground.used = at - 1 + old.len();
        }
        add(&mut changed.after, &file[ground.used..]);
        Ok(changed)
    }
}

/// Adds lines. One without a newline that is not the last any more gets it back.
fn add(text: &mut Vec<u8>, lines: &[&[u8]]) {
    for line in lines {
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(line);
    }
}

impl Ground<'_> {
    /// The line, from 1, where the hunk belongs; `guess` is where it should be.
    fn locate(&self, hunk: &Hunk, guess: i64) -> Option<usize> {
        let pattern = hunk.before();
        let least = line(self.used) + 1;
        if pattern.is_empty() {
            let here = guess >= least && guess <= line(self.file.len()) + 1;
            return here.then(|| usize::try_from(guess).ok()).flatten();
        }
        let most = line(self.file.len()) - line(pattern.len()) + 1;
        let fits = |at: i64| (least..=most).contains(&at) && self.has(&pattern, at);
        let (above, below) = hunk.context_around();
        let found = if above < below && hunk.first() <= 1 {
            Some(1).filter(|at| fits(*at))
        } else if below < above {
            Some(most).filter(|at| fits(*at))
        } else {
            near(guess, least, most, fits)
        };
        let found =
            found.or_else(|| if above == below { None } else { Self::once(least, most, fits) });
        found.and_then(|at| usize::try_from(at).ok())
    }

    /// The only place where it fits.
    fn once(least: i64, most: i64, fits: impl Fn(i64) -> bool) -> Option<i64> {
        let mut places = (least..=most).filter(|at| fits(*at));
        places.next().filter(|_| places.next().is_none())
    }

    fn has(&self, pattern: &[&[u8]], at: i64) -> bool {
        let Ok(from) = usize::try_from(at - 1) else { return false };
        self.file.get(from..from + pattern.len()).is_some_and(|lines| lines == pattern)
    }
}

/// The nearest line to `guess` where it fits; below before above.
fn near(guess: i64, least: i64, most: i64, fits: impl Fn(i64) -> bool) -> Option<i64> {
    // Where the guess is outside, the search begins at the nearest line inside.
    let start = (guess - most).max(least - guess).max(0);
    let offsets = start..=start.saturating_add(bounds::OFFSET);
    offsets.flat_map(|offset| [guess + offset, guess - offset]).find(|at| fits(*at))
}

fn refusal(
    before: &[u8],
    ground: &Ground<'_>,
    index: usize,
    hunk: &Hunk,
    guess: i64,
    shown: &Path,
) -> FileFault {
    let pattern = hunk.before();
    let which = format!(" of hunk {} (`{}`)", index + 1, hunk.header());
    let cut = |line: &[u8]| {
        String::from_utf8_lossy(&line[..line.len().min(200)]).trim_end_matches('\n').to_owned()
    };
    let from = usize::try_from(guess - 1).unwrap_or(0);
    let here = ground.file.get(from..).unwrap_or_default();
    let same = here.iter().zip(&pattern).take_while(|(have, want)| have == want).count();
    let problem = match (here.get(same), pattern.get(same)) {
        (Some(have), Some(want)) if same > 0 && cut(have) == cut(want) => format!(
            "does not fit the diff: line {} has{} newline at its end, and{which} says otherwise",
            from + same + 1,
            if have.ends_with(b"\n") { " a" } else { " no" },
        ),
        (Some(have), Some(want)) if same > 0 => format!(
            "does not fit the diff: line {} is `{}`, and{which} has `{}`; nothing like it is near",
            from + same + 1,
            cut(have),
            cut(want)
        ),
        _ => nearest::missing(before, &pattern.concat(), &which),
    };
    FileFault::Unmatched { path: shown.to_owned(), problem }
}

/// Lines of a file that is in memory are far fewer than fit.
fn line(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX / 4)
}

fn index_of(line: i64) -> u64 {
    u64::try_from(line).unwrap_or(0)
}
