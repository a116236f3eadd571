//! Makes the manual pages and shell completions of every program that reads its
//! command line with clap, from those command lines themselves, so that none of
//! them can say something else than the program does.
//!
//! `cofferdam-pages DIRECTORY DATE` fills `DIRECTORY/man` and
//! `DIRECTORY/completions/{bash,zsh,fish}`. The same program and date give the
//! same bytes. Called by `packaging/scripts/stage`; not installed anywhere.

#![forbid(unsafe_code)]

mod manual;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory, Parser};
use clap_complete::Shell;

/// Makes manual pages and completions.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to; made where it is missing.
    directory: PathBuf,
    /// The date that the pages bear, as YYYY-MM-DD.
    date: String,
}

/// A program and the section of its manual pages (man(1)): 1 for everybody, 8 for
/// who runs the machine.
fn programs() -> [(Command, &'static str); 4] {
    [
        (cofferdam_command::command(), "1"),
        (cofferdam_agent::arguments::Arguments::command(), "8"),
        (cofferdam_gateway::Arguments::command(), "8"),
        (cofferdam_proxy::Arguments::command(), "8"),
    ]
}

fn main() -> anyhow::Result<()> {
    let Arguments { directory, date } = Arguments::parse();
    for (command, section) in programs() {
        manual::write(command.clone(), section, &date, &directory.join("man"))?;
        complete(&command, &directory.join("completions"))?;
    }
    Ok(())
}

/// Writes the completions of one program.
fn complete(command: &Command, directory: &Path) -> anyhow::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let directory = directory.join(shell.to_string());
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        let name = command.get_name().to_owned();
        clap_complete::generate_to(shell, &mut command.clone(), name, &directory)
            .with_context(|| format!("cannot write to {}", directory.display()))?;
    }
    Ok(())
}
