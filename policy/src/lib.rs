//! Decides: pure rules over subjects and actions, without I/O, clock or globals.
//!
//! Words: a [`Subject`] asks, in a [`Call`], for an [`Action`]; the
//! [`RuleSet`], read from rule files, gives a [`Decision`]. Only
//! [`RuleSet::decide`] makes a [`Permit`], and a permit owns its call and its
//! [`Grant`], so that nothing else can be done with it. The host owner's ceiling
//! has a crate of its own beside this one, because root reads it; the agent
//! narrows each grant by it. Destinations are read by the crate that the proxy
//! decides with, so that rules and proxy mean the same by them.
//!
//! The same input always gives the same decision; the order of rules and files
//! never matters; what cannot be evaluated denies. The gateway calls
//! [`RuleSet::parse`] when it loads its rules and `decide` for each call.
#![forbid(unsafe_code)]

mod access;
mod action;
mod approval;
mod bundle;
mod compare;
mod decide;
mod decision;
mod engine;
mod exercise;
mod explain;
mod grant;
mod path;
mod rules;
mod schema;
mod shell;
mod subject;
mod text;
mod warning;
mod who;

pub use cofferdam_ceiling::{Bytes, Millis};
pub use jiff::Timestamp;

pub use access::{Access, Allowance, Refusal};
pub use action::{
    Action, Call, Execute, FileUse, Host, ProcessUse, Project, Reading, SHELL, TOOLS,
};
pub use approval::{Approvers, DEFAULT_OPEN, Demand, MAX_OPEN, MAX_PEOPLE, Uncounted, Voter};
pub use bundle::{Bundle, BundleError, MAX_BUNDLE, Seal};
pub use compare::{ChangeKind, Difference, FacetChange, RuleChange};
pub use decide::{Failed, Nearest};
pub use decision::{
    Ask, Basis, Decision, Denial, Effect, Finding, MAX_NEARBY, Nearby, Pending, Permit, Reason,
    Verdict,
};
pub use engine::{Engine, Restricted, Restriction, Ruling};
pub use exercise::{Coverage, Unexercised};
pub use grant::{
    Disjoint, Grant, Limits, Network, ProfileOrder, ProgramPath, ProgramPathError, Programs,
    WorkspaceAccess,
};
pub use path::PathProblem;
pub use rules::{
    Case, Excerpt, Include, LAYERS, MAX_INCLUDES, PACKS, Pack, Place, RuleError, RuleErrors,
    RuleSet, TestResult,
};
pub use schema::SCHEMA;
pub use shell::{
    Judgement, MAX_OPAQUE, MAX_SCRIPT, Redirection, Row, Script, SimpleCommand, Table, Word,
};
pub use subject::{ClaimError, Claims, Subject};
pub use warning::{Warning, WarningKind, runs_anything};
pub use who::Asker;
