//! A small C project: enough files and functions for a compiler to work on.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Files with functions; one more has `main`.
pub(super) const FILES: usize = 60;
const FUNCTIONS: usize = 20;

/// Makes it in `workspace`; fails where there is no compiler.
pub(super) fn make(workspace: &Path) -> anyhow::Result<PathBuf> {
    for tool in ["make", "cc"] {
        let found = Command::new(tool).arg("--version").output();
        ensure!(
            found.is_ok_and(|told| told.status.success()),
            "`{tool}` is not installed; `apt-get install make gcc libc6-dev`"
        );
    }
    let project = workspace.join("project");
    std::fs::create_dir(&project)?;
    let mut main = String::new();
    for number in 0..FILES {
        std::fs::write(project.join(format!("part{number}.c")), source(number)?)?;
        writeln!(main, "int part{number}(int);")?;
    }
    main.push_str("int main(void) {\n    int x = 1;\n");
    for number in 0..FILES {
        writeln!(main, "    x += part{number}(x);")?;
    }
    main.push_str("    return x == 0;\n}\n");
    std::fs::write(project.join("main.c"), main)?;
    std::fs::write(project.join("Makefile"), MAKEFILE)?;
    Ok(project)
}

const MAKEFILE: &str = "OBJECTS := $(patsubst %.c,%.o,$(wildcard *.c))\n\
    all: program\n\
    program: $(OBJECTS)\n\tcc -o $@ $^\n\
    %.o: %.c\n\tcc -O1 -c -o $@ $<\n";

fn source(number: usize) -> anyhow::Result<String> {
    let mut text = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n");
    for function in 0..FUNCTIONS {
        writeln!(
            text,
            "static int f{function}(int x) {{\n    char text[64];\n    \
             for (int i = 0; i < x % {}; i++)\n        x = x * 31 + i;\n    \
             snprintf(text, sizeof text, \"%d-%d\", x, {number});\n    \
             return (int)strlen(text) + atoi(text);\n}}\n",
            function + 3
        )?;
    }
    writeln!(text, "int part{number}(int x) {{")?;
    for function in 0..FUNCTIONS {
        writeln!(text, "    x ^= f{function}(x);")?;
    }
    text.push_str("    return x;\n}\n");
    Ok(text)
}

/// Removes what was built.
pub(super) fn clean(project: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(project)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "o") || path.ends_with("program") {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove `{}`", path.display()))?;
        }
    }
    Ok(())
}
