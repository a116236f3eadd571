//! Keeps what the parser cannot bear away from it.
//!
//! The parser is a recursive descent with backtracking and without a memory:
//! nesting costs stack, and some nested constructs cost time that doubles with
//! each level. It also unwraps numbers. Text that could reach any of that is
//! called opaque before it is tokenized or parsed; each check says what it
//! guards against. `tests/fuzz` tries to find one that is missing.

use brush_parser::ast::Program;
use brush_parser::{ParserOptions, Token, TokenizerOptions};

use super::{MAX_SCRIPT, word};

/// The most words and operators that open a compound command.
const MAX_OPENERS: usize = 48;
/// The most `case` words: the parser reads the last item of each twice.
const MAX_CASES: usize = 6;
/// The most parentheses beside `[[`, where the parser backtracks over them.
const MAX_TEST_PARENTHESES: usize = 4;

/// What the tokenizer recurses into.
const EXPANSIONS: [&str; 3] = ["$(", "${", "$["];

/// Takes text that the tokenizer can bear.
pub(super) fn admit(line: &[u8]) -> Result<&str, String> {
    if line.len() > MAX_SCRIPT {
        return Err(format!("it is longer than {MAX_SCRIPT} bytes"));
    }
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    if let Some(odd) = text.chars().find(|character| is_odd(*character)) {
        return Err(format!(
            "it holds the character U+{:04X}, which shells read differently",
            u32::from(odd)
        ));
    }
    let nested = EXPANSIONS.iter().map(|opener| text.matches(opener).count()).sum::<usize>();
    if nested > MAX_OPENERS {
        return Err(format!("it holds more than {MAX_OPENERS} nested expansions"));
    }
    if nested > 0 && !are_apart(text) {
        return Err("it mixes here-documents and expansions in brackets".to_owned());
    }
    Ok(text)
}

/// Whether every here-document begins on a plain line before the first
/// expansion. Elsewhere the tokenizer, inside an expansion, could run past the
/// end of a here-document.
fn are_apart(text: &str) -> bool {
    let Some(last) = text.rfind("<<") else { return true };
    let first = EXPANSIONS.iter().filter_map(|opener| text.find(opener)).min();
    let (line, _) = text[last + 2..].split_once('\n').unwrap_or((&text[last + 2..], ""));
    let tag = line.trim_start_matches('-').trim_start();
    let end = tag.find([' ', ';', '|', '&', '>', '<']).unwrap_or(tag.len());
    let plain = is_plain_tag(&tag[..end]) && !tag[end..].contains(['\'', '"', '\\', '$', '`', '(']);
    plain && first.is_none_or(|first| last + 2 + line.len() < first)
}

/// Letters, digits and `_`, perhaps in quotes.
fn is_plain_tag(tag: &str) -> bool {
    let inner = unquoted_tag(tag).unwrap_or(tag);
    !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What stands between the quotes of a tag.
fn unquoted_tag(tag: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|quote| tag.strip_prefix(*quote)?.strip_suffix(*quote))
}

/// Control characters and white space that bash takes as a letter, or the other
/// way round.
fn is_odd(character: char) -> bool {
    match character {
        '\t' | '\n' | ' ' => false,
        other => other.is_control() || other.is_whitespace(),
    }
}

/// Breaks text into words and operators, as bash does for `bash -c`, where
/// extended globs are off.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token>, String> {
    let options =
        TokenizerOptions { enable_extended_globbing: false, ..TokenizerOptions::default() };
    // The cached way keeps command lines of callers in a global.
    brush_parser::uncached_tokenize_str(text, &options)
        .map_err(|error| format!("it is not a shell command line: {error}"))
}

/// Parses tokens that hold nothing the parser could not bear.
pub(super) fn parse(tokens: &[Token]) -> Result<Program, String> {
    check_words(tokens)?;
    check_neighbours(tokens)?;
    check_nesting(tokens)?;
    let options = ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() };
    brush_parser::parse_tokens(tokens, &options)
        .map_err(|error| format!("it is not a shell command line: {error}"))
}

fn check_words(tokens: &[Token]) -> Result<(), String> {
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        match token {
            Token::Operator(operator, _) if operator == "<<" || operator == "<<-" => {
                check_here_document(&mut tokens)?;
            }
            Token::Operator(..) => {}
            Token::Word(text, _) => check_word(text)?,
        }
    }
    Ok(())
}

/// A tag, the body, and the tag again. Only plain tags: what else bash takes as
/// one is read differently by the parser.
fn check_here_document<'a>(tokens: &mut impl Iterator<Item = &'a Token>) -> Result<(), String> {
    let tag = tokens.next().map(Token::to_str).unwrap_or_default();
    let body = tokens.next().map(Token::to_str).unwrap_or_default();
    let end = tokens.next().map(Token::to_str).unwrap_or_default();
    let unquoted = unquoted_tag(tag);
    if !is_plain_tag(tag) || end != unquoted.unwrap_or(tag) {
        return Err("it holds a here-document whose end word is not plain letters".to_owned());
    }
    match unquoted {
        Some(_) => Ok(()),
        None => word::check_expanded(body),
    }
}

fn check_word(text: &str) -> Result<(), String> {
    word::read(text)?;
    // The parser unwraps the number before a redirection.
    if text.len() > 9 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it holds a number of more than nine digits".to_owned());
    }
    // `a[…]=`: bash evaluates the index, and the parser recurses into it.
    let name =
        text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    if name > 0 && text.as_bytes().get(name) == Some(&b'[') {
        return Err("a name followed by `[` may be an element of an array".to_owned());
    }
    Ok(())
}

fn check_neighbours(tokens: &[Token]) -> Result<(), String> {
    for pair in tokens.windows(2) {
        match (operator(&pair[0]), operator(&pair[1])) {
            // The parser backtracks over everything inside.
            (Some("("), Some("(")) => {
                return Err("`((` computes what depends on the run".to_owned());
            }
            (Some("<" | ">"), Some("(")) => {
                return Err("a process substitution runs beside the command".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

fn operator(token: &Token) -> Option<&str> {
    match token {
        Token::Operator(text, _) => Some(text),
        Token::Word(..) => None,
    }
}

/// Counts what opens a level, wherever it stands: `echo if` counts too.
fn check_nesting(tokens: &[Token]) -> Result<(), String> {
    let count =
        |wanted: &[&str]| tokens.iter().filter(|token| wanted.contains(&token.to_str())).count();
    let openers =
        count(&["(", "{", "if", "while", "until", "for", "case", "function", "coproc", "do", "!"]);
    if openers > MAX_OPENERS {
        return Err(format!("it holds more than {MAX_OPENERS} compound commands"));
    }
    if count(&["case"]) > MAX_CASES {
        return Err(format!("it holds more than {MAX_CASES} `case` commands"));
    }
    if count(&["[["]) > 0 && count(&["("]) > MAX_TEST_PARENTHESES {
        return Err("it holds `[[` and many parentheses".to_owned());
    }
    Ok(())
}
