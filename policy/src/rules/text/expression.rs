//! Regular expressions: compiled once for all rules, anchored at both ends, and
//! bounded in number and size, so that no rule file can take a host's memory.

use std::borrow::Cow;
use std::collections::HashMap;

use regex::bytes::{Regex, RegexBuilder};

use super::TextPattern;

/// The most memory that one compiled expression may take, in bytes.
const MAX_COMPILED: usize = 256 * 1024;
/// The most different expressions of one rule set.
const MAX_EXPRESSIONS: usize = 1000;

/// The expressions of a rule set, by their text.
#[derive(Debug, Default)]
pub(in super::super) struct Expressions(HashMap<String, Regex>);

impl Expressions {
    /// Compiles an expression of the crate `regex`.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub(in super::super) fn compile(&mut self, text: String) -> Result<TextPattern, String> {
        if let Some(known) = self.0.get(&text) {
            return Ok(TextPattern::expression(text, known.clone()));
        }
        if self.0.len() == MAX_EXPRESSIONS {
            return Err(format!(
                "there are more than {MAX_EXPRESSIONS} different expressions; write `one_of` or \
                 `glob` instead"
            ));
        }
        // Alone first: `a)|(b` would undo the anchors.
        compile(&text)?;
        let compiled = compile(&format!(r"\A(?:{text})\z"))?;
        self.0.insert(text.clone(), compiled.clone());
        Ok(TextPattern::expression(text, compiled))
    }
}

/// The expression in one line: of one that is written over several (`(?x)`) all that
/// its layout adds is left out.
pub(super) fn in_one_line(expression: &str) -> Cow<'_, str> {
    let Some(laid_out) = expression.strip_prefix("(?x)") else { return expression.into() };
    let (mut line, mut letters) = (String::new(), laid_out.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => line.extend([Some(letter), letters.next()].into_iter().flatten()),
            // A comment goes to the end of its line.
            '#' => drop(letters.find(|letter| *letter == '\n')),
            letter if letter.is_whitespace() => {}
            letter => line.push(letter),
        }
    }
    line.into()
}

fn compile(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(32)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                format!("the expression takes more than {MAX_COMPILED} bytes; make it smaller")
            }
            other => told(&other.to_string()),
        })
}

/// The reason out of an error that draws its own picture over several lines.
fn told(error: &str) -> String {
    let reason = error.lines().last().unwrap_or_default();
    let reason = reason.strip_prefix("error: ").unwrap_or(reason);
    format!("it is no regular expression: {reason}; see docs.rs/regex for what there is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_of_several_lines_is_shown_in_one_and_means_the_same() {
        let laid_out = "(?x) --(\n  stat | # how much\n  [a b] \\  c | \\#d\n)(=.*)?";
        let line = in_one_line(laid_out);
        assert_eq!(line, "--(stat|[ab]\\ c|\\#d)(=.*)?");
        let [laid_out, line] = [laid_out, &line].map(|it| compile(it).unwrap());
        for text in ["--stat=1", "--a c", "--#d", "--b c=", "--  c", "--"] {
            assert_eq!(
                laid_out.is_match(text.as_bytes()),
                line.is_match(text.as_bytes()),
                "{text}"
            );
        }
        assert_eq!(in_one_line("a b # c"), "a b # c");
    }

    #[test]
    fn an_expression_is_compiled_once_and_their_number_is_bounded() {
        let mut expressions = Expressions::default();
        for number in 0..MAX_EXPRESSIONS {
            expressions.compile(format!("a{}", number % 10)).unwrap();
        }
        assert_eq!(expressions.0.len(), 10);
        let one = Regex::new("b").unwrap();
        for number in 0..MAX_EXPRESSIONS - 10 {
            expressions.0.insert(format!("b{number}"), one.clone());
        }
        assert!(expressions.compile("a0".to_owned()).is_ok());
        assert!(expressions.compile("one more".to_owned()).unwrap_err().contains("more than"));
    }
}
