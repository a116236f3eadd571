//! Compiles `data/agent-seccomp.toml` into the seccomp programs that the agent
//! installs on itself.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let source = Path::new(&std::env::var("OUT_DIR")?).join("seccomp.rs");
    Ok(cofferdam_denylist::compile(Path::new("data/agent-seccomp.toml"), &source)?)
}
