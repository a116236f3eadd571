//! Turns `data/checklist.toml` into constants, so that a line that means
//! nothing is an error of the build and not of a host.

use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    line: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    title: String,
    held_by: Vec<String>,
    needs: Vec<String>,
    test: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const DATA: &str = "data/checklist.toml";
    println!("cargo::rerun-if-changed={DATA}");
    let data: Data = toml::from_str(&std::fs::read_to_string(DATA)?)?;
    let mut source = String::from("const LINES: &[Line] = &[\n");
    for (index, line) in data.line.iter().enumerate() {
        let Line { title, held_by, needs, test } = line;
        if title.is_empty() || held_by.is_empty() {
            return Err(format!("line {} of the checklist says too little", index + 1).into());
        }
        writeln!(
            source,
            "    Line {{ number: {}, title: {title:?}, held_by: &{held_by:?}, needs: &{needs:?}, \
             test: {test:?} }},",
            index + 1
        )?;
    }
    source.push_str("];\n");
    let directory = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&directory).join("checklist.rs"), source)?;
    Ok(())
}
