//! A process at a person's end: what `run`, `shell`, `attach`, `logs`, `ps` and `top`
//! have in common.
//!
//! Words: a **link** is a connection to the gateway that is made anew when it breaks; a
//! **follower** reads what a process prints, each byte once; an **ending** is how it
//! ended, as a shell would say it. Invariants: all of it goes through the tools of the
//! gateway, by the same rules and records as a model's calls; nothing here is trusted
//! by anybody. What a process prints goes to the person's terminal as it is only where
//! they asked for the process itself; elsewhere control characters are shown, not sent.

pub(crate) mod ending;
pub(crate) mod escape;
pub(crate) mod events;
pub(crate) mod feed;
pub(crate) mod follower;
pub(crate) mod handle;
pub(crate) mod keyboard;
pub(crate) mod link;
pub(crate) mod listing;
pub(crate) mod modes;
pub(crate) mod parting;
pub(crate) mod pipes;
pub(crate) mod screen;
pub(crate) mod shown;
pub(crate) mod start;
