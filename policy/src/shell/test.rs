//! `test` and `[`, where they only look.
//!
//! `-v` and `-R` evaluate the index of a name, so a word that is not known must
//! stand where bash cannot take it as an operator.

use super::word::Word;

/// Operators between two words. None of them evaluates.
const BINARY: [&[u8]; 16] = [
    b"=", b"==", b"!=", b"<", b">", b"-eq", b"-ne", b"-lt", b"-le", b"-gt", b"-ge", b"-nt", b"-ot",
    b"-ef", b"-a", b"-o",
];

/// Whether the words after `test` (or between `[` and `]`) evaluate nothing.
pub(super) fn only_looks(arguments: &[Word]) -> bool {
    if arguments.iter().all(|word| literal(word).is_some_and(|text| !evaluates(text))) {
        return true;
    }
    if arguments.iter().any(|word| matches!(word, Word::Unknown { splits: true })) {
        return false;
    }
    match arguments {
        // Bash looks for an operator in the middle first.
        [_, middle, _] if literal(middle).is_some_and(|text| BINARY.contains(&text)) => true,
        [not, _, middle, _] if literal(not) == Some(b"!") => {
            literal(middle).is_some_and(|text| BINARY.contains(&text))
        }
        [not, operator, _] if literal(not) == Some(b"!") => is_unary(operator),
        [operator, _] => is_unary(operator),
        [_] => true,
        _ => false,
    }
}

fn literal(word: &Word) -> Option<&[u8]> {
    match word {
        Word::Literal(bytes) => Some(bytes),
        Word::Unknown { .. } => None,
    }
}

fn evaluates(text: &[u8]) -> bool {
    matches!(text, b"-v" | b"-R")
}

fn is_unary(word: &Word) -> bool {
    literal(word).is_some_and(|text| {
        text == b"!"
            || matches!(text, [b'-', letter] if letter.is_ascii_alphabetic() && !evaluates(text))
    })
}
