//! `[[ … ]]`.

use brush_parser::ast::{BinaryPredicate, ExtendedTestExpr, UnaryPredicate, Word};

use super::Walker;

impl Walker {
    pub(super) fn test(&mut self, expression: &ExtendedTestExpr) {
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
                // Bash takes it as an operator, wherever it stands.
                let left_text = left.value.as_bytes();
                if matches!(left_text, b"!" | [b'-', b'a'..=b'z' | b'A'..=b'Z']) {
                    self.opaque("a test compares an operator");
                }
                if is_arithmetic(predicate) {
                    self.operand(left);
                    self.operand(right);
                } else {
                    self.word(left);
                    self.word(right);
                }
            }
        }
    }

    /// What stands beside `-eq` is evaluated.
    fn operand(&mut self, word: &Word) {
        let text = word.value.as_str();
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let sum = inner.strip_prefix("$((").and_then(|text| text.strip_suffix("))"));
        self.arithmetic(sum.unwrap_or(inner));
    }
}

fn is_arithmetic(predicate: &BinaryPredicate) -> bool {
    use BinaryPredicate as P;
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
