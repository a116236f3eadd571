//! «Did you mean»: the known name that a wrong one is most like.

/// The most names that a message lists.
const MAX_LISTED: usize = 16;

/// What could have been meant instead of `wanted`, as the second half of a
/// message: ``did you mean `a`? there are a, b``.
pub(in super::super) fn choices<'k>(
    wanted: &str,
    known: impl IntoIterator<Item = &'k str> + Clone,
) -> String {
    let mut listed: Vec<&str> = known.clone().into_iter().take(MAX_LISTED + 1).collect();
    let more = if listed.len() > MAX_LISTED { " and more" } else { "" };
    listed.truncate(MAX_LISTED);
    let all = match &listed[..] {
        [] => return "there are none".to_owned(),
        [one] => format!("there is {one}"),
        several => format!("there are {}{more}", several.join(", ")),
    };
    match similar(wanted, known) {
        Some(name) => format!("did you mean `{name}`? {all}"),
        None => all,
    }
}

/// The name of `known` that is most like `wanted`, where one is near enough that
/// a slip of the hand explains it. Of two equally near ones the first in byte
/// order.
fn similar<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Longer texts are no names, and the distance takes time in their product.
    const LONGEST: usize = 64;
    if wanted.len() > LONGEST {
        return None;
    }
    let near = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|name| name.len() <= LONGEST)
        .map(|name| (strsim::osa_distance(wanted, name), name))
        .filter(|(distance, name)| *distance <= near || name.eq_ignore_ascii_case(wanted))
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["programs", "paths", "projects", "shell"];
        assert_eq!(similar("program", known), Some("programs"));
        assert_eq!(similar("porgrams", known), Some("programs"));
        assert_eq!(similar("SHELL", known), Some("shell"));
        assert_eq!(similar("colour", known), None);
        assert_eq!(similar("x", known), None);
        assert_eq!(similar(&"p".repeat(10_000), known), None);
    }
}
