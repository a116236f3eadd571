//! Decides: pure rules over subjects and actions, without I/O, clock or globals.
//!
//! Words: a [`Subject`] asks, in a [`Call`], for an [`Action`]; the
//! [`RuleSet`], read from rule files, gives a [`Decision`]. Only
//! [`RuleSet::decide`] makes a [`Permit`], and a permit owns its call and its
//! [`Grant`], so that nothing else can be done with it. On the host, [`cap`]
//! narrows a grant by the owner's ceiling.
//!
//! The same input always gives the same decision; the order of rules and files
//! never matters; what cannot be evaluated denies. The gateway calls
//! [`RuleSet::parse`] when it loads its rules and `decide` for each call; the
//! agent calls [`cap`].
#![forbid(unsafe_code)]

mod action;
mod ceiling;
mod decide;
mod decision;
mod explain;
mod grant;
mod path;
mod rules;
mod shell;
mod subject;
mod text;

pub use cofferdam_ceiling::{self as ceiling_language, Bytes, Ceiling, Millis};

pub use action::{Action, Call, Execute, Host, Project, SHELL, TOOLS};
pub use ceiling::{CappedGrant, CeilingExcess, cap};
pub use decision::{
    Basis, Decision, Denial, Effect, Finding, MAX_NEARBY, Nearby, Pending, Permit, Reason, Verdict,
};
pub use grant::{
    Disjoint, Grant, Limits, ProfileOrder, ProgramPath, ProgramPathError, Programs, WorkspaceAccess,
};
pub use path::PathProblem;
pub use rules::{RuleError, RuleErrors, RuleSet, TestResult};
pub use shell::{MAX_OPAQUE, MAX_SCRIPT, Redirection, Script, SimpleCommand, Word};
pub use subject::Subject;
