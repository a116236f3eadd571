//! The resolver of the program allowlist: finds exactly what the granted
//! programs need, so that a cell can be given that and nothing else.
//!
//! A **program** is what a grant names. It has **needs**: places that must be
//! executed (its dynamic loader, the interpreter of its script, helpers that it
//! starts), read (libraries, data), or listed. Where a whole **tree** is needed,
//! such as Python's standard library, it is looked through and split around what
//! nobody granted.
//!
//! **Invariant.** No place that a resolution gives to be read holds an ELF program
//! that is not itself needed by name: the program, a helper, a loader, or a
//! library that something names. For whatever is readable can be handed to the
//! dynamic loader and runs, execute right or not. `tests/programs` tries this on
//! made-up trees and on this machine's own.
//!
//! Nothing is executed, nothing written; files are read through a [`Root`], whose
//! content is taken for hostile: everything is bounded ([`bounds`]), and what makes
//! no sense is left out. What a file names is granted only if it is what it should
//! be: a loader or a library is an ELF file for the same machine. Still, what is
//! found is an *offer*: the planner takes what profile and ceiling allow. And a
//! program that the cell itself can write must not be asked for: it could name any
//! program of the host as its interpreter.
//!
//! The agent calls [`Resolver::resolve_all`] for each grant, and
//! [`Combined::why_not`] to explain a denial.

#![forbid(unsafe_code)]

pub mod bounds;
mod combined;
mod elf;
mod error;
mod loader_cache;
mod memory;
mod need;
mod reading;
mod render;
mod resolver;
mod root;
mod rules;
mod script;
mod tree;
mod work;

pub use combined::{Combined, ReadPlace};
pub use error::ResolveError;
pub use need::{Kind, Need, Resolution, Rights, Why};
pub use render::render;
pub use resolver::Resolver;
pub use root::Root;
pub use rules::{Rules, RulesError};
