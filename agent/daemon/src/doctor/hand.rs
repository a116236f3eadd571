//! Whether the host's owner can see and stop everything: the local socket, systemd's
//! watch for requests to end all, and whether the host is frozen.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cofferdam_abilities::{Ability, Need, State};
use cofferdam_services::{UnitError, UnitStatus, Units};
use rustix::process::geteuid;

use super::prerequisites::{partial, there};
use crate::config::Config;
use crate::control;
use crate::freeze::Freeze;

/// What watches for requests of `kill-all`, beside the socket of packages.
const WATCH: &str = "cofferdam-kill-all.path";

/// One line each.
pub(super) fn lines(config: &Config) -> Vec<Ability> {
    let frozen = Freeze::of(config).check().err().map(|frozen| {
        partial("agent.freeze", frozen.to_string())
            .means("commands and changes are refused; reads go on")
            .fix("cofferdam-agent unfreeze")
    });
    let watched = config.control == Path::new(control::SOCKET);
    let watch = watched.then(|| watch(&config.services.bus));
    std::iter::once(control(config)).chain(watch).chain(frozen).collect()
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

/// Whether systemd ends what agent and warden do not.
fn watch(bus: &Path) -> Ability {
    let name = "agent.control.systemd";
    let unit = WATCH.parse().map_err(|it: UnitError| it.to_string());
    let asked = |unit| Units::on(bus.to_owned()).status(&unit).map_err(|it| it.to_string());
    let state = match unit.and_then(asked) {
        Ok(UnitStatus::Loaded(unit)) => unit.state.active_state,
        Ok(UnitStatus::NotLoaded { .. }) => "not loaded".to_owned(),
        Err(why) => {
            let detail = format!("cannot ask systemd for {WATCH}: {why}");
            return Ability::new(name, Need::Required, State::Unknown, detail)
                .means("whether `cofferdam-agent kill-all` ends everything, whoever hangs")
                .fix(format!(
                    "systemctl is-active {WATCH}; where there is no systemd, be ready to kill the \
                     warden's processes, or to end the container"
                ));
        }
    };
    if state == "active" {
        return there(name, format!("{WATCH} is active"))
            .means("`cofferdam-agent kill-all` ends everything, whoever hangs");
    }
    partial(name, format!("{WATCH} is {state}"))
        .means("where agent and warden both hang, `cofferdam-agent kill-all` ends nothing")
        .fix(format!("systemctl enable --now {WATCH}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_cannot_be_asked_about_is_not_known() {
        let told = watch(Path::new("/nowhere/bus"));
        assert_eq!(told.state, State::Unknown);
        assert!(told.detail.contains(WATCH), "{}", told.detail);
        assert!(told.fix.unwrap().contains("is-active"));
    }
}
