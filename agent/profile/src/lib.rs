//! Profiles: named sandbox configurations, as TOML data.
//!
//! Words used here:
//!
//! - A **file** is a profile as it is written (`file.rs`): what it does not
//!   say is not there.
//! - A **profile** is a file resolved (`resolve.rs`): everything is said, and
//!   every value can be used. It is an upper bound: the grant narrows it, the
//!   ceiling caps it.
//! - A **parent** is the profile that another inherits from. A child has from it
//!   what it does not say itself, and is nowhere wider (`narrowing.rs`).
//! - A **tree** is a path, or a path with all beneath it ([`trees`]).
//!
//! Pure but for [`Profiles::load`], which reads the host's own profiles. The
//! agent plans from profiles; `cofferdam profile` tells what they mean.

#![forbid(unsafe_code)]

mod canonical;
pub mod environment;
mod error;
mod file;
mod layers;
mod limits;
mod narrowing;
mod network;
mod profile;
mod profiles;
mod relative;
mod resolve;
pub mod trees;

pub use cofferdam_proxy_protocol::Destination;
pub use error::ProfileError;
pub use layers::layer_name;
pub use limits::{Limits, in_bytes, in_time};
pub use network::Network;
pub use profile::{Profile, Scratch, Session};
pub use profiles::Profiles;
pub use relative::{RelativePath, RelativePathError};
pub use trees::Tree;
