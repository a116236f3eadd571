//! The published JSON Schema of rule files, for completion in editors.
//!
//! Written by hand, because its descriptions are for people who write rules. The
//! tests hold it to the parser: the same keys, the same words, and whatever the
//! example and the packs say is valid.

/// The schema, as JSON.
pub const SCHEMA: &str = include_str!("../schema/rules.schema.json");
