//! Keeps what the parser cannot bear away from it.
//!
//! The parser is a recursive descent with backtracking and without a memory:
//! nesting costs stack, and some nested constructs cost time that doubles with
//! each level. It also unwraps numbers. Text that could reach any of that is
//! called opaque before it is tokenized or parsed; each check says what it
//! guards against. `tests/fuzz` tries to find one that is missing.

use brush_parser::ast::Program;
use brush_parser::{ParserOptions, Token, TokenizerOptions};

use super::{MAX_SCRIPT, arithmetic, word};

/// The most words and operators that open a compound command.
const MAX_OPENERS: usize = 48;
/// The most `case` words: the parser reads the last item of each twice.
const MAX_CASES: usize = 6;
/// The most parentheses beside `[[`, where the parser backtracks over them.
const MAX_TEST_PARENTHESES: usize = 4;

/// The most `((`.
const MAX_SUMS: usize = 4;

/// What the tokenizer recurses into.
const EXPANSIONS: [&str; 3] = ["$(", "${", "$["];

/// Takes text that the tokenizer can bear.
fn admit(line: &[u8]) -> Result<&str, String> {
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

/// Reads a command line, or one that stands in another.
pub(super) fn program(line: &[u8]) -> Result<Program, String> {
    let text = admit(line)?;
    parse(text, &tokenize(text)?)
}

/// Breaks text into words and operators, as bash does for `bash -c`, where
/// extended globs are off.
fn tokenize(text: &str) -> Result<Vec<Token>, String> {
    let options =
        TokenizerOptions { enable_extended_globbing: false, ..TokenizerOptions::default() };
    // The cached way keeps command lines of callers in a global.
    brush_parser::uncached_tokenize_str(text, &options)
        .map_err(|error| format!("it is not a shell command line: {error}"))
}

/// Parses tokens that hold nothing the parser could not bear.
fn parse(text: &str, tokens: &[Token]) -> Result<Program, String> {
    check_words(text, tokens)?;
    check_nesting(tokens)?;
    check_neighbours(text, tokens)?;
    let options = ParserOptions { enable_extended_globbing: false, ..ParserOptions::default() };
    brush_parser::parse_tokens(tokens, &options)
        .map_err(|error| format!("it is not a shell command line: {error}"))
}

fn check_words(text: &str, tokens: &[Token]) -> Result<(), String> {
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        match token {
            Token::Operator(operator, _) if operator == "<<" || operator == "<<-" => {
                check_here_document(&mut tokens)?;
            }
            Token::Operator(..) => {}
            Token::Word(word, _) => {
                check_word(word)?;
                if word.contains("$(") && !stands_in(text, token) {
                    return Err("a command substitution holds a comment or the like".to_owned());
                }
            }
        }
    }
    Ok(())
}

/// Whether the tokenizer left a word as it stands in the text. In substitutions it
/// takes out what it read as comments.
fn stands_in(text: &str, token: &Token) -> bool {
    let (from, to) = (token.location().start.index, token.location().end.index);
    let place = |index: usize| {
        if text.is_ascii() {
            return Some(index);
        }
        let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        ends.nth(index)
    };
    let raw = place(from).zip(place(to)).and_then(|(from, to)| text.get(from..to));
    raw == Some(token.to_str())
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
    if unquoted.is_some() {
        return Ok(());
    }
    let reading = word::read_expanded(body)?;
    if reading.scripts.is_empty() && reading.sums.is_empty() {
        return Ok(());
    }
    Err("a here-document holds what is computed when it runs".to_owned())
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

/// Looks at what stands side by side and means something else than apart.
fn check_neighbours(text: &str, tokens: &[Token]) -> Result<(), String> {
    let mut sums = 0;
    for (at, pair) in tokens.windows(2).enumerate() {
        let touches = touch(&pair[0], &pair[1]);
        match (operator(&pair[0]), operator(&pair[1])) {
            (Some("("), Some("(")) => {
                sums += 1;
                check_sum(text, &pair[1], touches, sums)?;
            }
            (Some("<"), Some("(")) => check_process(tokens, at, touches)?,
            (Some(">"), Some("(")) => {
                return Err("`>(…)` runs beside the command, and may outlive it".to_owned());
            }
            // `{fd}> file` sets a variable.
            (None, Some(next)) if touches && next.starts_with(['<', '>']) => {
                let word = pair[0].to_str();
                if word.starts_with('{') && word.ends_with('}') {
                    return Err("a redirection sets a variable".to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn touch(one: &Token, other: &Token) -> bool {
    one.location().end.index == other.location().start.index
}

/// `((…))`: the parser backtracks over everything inside, and takes for arithmetic
/// what bash does not.
fn check_sum(text: &str, opener: &Token, touches: bool, count: usize) -> Result<(), String> {
    if !touches || count > MAX_SUMS || !text.is_ascii() {
        return Err("it holds `((` that may be arithmetic or not".to_owned());
    }
    let rest = text.get(opener.location().end.index..).unwrap_or_default();
    arithmetic::enclosed(rest)?.split(';').try_for_each(|part| arithmetic::read(part).map(drop))
}

/// `<(…)` must be a word of its own: bash makes one word of all that touches it,
/// and so perhaps another program's name.
fn check_process(tokens: &[Token], at: usize, touches: bool) -> Result<(), String> {
    let before = at.checked_sub(1).map(|before| &tokens[before]);
    let glued = before.is_some_and(|before| {
        touch(before, &tokens[at]) && !matches!(operator(before), Some("(" | ";" | "|" | "&"))
    });
    let mut depth = 0_usize;
    let end = tokens[at + 1..].iter().position(|token| {
        match operator(token) {
            Some("(") => depth += 1,
            Some(")") => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    let follows = end.is_some_and(|end| {
        let end = at + 1 + end;
        let next = tokens.get(end + 1);
        next.is_some_and(|next| operator(next).is_none() && touch(&tokens[end], next))
    });
    if !touches || glued || follows {
        return Err("`<(…)` is a part of a longer word".to_owned());
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
