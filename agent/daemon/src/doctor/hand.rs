//! Whether the host's owner can see and stop everything: the local socket, and
//! whether the host is frozen.

use std::os::unix::fs::MetadataExt;

use cofferdam_abilities::Ability;
use rustix::process::geteuid;

use super::prerequisites::{partial, there};
use crate::config::Config;
use crate::freeze::Freeze;

/// One line each.
pub(super) fn lines(config: &Config) -> Vec<Ability> {
    let frozen = Freeze::of(config).check().err().map(|frozen| {
        partial("agent.freeze", frozen.to_string())
            .means("commands and changes are refused; reads go on")
            .fix("cofferdam-agent unfreeze")
    });
    std::iter::once(control(config)).chain(frozen).collect()
}

fn control(config: &Config) -> Ability {
    let name = "agent.control";
    let shown = config.control.display();
    let means = "`cofferdam-agent status` and `kill-all` work without asking the agent only";
    match config.control.symlink_metadata() {
        Ok(it) if it.uid() == geteuid().as_raw() || geteuid().is_root() => {
            there(name, format!("`{shown}`")).means("the host's owner can ask and stop the agent")
        }
        Ok(it) => partial(name, format!("`{shown}` belongs to uid {}", it.uid()))
            .means(means)
            .fix("name a place of the agent's user as `control` of the configuration"),
        Err(error) => partial(name, format!("no agent listens at `{shown}`: {error}"))
            .means(means)
            .fix("systemctl start cofferdam-agent; its unit has RuntimeDirectory=cofferdam-agent"),
    }
}
