//! Tables for the person who wants to know what a program brings along.

use std::fmt;
use std::fmt::Write;

use crate::combined::Combined;
use crate::need::{Need, Resolution};

/// Columns of a path before its reason begins on the same line.
const WIDTH: usize = 64;

/// Each program with all that it needs, the rights and the reason of each place.
#[must_use]
pub fn render(resolutions: &[Resolution]) -> String {
    let mut text = String::new();
    for resolution in resolutions {
        // Writing to a String cannot fail.
        _ = one(&mut text, resolution);
    }
    text
}

fn one(text: &mut String, resolution: &Resolution) -> fmt::Result {
    let Resolution { asked, real, links, kind, needs, left_out, notes } = resolution;
    write!(text, "{}", asked.display())?;
    if asked != real {
        write!(text, " → {}", real.display())?;
    }
    writeln!(text, "   ({kind})")?;
    for (link, target) in links {
        writeln!(text, "  {:<8} {} → {}", "link", link.display(), target.display())?;
    }
    for need in needs {
        line(text, need)?;
    }
    for (path, reason) in left_out {
        writeln!(text, "  {:<8} {:<WIDTH$} {reason}", "left out", path.display().to_string())?;
    }
    for note in notes {
        writeln!(text, "  note     {note}")?;
    }
    writeln!(text)
}

fn line(text: &mut String, need: &Need) -> fmt::Result {
    let mut path = need.path.display().to_string();
    if need.directory {
        path.push('/');
    }
    writeln!(text, "  {:<8} {path:<WIDTH$} {}", need.rights, need.why)
}

impl Combined {
    /// The same for a whole grant.
    #[must_use]
    pub fn explain(&self) -> String {
        render(&self.resolutions)
    }
}

/// What the grant comes to, without reasons.
impl fmt::Display for Combined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in &self.execute {
            writeln!(f, "execute  {}", path.display())?;
        }
        for place in &self.read {
            let slash = if place.directory { "/" } else { "" };
            writeln!(f, "read     {}{slash}", place.path.display())?;
        }
        for path in &self.list {
            writeln!(f, "list     {}/", path.display())?;
        }
        for (path, reason) in &self.left_out {
            writeln!(f, "left out {} ({reason})", path.display())?;
        }
        for note in &self.notes {
            writeln!(f, "note     {note}")?;
        }
        Ok(())
    }
}
