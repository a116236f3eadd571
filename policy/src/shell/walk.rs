//! Goes through a parsed command line and collects what it runs and opens.
//!
//! Every node is matched exhaustively, so that a construct that the parser
//! learns to read breaks the build instead of being passed over. Depth is
//! bounded by [`super::guard`], that of substitutions here.

mod simple;
mod test;

use brush_parser::ast::{self, Command, CompoundCommand, CompoundList, CompoundListItem};

use super::certainty::{Claims, Sure};
use super::word::{self, Reading, Word};
use super::{MAX_OPAQUE, Script, arithmetic, builtin, guard, redirect, variable};

/// How deep command substitutions may stand in each other.
const MAX_DEPTH: usize = 6;
/// The most command substitutions of one script.
const MAX_SUBSTITUTIONS: usize = 64;

/// Collects what `program` runs and opens.
pub(super) fn walk(program: &ast::Program) -> Script {
    let mut walker = Walker::default();
    walker.program(program);
    if let Some(why) = walker.claims.broken() {
        walker.opaque(&why);
    }
    walker.script
}

#[derive(Default)]
pub(super) struct Walker {
    pub(super) script: Script,
    sure: Sure,
    claims: Claims,
    /// How many command substitutions are around.
    depth: usize,
    /// How many there were.
    substitutions: usize,
    /// How many functions are around.
    functions: usize,
}

impl Walker {
    pub(super) fn opaque(&mut self, why: &str) {
        let known = self.script.opaque.iter().any(|reason| reason == why);
        if !known && self.script.opaque.len() < MAX_OPAQUE {
            self.script.opaque.push(why.to_owned());
        }
    }

    /// A word's value; what runs inside of it is collected.
    pub(super) fn word(&mut self, word: &ast::Word) -> Word {
        self.text(&word.value)
    }

    fn text(&mut self, text: &str) -> Word {
        match word::read(text) {
            Ok(reading) => self.reading(reading),
            Err(why) => {
                self.opaque(&why);
                Word::Unknown { splits: true }
            }
        }
    }

    fn reading(&mut self, reading: Reading<'_>) -> Word {
        let Reading { word, scripts, sums } = reading;
        for sum in sums {
            self.arithmetic(sum);
        }
        for script in scripts {
            self.substitution(script);
        }
        word
    }

    /// A command line inside of a word: it runs in a shell of its own, which
    /// knows what this one does.
    fn substitution(&mut self, text: &str) {
        self.substitutions += 1;
        if self.depth == MAX_DEPTH || self.substitutions > MAX_SUBSTITUTIONS {
            return self.opaque("it holds many command substitutions");
        }
        let program = match guard::program(text.as_bytes()) {
            Ok(program) => program,
            Err(why) => return self.opaque(&why),
        };
        self.depth += 1;
        self.apart(|walker| walker.program(&program));
        self.depth -= 1;
    }

    /// An expression whose outcome does not matter, only that it runs nothing.
    fn arithmetic(&mut self, text: &str) {
        if let Some(name) = arithmetic::plain_set(text) {
            self.variable(name, true);
            self.sure.number(name);
            return;
        }
        let expression = match arithmetic::read(text) {
            Ok(expression) => expression,
            Err(why) => return self.opaque(&why),
        };
        for name in expression.names {
            self.evaluate(name);
            if expression.sets {
                self.variable(name, true);
            }
        }
    }

    fn evaluate(&mut self, name: &str) {
        if !self.sure.is_number(name) {
            self.opaque(&format!("arithmetic evaluates `{name}`, whose value is not known"));
        }
        self.claims.evaluates(name);
    }

    /// A variable that the script sets. It reaches programs where it is exported
    /// or was in the environment before; which ones were is not known here.
    pub(super) fn variable(&mut self, name: &str, is_number: bool) {
        if !builtin::is_name(name) {
            self.opaque("a variable has a name that is none");
        }
        if variable::means_something(name) {
            self.opaque(&format!("`{name}` means something to the shell itself"));
        }
        self.claims.sets(name, is_number);
        if !variable::is_of_scripts(name) {
            self.script.environment.insert(name.to_owned());
        }
    }

    /// Goes through a part that may not run, or not in this shell: what it does
    /// is not sure afterwards.
    fn apart(&mut self, part: impl FnOnce(&mut Self)) {
        let sure = self.sure.clone();
        part(self);
        self.sure = sure;
    }

    /// After an error bash gives up the rest of a line and goes on with the next
    /// one, so that only what stands first in a line is sure in the next.
    fn program(&mut self, program: &ast::Program) {
        for list in &program.complete_commands {
            let mut sure = self.sure.clone();
            for (count, item) in list.0.iter().enumerate() {
                self.item(item);
                if count == 0 && simple::cannot_fail(item) {
                    sure = self.sure.clone();
                }
            }
            self.sure = sure;
        }
    }

    fn list(&mut self, list: &CompoundList) {
        for item in &list.0 {
            self.item(item);
        }
    }

    fn item(&mut self, CompoundListItem(and_or, separator): &CompoundListItem) {
        match separator {
            ast::SeparatorOperator::Async => self.apart(|walker| walker.pipeline(&and_or.first)),
            ast::SeparatorOperator::Sequence => self.pipeline(&and_or.first),
        }
        for item in &and_or.additional {
            let (ast::AndOr::And(pipeline) | ast::AndOr::Or(pipeline)) = item;
            self.apart(|walker| walker.pipeline(pipeline));
        }
    }

    fn pipeline(&mut self, pipeline: &ast::Pipeline) {
        match pipeline.seq.as_slice() {
            [one] => self.part(one),
            // `!` and `time` of nothing: bash takes some of it, but not all.
            [] => self.opaque("a command is missing"),
            several => {
                for one in several {
                    self.apart(|walker| walker.part(one));
                }
            }
        }
    }

    fn part(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirects) => {
                self.redirect_list(redirects.as_ref());
                self.compound(compound);
            }
            Command::Function(function) => self.function(function),
            Command::ExtendedTest(test, redirects) => {
                self.redirect_list(redirects.as_ref());
                self.test(&test.expr);
            }
        }
    }

    fn redirect_list(&mut self, redirects: Option<&ast::RedirectList>) {
        for redirect in redirects.iter().flat_map(|list| &list.0) {
            redirect::collect(self, redirect);
        }
    }

    /// `<(…)`: runs beside the command.
    pub(super) fn beside(
        &mut self,
        kind: &ast::ProcessSubstitutionKind,
        shell: &ast::SubshellCommand,
    ) {
        match kind {
            ast::ProcessSubstitutionKind::Read => self.apart(|walker| walker.list(&shell.list)),
            ast::ProcessSubstitutionKind::Write => {
                self.opaque("`>(…)` runs beside the command, and may outlive it");
            }
        }
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(command) => self.arithmetic(&command.expr.value),
            CompoundCommand::ArithmeticForClause(clause) => {
                for part in [&clause.initializer, &clause.condition, &clause.updater] {
                    self.arithmetic(part.as_ref().map_or("", |part| &part.value));
                }
                self.apart(|walker| walker.list(&clause.body.list));
            }
            CompoundCommand::Coprocess(_) => self.opaque("a coprocess runs beside the commands"),
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(subshell) => self.apart(|walker| walker.list(&subshell.list)),
            CompoundCommand::ForClause(clause) => self.each(clause),
            CompoundCommand::CaseClause(clause) => self.case(clause),
            CompoundCommand::IfClause(clause) => {
                self.apart(|walker| walker.list(&clause.condition));
                self.apart(|walker| walker.list(&clause.then));
                for part in clause.elses.iter().flatten() {
                    if let Some(condition) = &part.condition {
                        self.apart(|walker| walker.list(condition));
                    }
                    self.apart(|walker| walker.list(&part.body));
                }
            }
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                self.apart(|walker| walker.list(&clause.0));
                self.apart(|walker| walker.list(&clause.1.list));
            }
        }
    }

    fn each(&mut self, clause: &ast::ForClauseCommand) {
        let mut numbers = clause.values.is_some();
        for value in clause.values.iter().flatten() {
            let word = self.word(value);
            numbers &= is_range(&value.value)
                || matches!(&word, Word::Literal(text) if arithmetic::is_number(text));
        }
        self.variable(&clause.variable_name, numbers);
        self.apart(|walker| {
            if numbers {
                walker.sure.number(&clause.variable_name);
            }
            walker.list(&clause.body.list);
        });
    }

    fn case(&mut self, clause: &ast::CaseClauseCommand) {
        self.word(&clause.value);
        for item in &clause.cases {
            for pattern in &item.patterns {
                self.word(pattern);
            }
            if let Some(list) = &item.cmd {
                self.apart(|walker| walker.list(list));
            }
        }
    }
}

/// `{1..5}`.
fn is_range(text: &str) -> bool {
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')?.split_once("..")).is_some_and(
        |(from, to)| arithmetic::is_number(from.as_bytes()) && arithmetic::is_number(to.as_bytes()),
    )
}
