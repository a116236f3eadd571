//! The harness of the tests that need real processes and a real kernel.
//!
//! Nothing here stands in for a part of Cofferdam: it starts the programs that
//! were built and speaks to them as their real peers do.

pub mod agent;
pub mod caller;
pub mod clock;
pub mod dev;
pub mod fleet;
pub mod host;
pub mod machine;
pub mod measure;
pub mod packages;
pub mod programs;
pub mod servers;
pub mod service_manager;
pub mod system_bus;
pub mod warden;
pub mod wire;

use std::io::Write;

/// Notes a test that cannot run here, by name and reason, where `make test`
/// counts it at the end. In CI a noted test is a failure.
pub fn skip(test: &str, reason: &str) {
    eprintln!("skipped: {test}: {reason}");
    if let Some(file) = std::env::var_os("COFFERDAM_SKIPPED") {
        let noted = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| writeln!(file, "{test}: {reason}"));
        noted.expect("the list of skipped tests can be written");
    }
}

/// Skips a test whose workspace is a tmpfs, where the kernel maps no owners on those:
/// it does since Linux 6.3.
#[must_use]
pub fn skip_unless_owners_map_on_tmpfs(test: &str) -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let maps = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 3);
    if !maps {
        skip(test, "this kernel maps no owners on tmpfs (Linux 6.3 or later)");
    }
    !maps
}

/// Skips a test that only root can run.
#[must_use]
pub fn skip_unless_root(test: &str) -> bool {
    let root = warden::is_root();
    if !root {
        skip(test, "needs root");
    }
    !root
}
