//! Prints what programs of this machine need, and how long it takes to find out,
//! cold and again: `cargo run -p cofferdam-programs --example resolve -- git make`.
//! `--times` prints the times only.

use std::path::{Path, PathBuf};
use std::time::Instant;

use cofferdam_programs::{Resolver, Root, Rules};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let search_path = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from).to_vec();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let times_only = arguments.iter().any(|argument| argument == "--times");
    let named = arguments.iter().filter(|argument| !argument.starts_with('-'));
    let programs: Vec<PathBuf> = named
        .map(|name| {
            let in_path = search_path.iter().map(|directory| directory.join(name));
            in_path
                .into_iter()
                .find(|path| path.exists())
                .unwrap_or_else(|| Path::new("/").join(name))
        })
        .collect();
    let resolver = Resolver::new(Root::host(), search_path, Rules::builtin()?);
    let mut times = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        resolver.resolve_all(&programs)?;
        times.push(start.elapsed().as_micros());
    }
    let combined = resolver.resolve_all(&programs)?;
    if !times_only {
        print!("{}", combined.explain());
    }
    println!(
        "{} programs: {} to execute, {} to read, {} to list, {} left out; cold {} µs, again {} and {} µs",
        programs.len(),
        combined.execute.len(),
        combined.read.len(),
        combined.list.len(),
        combined.left_out.len(),
        times[0],
        times[1],
        times[2],
    );
    Ok(())
}
