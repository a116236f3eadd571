//! Services: what the ceiling shows of them, and whether the agent's user can
//! read that. Silent where the ceiling shows nothing.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use cofferdam_abilities::Ability;
use cofferdam_services::{Bounds, Journal, MachineId, Query};

use super::prerequisites::{missing, partial, there};
use crate::ceiling::Services;
use crate::config::ServicePlaces;
use crate::services::MACHINE_ID;

/// A unit that every host has whose journal can be read.
const ASKED_FOR: &str = "init.scope";
/// Enough to tell whether files can be opened.
const BOUNDS: Bounds = Bounds { files: 8, bytes: 4 << 20, time: Duration::from_secs(1) };

/// One line for the table, one for the bus, and one for the journal if it is shown.
pub(super) fn lines(shown: &Services, places: &ServicePlaces) -> Vec<Ability> {
    if !shown.is_something() {
        return Vec::new();
    }
    let table = there("agent.services", shown.describe())
        .means("callers can be told of these units, and of no others");
    let journal = shown.has_journal().then(|| journal(places));
    [Some(table), Some(bus(&places.bus)), journal].into_iter().flatten().collect()
}

fn bus(socket: &Path) -> Ability {
    const NAME: &str = "agent.services.bus";
    match UnixStream::connect(socket) {
        Ok(_) => there(NAME, socket.display().to_string()).means("states of units can be read"),
        Err(error) => partial(NAME, format!("cannot connect to `{}`: {error}", socket.display()))
            .means("states of units cannot be read; their journal can")
            .fix("systemctl enable --now dbus.socket, or set `services.bus` in the configuration"),
    }
}

fn journal(places: &ServicePlaces) -> Ability {
    const NAME: &str = "agent.services.journal";
    let refused = |why: String| {
        partial(NAME, why)
            .means("the ceiling shows the journal, and it cannot be read")
            .fix("usermod -aG systemd-journal cofferdam-agent, and restart the agent")
    };
    let Ok(unit) = ASKED_FOR.parse() else { return missing(NAME, "no unit is known") };
    let machine = match MachineId::read(MACHINE_ID.as_ref()) {
        Ok(machine) => machine,
        Err(error) => return refused(error.to_string()),
    };
    let journal = Journal::new(places.journals.clone(), machine).with_bounds(BOUNDS);
    match journal.read(&Query { lines: 1, ..Query::new(unit) }) {
        Ok(_) => there(NAME, "its files can be opened").means("what units wrote can be read"),
        Err(error) => refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use cofferdam_abilities::State;

    use super::*;

    fn shown(table: &str) -> Services {
        toml::from_str(table).unwrap()
    }

    #[test]
    fn a_host_that_shows_nothing_is_told_nothing() {
        assert!(lines(&Services::default(), &ServicePlaces::default()).is_empty());
    }

    #[test]
    fn bus_and_journal_that_cannot_be_reached_are_told_with_what_mends_them() {
        let dir = tempfile::tempdir().unwrap();
        let bus = dir.path().join("bus");
        let places = ServicePlaces { bus: bus.clone(), journals: vec![dir.path().join("none")] };
        let states = |table: &str| -> Vec<(&'static str, State)> {
            lines(&shown(table), &places).into_iter().map(|it| (it.name, it.state)).collect()
        };
        let both = "show = ['*.service']\njournal = true";
        assert_eq!(
            states(both),
            [
                ("agent.services", State::Full),
                ("agent.services.bus", State::Partial),
                ("agent.services.journal", State::Partial),
            ]
        );
        let _listener = UnixListener::bind(&bus).unwrap();
        assert_eq!(
            states("show = ['*.service']"),
            [("agent.services", State::Full), ("agent.services.bus", State::Full)]
        );
        let told = lines(&shown(both), &places);
        assert!(told[2].fix.as_ref().unwrap().contains("systemd-journal"));
    }
}
