//! Patterns of file names: `*` stands for anything, `{name}` for anything that
//! is then known by that name.

use serde::Deserialize;

use super::Captures;

/// A pattern of one file name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Anything, and what it is called.
    Any(Option<String>),
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl Pattern {
    /// Reads a pattern. An opening brace without a closing one is text.
    pub(crate) fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['*', '{']) {
            let (before, special) = rest.split_at(at);
            let (part, after) = match special.strip_prefix('{').and_then(|it| it.split_once('}')) {
                Some((name, after)) => (Part::Any(Some(name.to_owned())), after),
                None if special.starts_with('*') => (Part::Any(None), &special[1..]),
                None => (Part::Text("{".to_owned()), &special[1..]),
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(part);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Self(parts)
    }

    /// What the names stand for, if `name` matches as a whole.
    pub(crate) fn captures(&self, name: &str) -> Option<Captures> {
        let mut captures = Captures::new();
        matches(&self.0, name, &mut captures).then_some(captures)
    }
}

/// A name has 255 bytes at most and a rule few parts: trying is cheap enough.
fn matches(parts: &[Part], text: &str, captures: &mut Captures) -> bool {
    match parts {
        [] => text.is_empty(),
        [Part::Text(start), rest @ ..] => {
            text.strip_prefix(start.as_str()).is_some_and(|text| matches(rest, text, captures))
        }
        [Part::Any(name), rest @ ..] => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            // A named part is not empty.
            let ends = ends.filter(|&end| end > 0 || name.is_none());
            for end in ends {
                if matches(rest, &text[end..], captures) {
                    if let Some(name) = name {
                        captures.insert(name.clone(), text[..end].to_owned());
                    }
                    return true;
                }
            }
            false
        }
    }
}
