//! Colours, where somebody sees them.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless the variable NO_COLOR is set or TERM is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Color {
    /// When to use colours. `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long = "color", value_name = "WHEN", value_enum, default_value_t)]
    when: When,
}

/// A way to tell things apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tint {
    /// As it is.
    Plain,
    /// Goes well.
    Good,
    /// Went wrong.
    Bad,
    /// Of less weight.
    Faint,
    /// Of more weight.
    Strong,
    /// The one that is meant.
    Chosen,
}

impl Color {
    /// Whether what goes to standard output is coloured.
    pub(crate) fn is_on(self) -> bool {
        let says_no = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match self.when {
            When::Always => true,
            When::Never => false,
            When::Auto => std::io::stdout().is_terminal() && !says_no("NO_COLOR") && !is_dumb,
        }
    }
}

impl Tint {
    /// `text` in this tint where colours are on. It has to be free of control characters.
    pub(crate) fn paint(self, text: &str, is_on: bool) -> String {
        let code = match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Faint => "2",
            Self::Strong => "1",
            Self::Chosen => "7",
        };
        if is_on && !code.is_empty() && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tint_is_seen_only_where_colours_are_on() {
        assert_eq!(Tint::Bad.paint("no", true), "\x1b[31mno\x1b[0m");
        assert_eq!(Tint::Bad.paint("no", false), "no");
        assert_eq!(Tint::Plain.paint("no", true), "no");
        assert!(Color { when: When::Always }.is_on());
        assert!(!Color { when: When::Never }.is_on());
    }
}
