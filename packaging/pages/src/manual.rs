//! One manual page for a program and one for each of its commands.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;

/// Writes the pages of `program` and all that it can be told to do.
pub(crate) fn write(
    program: Command,
    section: &str,
    date: &str,
    directory: &Path,
) -> anyhow::Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    // `help` explains itself; a page about it says nothing.
    let mut program = program.disable_help_subcommand(true);
    program.build();
    for command in with_commands(program) {
        let page = Man::new(command)
            .section(section)
            .date(date)
            .source(concat!("cofferdam ", env!("CARGO_PKG_VERSION")))
            .manual("Cofferdam");
        let mut roff = Vec::new();
        page.render(&mut roff).with_context(|| format!("cannot make {}", page.get_filename()))?;
        // Two breaks around an empty line say the same as the line.
        let roff = String::from_utf8(roff)?.replace("\n.br\n\n.br\n", "\n.sp\n");
        fs::write(directory.join(page.get_filename()), roff)
            .with_context(|| format!("cannot write {}", page.get_filename()))?;
    }
    Ok(())
}

fn with_commands(command: Command) -> Vec<Command> {
    let inner: Vec<_> = command.get_subcommands().filter(|it| !it.is_hide_set()).cloned().collect();
    std::iter::once(command).chain(inner.into_iter().flat_map(with_commands)).collect()
}
