//! The corpus: lines as people and coding agents write them, by class.

/// One line with what is expected of it.
pub(crate) struct Entry {
    pub(crate) line: String,
    /// It cannot be seen through.
    pub(crate) opaque: bool,
}

/// `# class: seen` or `# class: opaque` opens a class; every other line that is
/// not empty is an entry, in which `⏎` stands for a newline.
pub(crate) fn entries() -> Vec<Entry> {
    let mut opaque = false;
    let mut entries = Vec::new();
    for text in include_str!("corpus.txt").lines() {
        match text.strip_prefix("# ") {
            Some(class) => {
                opaque = class.ends_with(": opaque");
                assert!(opaque || class.ends_with(": seen"), "{class}");
            }
            None if text.is_empty() => {}
            None => entries.push(Entry { line: text.replace('⏎', "\n"), opaque }),
        }
    }
    entries
}
