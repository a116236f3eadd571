//! Under which conditions a rule applies, besides for whom and what it is meant:
//! at what time, on a host that holds which layers, and for which arguments a
//! human has to agree.
//!
//! The time and what the host said are part of the call, so that deciding stays
//! pure. What is not known is not met: then an allow rule permits nothing. A
//! deny rule has no conditions but times.

pub(crate) mod window;

use jiff::Timestamp;
use window::Window;

use super::argument::Value;
use crate::action::{Call, Host};

/// The layers that a host holds a cell with, by the names that outcomes have.
pub const LAYERS: [&str; 9] = [
    "namespaces",
    "network",
    "view",
    "workspace",
    "user",
    "privileges",
    "cgroup",
    "landlock",
    "seccomp",
];

/// Under which conditions a rule applies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    pub(crate) valid: Validity,
    /// None: at any time.
    pub(crate) when: Option<Window>,
    /// Names out of [`LAYERS`], in their order, that the host has to hold.
    pub(crate) layers: Vec<String>,
    /// A human has to agree where one of these may match an argument.
    pub(crate) ask_if: Vec<Value>,
}

/// From when until when a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Validity {
    /// From this moment on.
    pub(crate) from: Option<Timestamp>,
    /// Up to, not at, this moment.
    pub(crate) until: Option<Timestamp>,
}

impl Conditions {
    /// Whether the rule applies whatever the time and the host.
    pub(crate) fn are_none(&self) -> bool {
        self.valid == Validity::default() && self.when.is_none() && self.layers.is_empty()
    }

    /// Whether the rule applies at this time.
    pub(crate) fn in_time(&self, at: Timestamp) -> bool {
        self.valid.covers(at) && self.when.as_ref().is_none_or(|window| window.covers(at))
    }

    /// The first condition that the call does not meet, in words that follow
    /// «rule `x` »; `None` where it meets all.
    pub(crate) fn unmet(&self, call: &Call) -> Option<String> {
        self.valid
            .unmet(call.at)
            .or_else(|| self.when.as_ref()?.unmet(call.at))
            .or_else(|| self.missing_layer(&call.host))
    }

    fn missing_layer(&self, host: &Host) -> Option<String> {
        let first = self.layers.first()?;
        let name = &host.name;
        let Some(held) = &host.layers else {
            return Some(format!(
                "wants the layer `{first}`, and the host `{name}` has not said what it holds; \
                 get_system_info asks it"
            ));
        };
        let missing = self.layers.iter().find(|layer| !held.contains(*layer))?;
        Some(format!("wants the layer `{missing}`, which the host `{name}` cannot give"))
    }
}

impl Validity {
    fn covers(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }

    fn unmet(&self, at: Timestamp) -> Option<String> {
        match (self.from, self.until) {
            (Some(from), _) if at < from => Some(format!("is valid from {from:.0} on")),
            (_, Some(until)) if at >= until => Some(format!("was valid until {until:.0}")),
            _ => None,
        }
    }
}
