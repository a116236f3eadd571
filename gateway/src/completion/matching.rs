//! Which of some names fit what was typed: those that begin with it, then those that
//! hold it; the case of letters does not matter.

use std::collections::BTreeSet;

use rmcp::model::CompletionInfo;

use super::Proposed;

/// The first hundred that fit, each once.
pub(super) fn matching(typed: &str, names: impl IntoIterator<Item = String>) -> Proposed {
    let typed = typed.to_lowercase();
    let names: BTreeSet<String> = names.into_iter().collect();
    let (begin, rest): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| name.to_lowercase().starts_with(&typed));
    let hold = rest.into_iter().filter(|name| name.to_lowercase().contains(&typed));
    first(begin.into_iter().chain(hold), false)
}

/// The first hundred, and whether there are `more` anyway.
pub(super) fn first(values: impl Iterator<Item = String>, more: bool) -> Proposed {
    let mut values: Vec<String> = values.take(CompletionInfo::MAX_VALUES + 1).collect();
    let is_cut = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    Proposed { values, more: more || is_cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_so_comes_before_what_holds_it_and_a_hundred_is_enough() {
        let names = ["db-web", "web-1", "Web-2", "mail", "web-1"].map(str::to_owned);
        let found = matching("web", names);
        assert_eq!(found.values, ["Web-2", "web-1", "db-web"]);
        assert!(!found.more);
        let many = matching("", (0..150).map(|it| format!("{it:03}")));
        assert_eq!((many.values.len(), many.more), (100, true));
        assert_eq!(matching("x", Vec::new()), Proposed::default());
    }
}
