//! The host's network daemon: gRPC over mTLS in, plans for the warden out.
//!
//! Words used here:
//!
//! - A **peer** is who is at the other end of a connection; a [`peers::Gateway`]
//!   is a peer that the host's ceiling lets call, checked for every RPC.
//! - A **verified** intent is a gateway's word for one action on this host, with
//!   a signature that holds ([`intent`]).
//! - A **capped** grant is what profile, grant and ceiling have in common
//!   ([`mod@cap`]); nothing in it is above the ceiling.
//! - A **recorded** intent is durable in this host's journal ([`record`]);
//!   without one nothing is planned or started.
//! - A **plan** is data, made by pure functions ([`planner`]) from capped grants
//!   and facts about the host; the warden checks it again.
//! - A **cell** ends when its control socket closes ([`cell`]); a **run** is one
//!   command in it ([`registry`]).
//!
//! [`pipeline`] tells the life of a call. The process holds no privilege:
//! [`confine`] gives up what is left before the first thread starts.

#![deny(unsafe_code)]

pub mod allowances;
pub mod arguments;
pub mod cap;
pub mod causes;
pub mod ceiling;
pub mod cell;
pub mod cells;
pub mod clock;
pub mod config;
pub mod confine;
pub mod control;
pub mod credential;
pub mod denials;
pub mod describe;
pub mod dial;
pub mod disks;
pub mod doctor;
pub mod enrolment;
pub mod exec;
pub mod facts;
pub mod fault;
pub mod file;
pub mod frames;
pub mod freeze;
pub mod hand;
pub mod host;
pub mod info;
pub mod input;
pub mod intent;
pub mod lapses;
pub mod lost;
pub mod metrics;
pub mod outcome;
pub mod peers;
pub mod pipeline;
pub mod places;
pub mod planner;
pub mod programs;
pub mod proxy;
pub mod record;
pub mod registry;
pub mod remains;
pub mod replay;
pub mod restart;
pub mod sandbox;
pub mod selftest;
pub mod serve;
pub mod service_manager;
pub mod services;
pub mod sockets;
pub mod spool;
pub mod status;
pub mod streams;
#[allow(unsafe_code, reason = "two system calls that no crate wraps; see the file")]
pub mod sys;
pub mod terminal;
pub mod usage;
pub mod validate;
pub mod warden;
pub mod worker;
