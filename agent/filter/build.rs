//! Compiles `data/*.toml` into seccomp programs. The compiler is a part of the
//! crate, so that its tests reach it.

#[path = "src/arguments.rs"]
mod arguments;
#[path = "src/compile.rs"]
mod compile;
#[path = "src/data.rs"]
mod data;
#[path = "src/tree.rs"]
mod tree;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use compile::Compiled;
use data::{Data, Numbers, X86_64};

const FILTERS: [&str; 2] = ["cell", "strict"];

fn main() -> Result<(), Box<dyn Error>> {
    for path in ["data", "src/arguments.rs", "src/compile.rs", "src/data.rs", "src/tree.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    if std::env::var("CARGO_CFG_TARGET_ARCH")? != "x86_64" {
        return Err("filters exist for x86-64 only: no cell could be built on this target".into());
    }
    let directory = Path::new("data");
    let numbers = Numbers::read(directory, X86_64)?;
    let mut filters =
        String::from("/// Every filter there is.\npub static FILTERS: &[Filter] = &[\n");
    let mut refusals = String::from("static REFUSALS: &[Refusal] = &[\n");
    for name in FILTERS {
        let data = Data::read(directory, name)?;
        let programs = compile::programs(&data, &numbers, X86_64)?;
        emit(&mut filters, name, data.extends.as_deref(), &programs)?;
        emit_refusals(&mut refusals, name, &data)?;
    }
    filters.push_str("];\n");
    refusals.push_str("];\n");
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("filters.rs"), filters)?;
    std::fs::write(Path::new(&out).join("refusals.rs"), refusals)?;
    Ok(())
}

fn emit(
    source: &mut String,
    name: &str,
    extends: Option<&str>,
    programs: &[Compiled],
) -> std::fmt::Result {
    let digest = compile::digest(programs);
    writeln!(
        source,
        "Filter {{ name: {name:?}, digest: {digest:?}, extends: {extends:?}, programs: &["
    )?;
    for Compiled { logged, code } in programs {
        writeln!(source, "Program {{ logged: {logged}, code: &{code:?} }},")?;
    }
    writeln!(source, "] }},")
}

/// What a filter refuses and why: what the feature `names` includes.
fn emit_refusals(source: &mut String, filter: &str, data: &Data) -> std::fmt::Result {
    let mut emit = |extent: &str, reason: &str, syscalls: &[String]| {
        let syscalls = format!("&{syscalls:?}");
        writeln!(
            source,
            "Refusal {{ filter: {filter:?}, extent: Extent::{extent}, reason: {reason:?}, syscalls: {syscalls} }},"
        )
    };
    for entry in &data.refuse {
        let extent = match entry.errno {
            data::Errno::Permission => "Always",
            data::Errno::NoSuchCall => "NoSuchCall",
        };
        emit(extent, &entry.reason, &entry.syscalls)?;
    }
    for entry in &data.argument {
        emit("SomeArguments", &entry.reason, &entry.syscalls)?;
    }
    Ok(())
}
