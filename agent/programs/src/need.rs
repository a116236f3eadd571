//! The words of the resolver: a program's [`Resolution`], each [`Need`] of it,
//! and [`Why`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a place must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rights {
    /// The names in a directory, but not what the files of these names hold.
    /// Python looks for modules that way.
    List,
    /// Read; a directory with all beneath it.
    Read,
    /// Read and execve(2). Always one file.
    Execute,
}

/// One place that a program needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Without a link in it.
    pub path: PathBuf,
    /// What it must be given.
    pub rights: Rights,
    /// A directory, with all beneath it.
    pub directory: bool,
    /// The reason.
    pub why: Why,
}

/// Why a place is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is the program that was asked for.
    Asked,
    /// PT_INTERP of a program.
    Loader {
        /// The program.
        of: PathBuf,
    },
    /// DT_NEEDED of a program or library.
    Library {
        /// As it is named there.
        name: OsString,
        /// Who names it.
        of: PathBuf,
    },
    /// A `#!` line.
    Interpreter {
        /// The script.
        of: PathBuf,
    },
    /// The program of an `#!/usr/bin/env` line.
    Started {
        /// The script.
        of: PathBuf,
    },
    /// A helper rule.
    Rule {
        /// Its name.
        rule: String,
        /// Its reason.
        reason: String,
        /// The program or library that it applies to.
        of: PathBuf,
    },
    /// A module that nsswitch.conf(5) names.
    NameService {
        /// Such as `systemd`.
        service: String,
    },
    /// A link in a tree leads here.
    LinkedFrom {
        /// The link.
        link: PathBuf,
    },
    /// The home of a Python virtual environment.
    VirtualEnvironment {
        /// Its `pyvenv.cfg`.
        file: PathBuf,
    },
}

/// What kind of file a program is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An ELF file.
    Elf,
    /// A script.
    Script {
        /// As its `#!` line names it.
        interpreter: PathBuf,
    },
    /// Neither: the kernel refuses it, a shell may run it as its own script.
    Other,
}

/// A program and all that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// As asked.
    pub asked: PathBuf,
    /// Where its links lead.
    pub real: PathBuf,
    /// The links on the way to it and to its interpreters: where each stands,
    /// what it holds.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// What it is.
    pub kind: Kind,
    /// What it needs, itself included, in the order of paths, each path once.
    pub needs: Vec<Need>,
    /// Programs that stand among what it needs and are kept from it, and why.
    pub left_out: BTreeMap<PathBuf, String>,
    /// What could not be known.
    pub notes: Vec<String>,
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Execute => "execute",
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("the program itself"),
            Self::Loader { of } => write!(f, "dynamic loader of {}", name(of)),
            Self::Library { name: library, of } => {
                write!(f, "library {} needed by {}", library.display(), name(of))
            }
            Self::Interpreter { of } => write!(f, "interpreter of the script {}", of.display()),
            Self::Started { of } => write!(f, "started by env for the script {}", of.display()),
            Self::Rule { rule, reason, of } => {
                write!(f, "{reason} (rule {rule}, for {})", name(of))
            }
            Self::NameService { service } => write!(f, "nsswitch.conf names `{service}`"),
            Self::LinkedFrom { link } => write!(f, "the link {} leads here", link.display()),
            Self::VirtualEnvironment { file } => write!(f, "{} names it", file.display()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf => f.write_str("ELF program"),
            Self::Script { interpreter } => write!(f, "script for {}", interpreter.display()),
            Self::Other => f.write_str("neither ELF nor script: only a shell would run it"),
        }
    }
}

fn name(path: &Path) -> std::path::Display<'_> {
    path.file_name().map_or(path, Path::new).display()
}
