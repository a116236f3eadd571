//! The plan of a run: the command, and what surrounds it.

use cofferdam_plan::{AbsolutePath, RunId, RunLimits, RunPlan};

use crate::cap::Capped;

/// Milliseconds between SIGTERM and SIGKILL.
const GRACE_MILLIS: u64 = 2_000;
/// How much more address space than memory a run gets where no memory
/// controller counts: runtimes reserve far more than they use.
const ADDRESS_SPACE_FACTOR: u64 = 16;

/// A command, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// A name, or an absolute path.
    pub program: Vec<u8>,
    /// Arguments after the program's own name.
    pub arguments: Vec<Vec<u8>>,
    /// Where it starts.
    pub working_directory: AbsolutePath,
    /// Variables of the request.
    pub environment: Vec<(String, Vec<u8>)>,
    /// What it reads.
    pub stdin: Vec<u8>,
}

/// Plans a run of `command`. `counted`: a memory controller keeps the cell's
/// limit.
#[must_use]
pub fn plan_run(run: RunId, command: &Command, capped: &Capped, counted: bool) -> RunPlan {
    let Command { program, arguments, working_directory, environment, stdin: _ } = command;
    let limits = &capped.limits;
    let address_space = limits.memory_bytes.saturating_mul(ADDRESS_SPACE_FACTOR);
    RunPlan {
        run,
        program: program.clone(),
        search_path: capped.profile.search_path.clone(),
        arguments: [program].into_iter().chain(arguments).cloned().collect(),
        environment: variables(capped, environment),
        working_directory: working_directory.clone(),
        limits: RunLimits {
            wall_millis: limits.wall_millis,
            grace_millis: GRACE_MILLIS,
            file_size_bytes: limits.file_size_bytes,
            open_files: limits.open_files,
            processes: limits.processes,
            address_space_bytes: if counted { 0 } else { address_space },
        },
    }
}

/// `NAME=value` of the cell's own, the profile's and the request's variables;
/// later ones win, and the request was checked to set none that it may not.
fn variables(capped: &Capped, request: &[(String, Vec<u8>)]) -> Vec<Vec<u8>> {
    let profile = &capped.profile;
    let path = profile.search_path.iter().map(AbsolutePath::as_bytes).collect::<Vec<_>>();
    let own = [
        ("HOME", profile.home.as_bytes().to_vec()),
        ("USER", b"cell".to_vec()),
        ("LOGNAME", b"cell".to_vec()),
        ("SHELL", b"/bin/sh".to_vec()),
        ("PATH", path.join(&b':')),
    ];
    let mut all = std::collections::BTreeMap::new();
    all.extend(own.map(|(name, value)| (name, value)));
    all.extend(profile.environment.iter().map(|(n, v)| (n.as_str(), v.as_bytes().to_vec())));
    all.extend(request.iter().map(|(name, value)| (name.as_str(), value.clone())));
    all.into_iter().map(|(name, value)| [name.as_bytes(), b"=", &value].concat()).collect()
}
