//! Goes through a parsed command line and collects what it runs and opens.
//!
//! Every node is matched exhaustively, so that a construct that the parser
//! learns to read breaks the build instead of being passed over. Depth is
//! bounded by [`super::guard`].

use brush_parser::ast::{
    self, Assignment, AssignmentName, AssignmentValue, Command, CommandPrefixOrSuffixItem,
    CompoundCommand, CompoundList, ExtendedTestExpr, UnaryPredicate,
};

use super::builtin::{self, Builtin};
use super::word::{self, Word};
use super::{MAX_OPAQUE, Script, SimpleCommand, redirect, variable};

/// Collects what `program` runs and opens.
pub(super) fn walk(program: &ast::Program) -> Script {
    let mut walker = Walker { script: Script::default() };
    for list in &program.complete_commands {
        walker.list(list);
    }
    walker.script
}

pub(super) struct Walker {
    pub(super) script: Script,
}

impl Walker {
    pub(super) fn opaque(&mut self, why: &str) {
        let known = self.script.opaque.iter().any(|reason| reason == why);
        if !known && self.script.opaque.len() < MAX_OPAQUE {
            self.script.opaque.push(why.to_owned());
        }
    }

    /// A word whose value does not matter, only that it runs nothing.
    pub(super) fn word(&mut self, word: &ast::Word) -> Word {
        word::read(&word.value).unwrap_or_else(|why| {
            self.opaque(&why);
            Word::Unknown { splits: true }
        })
    }

    pub(super) fn list(&mut self, list: &CompoundList) {
        for ast::CompoundListItem(and_or, _separator) in &list.0 {
            self.pipeline(&and_or.first);
            for item in &and_or.additional {
                let (ast::AndOr::And(pipeline) | ast::AndOr::Or(pipeline)) = item;
                self.pipeline(pipeline);
            }
        }
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline) {
        for command in &pipeline.seq {
            match command {
                Command::Simple(simple) => self.simple(simple),
                Command::Compound(compound, redirects) => {
                    self.compound(compound);
                    self.redirect_list(redirects.as_ref());
                }
                Command::Function(_) => {
                    self.opaque("a function changes what a name runs");
                }
                Command::ExtendedTest(test, redirects) => {
                    self.test(&test.expr);
                    self.redirect_list(redirects.as_ref());
                }
            }
        }
    }

    fn redirect_list(&mut self, redirects: Option<&ast::RedirectList>) {
        for redirect in redirects.iter().flat_map(|list| &list.0) {
            redirect::collect(self, redirect);
        }
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(_) | CompoundCommand::ArithmeticForClause(_) => {
                self.opaque("arithmetic computes what depends on the run");
            }
            CompoundCommand::Coprocess(_) => self.opaque("a coprocess runs beside the commands"),
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(subshell) => self.list(&subshell.list),
            CompoundCommand::ForClause(clause) => {
                for value in clause.values.iter().flatten() {
                    self.word(value);
                }
                self.variable(&clause.variable_name);
                self.list(&clause.body.list);
            }
            CompoundCommand::CaseClause(clause) => self.case(clause),
            CompoundCommand::IfClause(clause) => {
                self.list(&clause.condition);
                self.list(&clause.then);
                for part in clause.elses.iter().flatten() {
                    if let Some(condition) = &part.condition {
                        self.list(condition);
                    }
                    self.list(&part.body);
                }
            }
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                self.list(&clause.0);
                self.list(&clause.1.list);
            }
        }
    }

    fn case(&mut self, clause: &ast::CaseClauseCommand) {
        self.word(&clause.value);
        for item in &clause.cases {
            for pattern in &item.patterns {
                self.word(pattern);
            }
            if let Some(list) = &item.cmd {
                self.list(list);
            }
        }
    }

    fn test(&mut self, expression: &ExtendedTestExpr) {
        match expression {
            ExtendedTestExpr::And(left, right) | ExtendedTestExpr::Or(left, right) => {
                self.test(left);
                self.test(right);
            }
            ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => {
                self.test(inner);
            }
            ExtendedTestExpr::UnaryTest(predicate, word) => {
                self.word(word);
                if let UnaryPredicate::ShellVariableIsSetAndAssigned
                | UnaryPredicate::ShellVariableIsSetAndNameRef = predicate
                {
                    self.opaque("`[[ -v` evaluates the index of a name");
                }
            }
            ExtendedTestExpr::BinaryTest(predicate, left, right) => {
                self.word(left);
                self.word(right);
                if is_arithmetic(predicate) {
                    self.opaque("arithmetic computes what depends on the run");
                }
            }
        }
    }

    fn simple(&mut self, simple: &ast::SimpleCommand) {
        let mut arguments = Vec::new();
        for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
            // In a prefix a word is always an assignment.
            self.item(item, None);
        }
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, Some(&mut arguments));
        }
        let Some(name) = &simple.word_or_name else { return };
        match self.word(name) {
            Word::Literal(program) => self.command(program, arguments),
            Word::Unknown { .. } => self.opaque("the name of a program depends on the run"),
        }
    }

    /// One item before or after a command's name. After it, assignments are
    /// arguments like others.
    fn item(&mut self, item: &CommandPrefixOrSuffixItem, arguments: Option<&mut Vec<Word>>) {
        match (item, arguments) {
            (CommandPrefixOrSuffixItem::IoRedirect(redirect), _) => {
                redirect::collect(self, redirect);
            }
            (CommandPrefixOrSuffixItem::AssignmentWord(assignment, word), Some(arguments)) => {
                // Only after some builtins; bash refuses it elsewhere.
                if let AssignmentValue::Array(_) = assignment.value {
                    self.opaque("an array is given as an argument");
                }
                arguments.push(self.word(word));
            }
            (CommandPrefixOrSuffixItem::Word(word), Some(arguments)) => {
                arguments.push(self.word(word));
            }
            (CommandPrefixOrSuffixItem::AssignmentWord(assignment, _), None) => {
                self.assignment(assignment);
            }
            (CommandPrefixOrSuffixItem::Word(word), None) => drop(self.word(word)),
            (CommandPrefixOrSuffixItem::ProcessSubstitution(..), _) => {
                self.opaque("a process substitution runs beside the command");
            }
        }
    }

    fn assignment(&mut self, assignment: &Assignment) {
        match &assignment.value {
            AssignmentValue::Scalar(word) => drop(self.word(word)),
            AssignmentValue::Array(_) => self.opaque("an array evaluates its indices"),
        }
        match &assignment.name {
            AssignmentName::VariableName(name) => self.variable(name),
            AssignmentName::ArrayElementName(..) => self.opaque("an array evaluates its indices"),
        }
    }

    /// A variable that the script sets. It reaches programs where it is exported
    /// or was in the environment before; which ones were is not known here.
    fn variable(&mut self, name: &str) {
        if !builtin::is_name(name) {
            self.opaque("a variable has a name that is none");
        }
        if variable::means_something(name) {
            self.opaque(&format!("`{name}` means something to the shell itself"));
        }
        self.script.environment.insert(name.to_owned());
    }

    fn command(&mut self, program: Vec<u8>, arguments: Vec<Word>) {
        let harmless = match builtin::classify(&program, &arguments) {
            Builtin::No => false,
            Builtin::Harmless => true,
            Builtin::ChangesDirectory(directory) => {
                self.script.directories.push(directory);
                true
            }
            Builtin::Sets(names) => {
                for name in names {
                    self.variable(&name);
                }
                true
            }
            Builtin::Opaque => {
                let name = crate::text::shown(&program);
                self.opaque(&format!("`{name}` is a part of the shell that can run anything"));
                true
            }
        };
        self.script.commands.push(SimpleCommand { program, arguments, harmless });
    }
}

fn is_arithmetic(predicate: &ast::BinaryPredicate) -> bool {
    use ast::BinaryPredicate as P;
    match predicate {
        P::ArithmeticEqualTo
        | P::ArithmeticNotEqualTo
        | P::ArithmeticLessThan
        | P::ArithmeticLessThanOrEqualTo
        | P::ArithmeticGreaterThan
        | P::ArithmeticGreaterThanOrEqualTo => true,
        P::FilesReferToSameDeviceAndInodeNumbers
        | P::LeftFileIsNewerOrExistsWhenRightDoesNot
        | P::LeftFileIsOlderOrDoesNotExistWhenRightDoes
        | P::StringExactlyMatchesPattern
        | P::StringDoesNotExactlyMatchPattern
        | P::StringMatchesRegex
        | P::StringExactlyMatchesString
        | P::StringDoesNotExactlyMatchString
        | P::StringContainsSubstring
        | P::LeftSortsBeforeRight
        | P::LeftSortsAfterRight => false,
    }
}
