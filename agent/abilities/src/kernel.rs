//! Kernel release and architecture. Told, never used to decide: distributions
//! carry features to older kernels and switch others off.

use serde::Serialize;

use crate::ability::{Ability, Need, State};

/// Which kernel this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// As uname(2) gives it, such as `6.12.9-amd64`.
    pub release: String,
    /// As uname(2) gives it, such as `x86_64`.
    pub architecture: String,
}

impl Kernel {
    pub(crate) fn ask() -> Self {
        let name = rustix::system::uname();
        Self {
            release: name.release().to_string_lossy().into_owned(),
            architecture: name.machine().to_string_lossy().into_owned(),
        }
    }

    pub(crate) fn lines(&self) -> Vec<Ability> {
        let Self { release, architecture } = self;
        let detail = format!("Linux {release} on {architecture}");
        let known = architecture == "x86_64";
        vec![if known {
            Ability::new("kernel.release", Need::Required, State::Full, detail)
                .means("cells have a seccomp filter for this architecture")
        } else {
            Ability::new("kernel.release", Need::Required, State::Missing, detail)
                .means("no seccomp filter for this architecture is compiled in: no cell starts")
                .fix("use an x86_64 host; filters for others are not written yet")
        }]
    }
}
