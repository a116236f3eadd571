//! Why profiles are not taken. Each message names the profile, the key, and what
//! would be right.

use std::path::PathBuf;

/// Why a profile, or a directory of them, was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// A file or the directory cannot be read.
    #[error("cannot read the profiles at `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is too long or its name is no profile's.
    #[error("the profile file `{path}` {problem}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// The text means nothing; with line, column and key.
    #[error("the profile `{name}`: {source}")]
    Parse {
        /// Which.
        name: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value cannot be used.
    #[error("the profile `{name}`: `{key}` {problem}")]
    Value {
        /// Which.
        name: String,
        /// The key.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A child says more than its parent has.
    #[error(
        "the profile `{name}`: `{key}` is {child}, and `{parent}`, which it inherits, has {bound}; \
         a profile can only narrow what it inherits: say less, or inherit from a wider one"
    )]
    Wider {
        /// Which.
        name: String,
        /// The key.
        key: &'static str,
        /// What it says.
        child: String,
        /// The parent's name.
        parent: String,
        /// What the parent has.
        bound: String,
    },
    /// The parent is not there.
    #[error(
        "the profile `{name}`: `inherits` names `{parent}`, which does not exist; there are {known}"
    )]
    UnknownParent {
        /// Which.
        name: String,
        /// What it names.
        parent: String,
        /// What there is.
        known: String,
    },
    /// It inherits from itself.
    #[error(
        "the profiles {chain} inherit from each other in a circle; let one of them say everything itself"
    )]
    Circle {
        /// Names, in the order of inheritance.
        chain: String,
    },
}
