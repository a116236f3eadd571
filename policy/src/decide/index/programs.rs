//! Rules by the programs that they name: by file name, and by the first argument
//! where a pattern fixes it, because many rules are about one program.

use std::os::unix::ffi::OsStrExt as _;

use super::bits::{Bits, Table};
use crate::path::{Location, locate};
use crate::rules::Surroundings;
use crate::rules::argument::{Element, Value};
use crate::rules::place::file_name;
use crate::rules::program::{ProgramPattern, Which};
use crate::rules::text::Shape;
use crate::shell::Word;

/// What is known of the arguments of a program.
#[derive(Debug, Clone, Copy)]
pub(super) enum First<'a> {
    /// The first one is this; `None`: there is none.
    Known(Option<&'a [u8]>),
    /// Nothing: it is not known, or does not matter.
    Any,
}

/// Rules by program.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    /// Those that name every program.
    any: Bits,
    /// By file name, whatever their argument patterns.
    named: Table,
    /// By file name, where the first argument is left open.
    loose: Table,
    /// By file name, a zero byte and the first argument.
    first: Table,
    /// Those that name a directory: whatever the path, it may lead there.
    under: Bits,
}

impl<'a> First<'a> {
    pub(super) fn of(arguments: &'a [Word]) -> Self {
        match arguments.first() {
            None => Self::Known(None),
            Some(Word::Literal(text)) => Self::Known(Some(text)),
            Some(Word::Unknown { .. }) => Self::Any,
        }
    }
}

impl Programs {
    pub(super) fn new(rules: usize) -> Self {
        Self {
            any: Bits::none(rules),
            named: Table::new(rules),
            loose: Table::new(rules),
            first: Table::new(rules),
            under: Bits::none(rules),
        }
    }

    pub(super) fn insert(&mut self, rule: u32, pattern: &ProgramPattern) {
        match &pattern.which {
            Which::Any => self.any.insert(rule),
            Which::Under(_) => self.under.insert(rule),
            Which::Path(path) => self.insert_name(rule, file_name(path.as_bytes()), pattern),
            Which::Names(names) => {
                for name in names {
                    self.insert_name(rule, name.as_bytes(), pattern);
                }
            }
        }
    }

    fn insert_name(&mut self, rule: u32, name: &[u8], pattern: &ProgramPattern) {
        self.named.insert(name, rule);
        match fixed(pattern) {
            None => self.loose.insert(name, rule),
            Some(texts) => {
                for text in texts {
                    self.first.insert(&with(name, text.as_bytes()), rule);
                }
            }
        }
    }

    /// Adds those that may be about this program.
    pub(super) fn add(
        &self,
        program: &[u8],
        first: First<'_>,
        around: Surroundings<'_>,
        bits: &mut Bits,
    ) {
        bits.unite(&self.any);
        let bare = !program.contains(&b'/');
        let location =
            if bare { None } else { locate(program, around.directory, around.workspace).ok() };
        bits.unite(&self.under);
        match &location {
            Some(Location::At(path)) => {
                self.add_name(file_name(path.as_os_str().as_bytes()), first, bits);
            }
            _ => self.add_name(if bare { program } else { file_name(program) }, first, bits),
        }
    }

    /// Adds those that name a program of this file name.
    pub(super) fn add_name(&self, name: &[u8], first: First<'_>, bits: &mut Bits) {
        match first {
            First::Any => self.named.add(name, bits),
            First::Known(first) => {
                self.loose.add(name, bits);
                if let Some(first) = first {
                    self.first.add(&with(name, first), bits);
                }
            }
        }
    }
}

/// The texts that the first argument has to be one of, where a pattern says so.
fn fixed(pattern: &ProgramPattern) -> Option<Vec<&str>> {
    match pattern.arguments.as_ref()?.0.first()? {
        Element::One(Value::OneOf(texts)) => Some(texts.iter().map(String::as_str).collect()),
        Element::One(Value::Text(pattern)) => match pattern.shape() {
            Shape::Whole(text) => Some(vec![text]),
            Shape::Head(_) => None,
        },
        _ => None,
    }
}

fn with(name: &[u8], first: &[u8]) -> Vec<u8> {
    [name, b"\0", first].concat()
}
