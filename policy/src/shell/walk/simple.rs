//! Simple commands: assignments, the name, the arguments, and functions.

use brush_parser::ast::{
    self, Assignment, AssignmentName, AssignmentValue, Command, CommandPrefixOrSuffixItem,
    CompoundListItem,
};

use super::Walker;
use crate::shell::builtin::{self, Builtin};
use crate::shell::word::Word;
use crate::shell::{SimpleCommand, arithmetic, braces, redirect, test};

/// Builtins after whose name an assignment is one, without being split.
const DECLARING: [&str; 2] = ["export", "local"];

impl Walker {
    pub(super) fn simple(&mut self, simple: &ast::SimpleCommand) {
        let name = simple.word_or_name.as_ref();
        let raw = name.map(|name| name.value.as_str());
        for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
            self.before(item, raw);
        }
        let mut arguments = Vec::new();
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.after(item, raw, &mut arguments);
        }
        let Some(name) = name else { return };
        match self.word(name) {
            Word::Literal(program) if program.is_empty() || program.starts_with(b"-") => {
                self.opaque("a program has a name that is none");
            }
            Word::Literal(program) => {
                let called = std::str::from_utf8(&program).ok();
                match called.filter(|name| self.sure.is_function(name)) {
                    Some(name) => {
                        self.claims.calls(name);
                        self.push(program, arguments, true);
                    }
                    None => self.command(program, arguments),
                }
            }
            Word::Unknown { .. } => self.opaque("the name of a program depends on the run"),
        }
    }

    /// What stands before the name: redirections and assignments.
    fn before(&mut self, item: &CommandPrefixOrSuffixItem, name: Option<&str>) {
        match item {
            CommandPrefixOrSuffixItem::IoRedirect(redirect) => redirect::collect(self, redirect),
            CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) => {
                let reads = name == Some("read") && is_splitter(assignment);
                let number = self.value(assignment);
                match &assignment.name {
                    // `IFS= read`: for this builtin alone.
                    AssignmentName::VariableName(_) if reads => {}
                    AssignmentName::VariableName(variable) => {
                        self.variable(variable, number);
                        if name.is_some() {
                            self.script.environment.insert(variable.clone());
                        } else if is_plain_number(assignment) {
                            self.sure.number(variable);
                        }
                    }
                    AssignmentName::ArrayElementName(..) => {
                        self.opaque("an array evaluates its indices");
                    }
                }
            }
            CommandPrefixOrSuffixItem::Word(word) => drop(self.word(word)),
            CommandPrefixOrSuffixItem::ProcessSubstitution(kind, shell) => self.beside(kind, shell),
        }
    }

    /// What stands after the name. Assignments are arguments like others, but
    /// for a few builtins.
    fn after(
        &mut self,
        item: &CommandPrefixOrSuffixItem,
        name: Option<&str>,
        arguments: &mut Vec<Word>,
    ) {
        match item {
            CommandPrefixOrSuffixItem::IoRedirect(redirect) => redirect::collect(self, redirect),
            CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                if name.is_some_and(|name| DECLARING.contains(&name)) {
                    self.declared(assignment, name == Some("local"));
                } else {
                    // Only after some builtins; bash refuses it elsewhere.
                    if let AssignmentValue::Array(_) = assignment.value {
                        self.opaque("an array is given as an argument");
                    }
                    arguments.push(self.word(word));
                }
            }
            CommandPrefixOrSuffixItem::Word(word) => {
                if let Some(words) = braces::expand(&word.value) {
                    arguments.extend(words.into_iter().map(Word::Literal));
                    return;
                }
                let value = self.word(word);
                let tests = matches!(name, Some("[" | "test"));
                arguments.push(if tests { self.unsplit(word, value) } else { value });
            }
            CommandPrefixOrSuffixItem::ProcessSubstitution(kind, shell) => {
                self.beside(kind, shell);
                arguments.push(Word::Unknown { splits: true });
            }
        }
    }

    /// A value without quotes that is a number is one word.
    fn unsplit(&mut self, word: &ast::Word, value: Word) -> Word {
        let number = match word.value.strip_prefix('$') {
            Some(text) => arithmetic::value(text).filter(|(_, length)| *length == text.len()),
            None => None,
        };
        match number {
            Some((None, _)) => {}
            Some((Some(name), _)) if self.sure.is_number(name) => self.claims.evaluates(name),
            _ => return value,
        }
        self.claims.is_not_split();
        Word::Unknown { splits: false }
    }

    fn declared(&mut self, assignment: &Assignment, local: bool) {
        let number = self.value(assignment);
        match &assignment.name {
            AssignmentName::VariableName(variable) => {
                self.variable(variable, number);
                if !local {
                    self.script.environment.insert(variable.clone());
                }
                // Outside of a function `local` fails.
                if local && self.functions > 0 && is_plain_number(assignment) {
                    self.sure.number(variable);
                }
            }
            AssignmentName::ArrayElementName(..) => self.opaque("an array evaluates its indices"),
        }
    }

    /// Looks through what is assigned; whether it is a number.
    fn value(&mut self, assignment: &Assignment) -> bool {
        match &assignment.value {
            AssignmentValue::Scalar(word) => {
                let value = self.word(word);
                is_plain_number(assignment) || !assignment.append && is_sum(&word.value, &value)
            }
            AssignmentValue::Array(elements) => {
                for (index, element) in elements {
                    if index.is_some() || element.value.starts_with('[') {
                        self.opaque("an array evaluates its indices");
                    }
                    self.word(element);
                }
                false
            }
        }
    }

    fn command(&mut self, program: Vec<u8>, mut arguments: Vec<Word>) {
        let harmless = match builtin::classify(&program, &arguments) {
            Builtin::No => false,
            Builtin::Harmless => true,
            Builtin::Runs => match arguments.remove(0) {
                // Once is enough: in a long line the recursion would not end in time.
                Word::Literal(program) if program != b"command" => {
                    return self.command(program, arguments);
                }
                _ => {
                    self.opaque("`command` runs what is not plain");
                    true
                }
            },
            Builtin::Tests => {
                let closes =
                    program != b"[" || arguments.pop() == Some(Word::Literal(b"]".to_vec()));
                if !closes || !test::only_looks(&arguments) {
                    self.opaque("a test may evaluate what depends on the run");
                }
                true
            }
            Builtin::ChangesDirectory(directory) => {
                self.script.directories.push(directory);
                true
            }
            Builtin::Sets(names) => {
                for name in names {
                    self.variable(&name, false);
                }
                true
            }
            Builtin::Marks(names) => {
                for name in names {
                    self.variable(&name, true);
                    self.script.environment.insert(name);
                }
                true
            }
            Builtin::Unsets(names) => {
                for name in names {
                    self.variable(&name, false);
                    self.claims.unsets(&name);
                }
                true
            }
            Builtin::Opaque => {
                let name = crate::text::shown(&program);
                self.opaque(&format!("`{name}` is a part of the shell that can run anything"));
                true
            }
        };
        self.push(program, arguments, harmless);
    }

    fn push(&mut self, program: Vec<u8>, arguments: Vec<Word>, harmless: bool) {
        self.script.commands.push(SimpleCommand { program, arguments, harmless });
    }

    /// What a function runs is in the table whether it is called or not. A call is
    /// harmless where the function is surely there; elsewhere it may be a program.
    pub(super) fn function(&mut self, function: &ast::FunctionDefinition) {
        let name = function.fname.value.as_str();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if name.starts_with('-') || !name.bytes().all(plain) || builtin::is_builtin(name) {
            self.opaque("a function takes a name that means something else");
        }
        self.sure.function(name);
        self.functions += 1;
        self.apart(|walker| {
            walker.redirect_list(function.body.1.as_ref());
            walker.compound(&function.body.0);
        });
        self.functions -= 1;
    }
}

/// Whether bash does this whatever happened: plain numbers and functions.
pub(super) fn cannot_fail(CompoundListItem(and_or, _): &CompoundListItem) -> bool {
    match and_or.first.seq.as_slice() {
        [Command::Function(_)] => true,
        [Command::Simple(simple)] if simple.word_or_name.is_none() => {
            simple.prefix.iter().flat_map(|prefix| &prefix.0).all(|item| match item {
                CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) => {
                    is_plain_number(assignment)
                }
                _ => false,
            })
        }
        _ => false,
    }
}

fn is_splitter(assignment: &Assignment) -> bool {
    matches!(&assignment.name, AssignmentName::VariableName(name) if name == "IFS")
}

/// `i=0`.
fn is_plain_number(assignment: &Assignment) -> bool {
    match &assignment.value {
        AssignmentValue::Scalar(word) => {
            !assignment.append && arithmetic::is_number(word.value.as_bytes())
        }
        AssignmentValue::Array(_) => false,
    }
}

/// `$((…))`, which was looked through already, and nothing else.
fn is_sum(text: &str, value: &Word) -> bool {
    let inner = text.strip_prefix("$((").and_then(|text| text.strip_suffix("))"));
    matches!(value, Word::Unknown { .. })
        && inner.is_some_and(|inner| arithmetic::read(inner).is_ok())
}
