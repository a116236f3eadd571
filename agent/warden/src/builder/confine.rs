//! The last two layers: Landlock, then seccomp.

use cofferdam_filter::Filter;
use cofferdam_plan::{BuildStep, CellPlan, Layer, LayerReport, Rights};
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::io::Errno;

use super::{BuildError, During, degraded, effective};
use crate::sys;

/// The newest ABI whose rights are asked for: the kernel gives what it knows.
const NEWEST: ABI = ABI::V7;
/// What every cell must have: file rights with refer (kernel 5.19).
const REQUIRED: ABI = ABI::V2;

/// A ruleset with its paths opened, not yet enforced: paths are opened with the
/// rights that built the view.
pub(crate) struct Rules(RulesetCreated);

impl Rules {
    pub(crate) fn open(plan: &CellPlan) -> Result<Self, BuildError> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(REQUIRED))
            .map(|ruleset| ruleset.set_compatibility(CompatLevel::BestEffort))
            .and_then(|ruleset| ruleset.handle_access(AccessFs::from_all(NEWEST)))
            .and_then(|ruleset| ruleset.scope(Scope::from_all(NEWEST)))
            .and_then(Ruleset::create)
            .map_err(failed)?;
        // What every cell has, whatever its plan.
        for (path, access) in [
            ("/proc", read()),
            ("/dev", read() | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev),
            ("/.cell", read()),
        ] {
            ruleset = add(ruleset, path.as_ref(), access)?;
        }
        for rule in &plan.landlock {
            ruleset = add(ruleset, rule.path.as_path(), access(rule.rights))?;
        }
        Ok(Self(ruleset))
    }

    /// From here on the process and all its children are bound.
    pub(crate) fn enforce(self, allow_degraded: bool) -> Result<LayerReport, BuildError> {
        let status = self.0.restrict_self().map_err(failed)?;
        let abi = match status.landlock {
            LandlockStatus::Available { effective_abi, .. } => format!("ABI {effective_abi:?}"),
            _ => "this kernel has no Landlock; boot with `lsm=landlock,…`".to_owned(),
        };
        match status.ruleset {
            RulesetStatus::FullyEnforced => Ok(effective(Layer::Landlock, abi)),
            RulesetStatus::NotEnforced if !allow_degraded => {
                Err(BuildError::new(BuildStep::Landlock, Errno::NOSYS, abi))
            }
            _ => Ok(degraded(Layer::Landlock, format!("{abi}: not all of its rights are known"))),
        }
    }
}

fn add(
    ruleset: RulesetCreated,
    path: &std::path::Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, BuildError> {
    // What is not in the view needs no rule.
    let Ok(place) = PathFd::new(path) else { return Ok(ruleset) };
    ruleset.add_rule(PathBeneath::new(place, applicable(path, access))).map_err(failed)
}

/// Rights on directories mean nothing on a file, and the kernel refuses them.
fn applicable(path: &std::path::Path, access: BitFlags<AccessFs>) -> BitFlags<AccessFs> {
    if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) }
}

fn read() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

fn access(rights: Rights) -> BitFlags<AccessFs> {
    let mut access = BitFlags::empty();
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

/// Installs the filter's programs, one after the other.
pub(crate) fn install(filter: &Filter) -> Result<LayerReport, BuildError> {
    for program in filter.programs {
        sys::install_filter(program.code).during(
            BuildStep::Seccomp,
            "cannot install the seccomp filter; the kernel needs CONFIG_SECCOMP_FILTER",
        )?;
    }
    Ok(effective(Layer::Seccomp, format!("filter `{}`", filter.name)))
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn failed(error: RulesetError) -> BuildError {
    BuildError::new(BuildStep::Landlock, Errno::NOSYS, format!("cannot set Landlock up: {error}"))
}
