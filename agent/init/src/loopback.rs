//! A run's own layer over TCP, where its plan does not leave it the cell's
//! loopback: it listens to nobody, and connects to its own listener of the proxy
//! or to nothing. Entered after the run's layer over files.
//!
//! Invariant: a layer that says [`LoopbackHold::Full`] was made of rights that
//! the kernel has; one that it lacks is said, never left out in silence. The
//! network namespace holds beside it: nothing here leads out of a cell.
//!
//! Not covered: UDP, which Landlock knows from ABI 10 on and this build's crate
//! does not; Unix sockets, which are no network here; a socket that listens
//! without having been bound, which no run with such a layer can connect to. TCP
//! fast open and MPTCP, which Landlock does not look at, the filter refuses.

use cofferdam_plan::run::{Loopback, LoopbackHold};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, NetPort, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
};

use crate::confine;

/// The first ABI with rights on TCP (Linux 6.7).
const FIRST: ABI = ABI::V4;

/// The layer of one run.
pub(crate) struct LoopbackLayer {
    ruleset: Option<RulesetCreated>,
    hold: LoopbackHold,
}

impl LoopbackLayer {
    /// Prepares it, in PID 1.
    pub(crate) fn of(loopback: Loopback, landlock: LandlockStatus) -> Result<Self, RulesetError> {
        let port = match loopback {
            Loopback::Open => return Ok(Self { ruleset: None, hold: LoopbackHold::Full }),
            Loopback::Only(port) => Some(port),
            Loopback::Closed => None,
        };
        let abi = match landlock {
            LandlockStatus::Available { effective_abi, .. } => effective_abi,
            LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => ABI::Unsupported,
        };
        if abi < FIRST {
            let hold = LoopbackHold::Lacking { abi: abi as u8 };
            return Ok(Self { ruleset: None, hold });
        }
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessNet::from_all(FIRST))?
            .handle_access(AccessFs::Refer)?
            .set_compatibility(CompatLevel::BestEffort)
            .create()?
            .log_new_exec(true)?;
        if let Some(port) = port {
            ruleset = ruleset.add_rule(NetPort::new(port.get(), AccessNet::ConnectTcp))?;
        }
        let ruleset = confine::leave_moves(ruleset)?;
        Ok(Self { ruleset: Some(ruleset), hold: LoopbackHold::Full })
    }

    /// Enters it, in the run's first process: for good, and for all it starts.
    pub(crate) fn enter(&self) -> std::io::Result<()> {
        let Some(ruleset) = &self.ruleset else { return Ok(()) };
        ruleset.try_clone()?.restrict_self().map(drop).map_err(std::io::Error::other)
    }

    /// How far the kernel holds the run to its plan, once it is entered.
    pub(crate) fn hold(&self) -> LoopbackHold {
        self.hold
    }
}
