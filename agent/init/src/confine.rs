//! What needs no right and comes last: a fresh keyring, no way to gain rights,
//! Landlock, then seccomp. Proved by asking the kernel.
//!
//! Landlock binds twice. The cell's domain holds PID 1 and all of its runs, and
//! keeps signals and sockets within the cell. Each run enters a layer of its
//! own on top, so that a denial in the kernel's log names the run, and so that
//! a run can be narrower than its cell; never wider. What it reaches by TCP is
//! one more ([`crate::loopback`]).

use std::os::fd::OwnedFd;
use std::path::Path;

use caps::CapSet;
use cofferdam_filter::{Filter, Program};
use cofferdam_plan::{BuildStep, LandlockPlan, Layer, LayerReport, LayerSet, Rights};
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope,
};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, geteuid, getuid, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

use crate::sys::{self, Fork};

/// The newest ABI whose rights are asked for: the kernel gives what it knows.
const NEWEST: ABI = ABI::V9;
/// The newest ABI that brought a right on files which rules here ask for (kernel
/// 6.10). What came later and is missing before is what the kernel logs, and that
/// has a word of its own in outcomes.
const WHOLE: ABI = ABI::V5;
/// What every cell must have: file rights with refer (kernel 5.19).
const REQUIRED: ABI = ABI::V2;

const CAPABILITIES: [CapSet; 5] =
    [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable, CapSet::Bounding, CapSet::Ambient];

/// Why PID 1 could not be confined.
pub(crate) struct ConfineError {
    pub(crate) step: BuildStep,
    pub(crate) errno: Errno,
    pub(crate) detail: String,
}

fn error(step: BuildStep, errno: Errno, detail: impl Into<String>) -> ConfineError {
    ConfineError { step, errno, detail: detail.into() }
}

/// What is left to do for each run.
pub(crate) struct Confined {
    pub(crate) layers: [LayerReport; 3],
    /// The cell's rules, to be entered once more.
    pub(crate) rules: Rules,
    /// What this kernel has of Landlock.
    pub(crate) landlock: LandlockStatus,
    filter: &'static Filter,
    /// PID 1 starts runs by clone3(2), and each enters the program that refuses
    /// this call by itself.
    by_clone3: bool,
}

/// Confines this process for good.
pub(crate) fn confine(
    landlock: &[LandlockPlan],
    filter: &'static Filter,
    may_lack: LayerSet,
) -> Result<Confined, ConfineError> {
    let privileges = renounce()?;
    let by_clone3 = starts_into_cgroups() || may_refuse_clone(filter);
    let required = !may_lack.contains(Layer::Landlock);
    let rules = Rules::open(landlock, required).map_err(no_landlock)?;
    let report = rules.enforce(required)?;
    let landlock = keep_within().map_err(no_landlock)?.landlock;
    let now = |program: &&Program| !by_clone3 || !refuses_clone3(program);
    for program in filter.programs.iter().filter(now) {
        install(program).map_err(|errno| {
            let detail =
                "cannot install the seccomp filter; the kernel needs CONFIG_SECCOMP_FILTER";
            error(BuildStep::Seccomp, errno, detail)
        })?;
    }
    let seccomp = LayerReport::effective(Layer::Seccomp, format!("filter `{}`", filter.name));
    let layers = [privileges, report, seccomp];
    Ok(Confined { layers, rules, landlock, filter, by_clone3 })
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn no_landlock(problem: RulesetError) -> ConfineError {
    error(BuildStep::Landlock, Errno::NOSYS, format!("cannot set Landlock up: {problem}"))
}

/// A domain for the whole cell beneath those of its runs: signals, abstract
/// sockets and (where the kernel knows them) pathname sockets of anybody
/// outside are out of reach; runs of the cell reach each other.
fn keep_within() -> Result<RestrictionStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::ResolveUnix | AccessFs::Refer)?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    leave_moves(ruleset)?.restrict_self()
}

/// Beside a layer with rules on files, each layer refuses to move a file to
/// another directory that does not allow it (landlock(7), EXDEV): one that is
/// about something else leaves it to that layer to say where.
pub(crate) fn leave_moves(ruleset: RulesetCreated) -> Result<RulesetCreated, RulesetError> {
    add(ruleset, "/".as_ref(), AccessFs::Refer.into())
}

/// Whether the program refuses clone3(2), which programs try and fall back from.
fn refuses_clone3(program: &Program) -> bool {
    !program.logged
}

/// Whether the filter may refuse clone(2), with which PID 1 would start runs: one
/// that extends another is for what runs do, and `strict` refuses new processes.
/// None can look behind the pointer that clone3(2) takes.
fn may_refuse_clone(filter: &Filter) -> bool {
    filter.extends.is_some()
}

/// Whether runs are started by clone3(2) into their cgroups, as on a host that
/// has cgroup v2 only (cgroups(7), `/proc/pid/cgroup`).
fn starts_into_cgroups() -> bool {
    std::fs::read_to_string("/proc/self/cgroup")
        .is_ok_and(|text| text.lines().all(|line| line.starts_with("0::")))
}

impl Confined {
    /// The call that is left to PID 1 to start a run; `into`: its cgroup, where
    /// it can be started into one.
    pub(crate) fn fork_into<'a>(&self, into: Option<&'a OwnedFd>) -> Fork<'a> {
        // A run that has a cgroup never starts outside of it, whatever is left.
        if self.by_clone3 || into.is_some() { Fork::Clone3(into) } else { Fork::Clone }
    }

    /// Enters the programs that PID 1 left to its runs.
    pub(crate) fn install_for_run(&self) -> rustix::io::Result<()> {
        let left = |program: &&Program| self.by_clone3 && refuses_clone3(program);
        self.filter.programs.iter().filter(left).try_for_each(install)
    }
}

fn install(program: &Program) -> rustix::io::Result<()> {
    // A kernel before 4.14 knows no logging; its filter counts all the same.
    match sys::install_filter(program.code, program.logged) {
        Err(Errno::INVAL) if program.logged => sys::install_filter(program.code, false),
        result => result,
    }
}

/// No keys of others, nothing to gain by an execve, nothing to look into.
fn renounce() -> Result<LayerReport, ConfineError> {
    const STEP: BuildStep = BuildStep::Privileges;
    let failed = |what: &'static str| move |errno| error(STEP, errno, what);
    sys::join_new_keyring().map_err(failed("cannot make a keyring"))?;
    set_no_new_privs(true).map_err(failed("cannot set no_new_privs"))?;
    // Commands share the user: PID 1 must not be theirs to look into.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("cannot hide PID 1"))?;
    for set in CAPABILITIES {
        let left = caps::read(None, set)
            .map_err(|problem| error(STEP, Errno::PERM, problem.to_string()))?;
        if !left.is_empty() {
            let detail = format!("{} capabilities are left in {set:?}", left.len());
            return Err(error(STEP, Errno::PERM, detail));
        }
    }
    if getuid().is_root() || geteuid().is_root() {
        return Err(error(STEP, Errno::PERM, "the user was not changed"));
    }
    let detail = "no capabilities, empty bounding set, no_new_privs, own keyring";
    Ok(LayerReport::effective(Layer::Privileges, detail))
}

/// Rules on files with their paths opened, to be entered any number of times.
pub(crate) struct Rules {
    ruleset: RulesetCreated,
    rules: Vec<LandlockPlan>,
}

impl Rules {
    /// `required`: a kernel without Landlock is an error.
    pub(crate) fn open(rules: &[LandlockPlan], required: bool) -> Result<Self, RulesetError> {
        let level = if required { CompatLevel::HardRequirement } else { CompatLevel::BestEffort };
        let mut ruleset = Ruleset::default()
            .set_compatibility(level)
            .handle_access(AccessFs::from_all(REQUIRED))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST) & !AccessFs::ResolveUnix)?
            .create()?
            // Denials of what a run executes are logged, where there is a log.
            .log_new_exec(true)?;
        // What every cell has, whatever its plan.
        for (path, access) in [
            ("/proc", read()),
            ("/dev", read() | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev),
            ("/.cell", read()),
        ] {
            ruleset = add(ruleset, path.as_ref(), access)?;
        }
        for rule in rules {
            ruleset = add(ruleset, rule.path.as_path(), access(rule.rights))?;
        }
        Ok(Self { ruleset, rules: rules.to_vec() })
    }

    /// Whether this was made from `rules`.
    pub(crate) fn is_of(&self, rules: &[LandlockPlan]) -> bool {
        self.rules == rules
    }

    /// Enters one more layer: from here on the process and all its children
    /// are bound by it.
    pub(crate) fn enter(&self) -> std::io::Result<RestrictionStatus> {
        self.ruleset.try_clone()?.restrict_self().map_err(std::io::Error::other)
    }

    fn enforce(&self, required: bool) -> Result<LayerReport, ConfineError> {
        const STEP: BuildStep = BuildStep::Landlock;
        let status =
            self.enter().map_err(|problem| error(STEP, Errno::NOSYS, problem.to_string()))?;
        let (abi, is_whole) = match status.landlock {
            LandlockStatus::Available { effective_abi, .. } => {
                (format!("ABI {effective_abi:?}"), effective_abi >= WHOLE)
            }
            _ => ("this kernel has no Landlock; boot with `lsm=landlock,…`".to_owned(), false),
        };
        match status.ruleset {
            RulesetStatus::FullyEnforced => Ok(LayerReport::effective(Layer::Landlock, abi)),
            RulesetStatus::PartiallyEnforced if is_whole => {
                Ok(LayerReport::effective(Layer::Landlock, abi))
            }
            RulesetStatus::NotEnforced if required => Err(error(STEP, Errno::NOSYS, abi)),
            _ => Ok(LayerReport::degraded(
                Layer::Landlock,
                format!("{abi}: not all rights on files up to {WHOLE:?} are known here"),
            )),
        }
    }
}

fn add(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    // What is not in the view, or not the user's to reach, needs no rule.
    let Ok(place) = PathFd::new(path) else { return Ok(ruleset) };
    ruleset.add_rule(PathBeneath::new(place, applicable(path, access)))
}

/// Rights on directories mean nothing on a file, and the kernel refuses them.
fn applicable(path: &Path, access: BitFlags<AccessFs>) -> BitFlags<AccessFs> {
    if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) }
}

fn read() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

fn access(rights: Rights) -> BitFlags<AccessFs> {
    let mut access: BitFlags<AccessFs> = AccessFs::ReadDir.into();
    if rights.read {
        access |= read();
    }
    if rights.write {
        access |= AccessFs::WriteFile
            | AccessFs::Truncate
            | AccessFs::RemoveFile
            | AccessFs::RemoveDir
            | AccessFs::MakeReg
            | AccessFs::MakeDir
            | AccessFs::MakeSym
            | AccessFs::MakeFifo
            | AccessFs::MakeSock
            | AccessFs::Refer;
    }
    if rights.execute {
        access |= AccessFs::Execute;
    }
    access
}
