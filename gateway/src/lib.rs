//! The gateway: the unprivileged front service. MCP comes in, decisions and
//! records are made here, and signed intents go out to agents.
//!
//! Where to look:
//! - [`config`]: what it is told before it starts.
//! - `http`, `mcp`: from a socket to a call.
//! - `pipeline`: the life of a call, told once.
//! - `action`, `decide`: what is asked, and whether it may be done.
//! - [`approvals`]: people who agree to what a rule asks about.
//! - `record`: the journal, and the only way to a recorded intent.
//! - `hosts`: the agents.
//! - `tools`: one file for each tool.
//! - `fault`: how each failure looks to a caller.
//! - [`holds`]: hosts that their owner holds back.
//! - [`tokens`], [`client`]: what the person's command needs, too.

#![forbid(unsafe_code)]

mod action;
mod admission;
pub mod approvals;
mod arguments;
mod call;
mod caller;
mod chance;
mod changes;
pub mod client;
mod completion;
pub mod config;
mod consent;
mod decide;
mod descriptors;
mod elicit;
mod excerpt;
mod fault;
mod gateway;
pub mod holds;
mod hosts;
mod hosts_listen;
mod http;
mod input;
mod joining;
mod lapses;
mod line;
mod mcp;
mod metrics;
mod notice;
mod pipeline;
mod place;
mod process;
mod progress;
mod prompts;
mod record;
mod recorded;
mod resources;
mod result;
pub mod roster;
pub mod rule_files;
mod runs_changed;
mod service;
mod sessions;
pub mod signed_rules;
pub mod tokens;
mod tools;
mod trace;
mod transcript;

use cofferdam_database as database;

pub use arguments::Arguments;
pub use config::{Config, ConfigError};
pub use database::DatabaseError;
pub use decide::PolicyError;
pub use descriptors::TooFewDescriptors;
pub use gateway::OpenError;
pub use hosts::HostsError;
pub use http::{APPROVALS_PATH, MCP_PATH, TlsFilesError};
pub use joining::JoiningError;
pub use notice::NoticeError;
pub use record::RecorderError;
pub use recorded::{Undecidable, asked_call, recorded_call};
pub use service::{EndError, Service, StartError};
pub use sessions::SessionError;
