//! What of a profile this kernel enforces, layer by layer.

use cofferdam_abilities::{Abilities, Ability, Need, State};
use cofferdam_plan::Layer;
use cofferdam_profile::{Network, Profile, layer_name};
use serde::Serialize;

/// One layer here.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Enforced {
    /// As profiles call it.
    pub(super) layer: &'static str,
    pub(super) state: Word,
    /// In words: what is there, or what is not and what that means.
    pub(super) words: String,
    /// What to do about what is not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) fixes: Vec<String>,
}

/// How much of a layer a cell of the profile has here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    /// All of it.
    Full,
    /// The profile does not want it.
    Unused,
    /// All that is required, not all that is wished.
    Partial,
    /// The kernel does not say, or it depends on what is not known here.
    Unknown,
    /// A cell is built without it, as the profile lets it.
    Lacking,
    /// There is no cell of this profile here.
    Refused,
}

/// Which abilities of the host each layer needs, as `doctor` names them; `group.`
/// means all of a group.
const LAYERS: [(Layer, &[&str]); 9] = [
    (Layer::Namespaces, &["namespaces.kinds"]),
    (Layer::Network, &["namespaces.network"]),
    (Layer::View, &["mounts.view"]),
    (Layer::Workspace, &[]),
    (Layer::User, &["namespaces.user"]),
    (Layer::Privileges, &[]),
    (Layer::Cgroup, &["cgroup.layout", "cgroup.memory", "cgroup.pids", "cgroup.cpu"]),
    (Layer::Landlock, &["landlock."]),
    (Layer::Seccomp, &["seccomp.filter"]),
];

/// The layers, in the order in which they are built.
pub(super) fn layers(profile: &Profile, abilities: &Abilities) -> Vec<Enforced> {
    let table = abilities.table();
    let its =
        |name: &str| table.iter().filter(move |it| matches(name, it.name)).collect::<Vec<_>>();
    let mut layers = Vec::new();
    for (layer, names) in LAYERS {
        let mut abilities: Vec<&Ability> = names.iter().flat_map(|name| its(name)).collect();
        if layer == Layer::Cgroup && profile.limits.io_bytes_per_second > 0 {
            abilities.extend(its("cgroup.io"));
        }
        layers.push(judge(profile, layer, &abilities));
    }
    layers
}

fn matches(name: &str, ability: &str) -> bool {
    ability == name || (name.ends_with('.') && ability.starts_with(name))
}

fn told(layer: Layer, state: Word, words: String) -> Enforced {
    Enforced { layer: layer_name(layer), state, words, fixes: Vec::new() }
}

fn judge(profile: &Profile, layer: Layer, abilities: &[&Ability]) -> Enforced {
    if layer == Layer::Network && profile.network == Network::Host {
        return told(layer, Word::Unused, "the profile uses the host's network".to_owned());
    }
    if layer == Layer::Workspace {
        let words = "whether files keep their owner depends on the workspace's file system; \
                     `sudo cofferdam-agent doctor` tries it";
        return told(layer, Word::Unknown, words.to_owned());
    }
    if abilities.is_empty() {
        let words = "no capability, no_new_privs, a fresh keyring: every kernel has them";
        return told(layer, Word::Full, words.to_owned());
    }
    let weak: Vec<_> = abilities.iter().filter(|it| counts(it)).collect();
    if weak.is_empty() {
        let found = abilities.iter().map(|it| it.means.as_str()).collect::<Vec<_>>();
        return told(layer, Word::Full, found[..found.len().min(2)].join("; "));
    }
    let stops = weak.iter().any(|it| it.stops_cells());
    let unknown = weak.iter().any(|it| it.state == State::Unknown);
    let state = match (stops, profile.may_lack.contains(&layer)) {
        (true, true) => Word::Lacking,
        (true, false) => Word::Refused,
        (false, _) if unknown => Word::Unknown,
        (false, _) => Word::Partial,
    };
    let words = weak.iter().map(|it| format!("{}: {}; {}", it.name, it.detail, it.means));
    let words = words.collect::<Vec<_>>().join(". ");
    let fixes = weak.iter().filter_map(|it| it.fix.clone()).collect();
    Enforced { fixes, ..told(layer, state, words) }
}

/// Whether a cell is weaker for the state of this ability.
fn counts(ability: &Ability) -> bool {
    ability.state != State::Full && ability.need != Need::Noted
}

#[cfg(test)]
mod tests {
    use cofferdam_profile::Profiles;

    use super::*;

    fn ability(state: State, need: Need) -> Ability {
        Ability {
            name: "x.y",
            state,
            need,
            detail: "found".into(),
            means: "so".into(),
            fix: Some("mend".into()),
            since: None,
        }
    }

    fn profile(may_lack: &[Layer]) -> Profile {
        let mut profile = Profiles::load(None).unwrap().get("default").unwrap().clone();
        profile.may_lack = may_lack.iter().copied().collect();
        profile
    }

    #[test]
    fn a_layer_is_as_good_as_the_weakest_of_its_abilities() {
        let full = ability(State::Full, Need::Required);
        for (state, need, word) in [
            (State::Full, Need::Required, Word::Full),
            (State::Missing, Need::Required, Word::Refused),
            (State::Partial, Need::Required, Word::Partial),
            (State::Unknown, Need::Required, Word::Unknown),
            (State::Missing, Need::Wished, Word::Partial),
            (State::Missing, Need::Noted, Word::Full),
        ] {
            let told = judge(&profile(&[]), Layer::Cgroup, &[&full, &ability(state, need)]);
            assert_eq!(told.state, word, "{state:?} {need:?}");
            assert_eq!(told.fixes.is_empty(), word == Word::Full);
        }
    }

    #[test]
    fn a_missing_layer_is_no_refusal_where_the_profile_lets_it_be() {
        let missing = ability(State::Missing, Need::Required);
        let of = |layer| judge(&profile(&[Layer::Cgroup]), layer, &[&missing]).state;
        assert_eq!(of(Layer::Cgroup), Word::Lacking);
        assert_eq!(of(Layer::Landlock), Word::Refused);
    }

    #[test]
    fn the_hosts_network_needs_no_network_layer() {
        let mut profile = profile(&[]);
        profile.network = Network::Host;
        let missing = ability(State::Missing, Need::Required);
        assert_eq!(judge(&profile, Layer::Network, &[&missing]).state, Word::Unused);
    }

    #[test]
    fn every_layer_is_told_of_and_no_ability_is_misspelt() {
        let (profile, abilities) = (profile(&[]), cofferdam_abilities::probe());
        let told = layers(&profile, &abilities);
        assert_eq!(told.len(), 9);
        let table = abilities.table();
        for (layer, names) in LAYERS {
            for name in names {
                assert!(table.iter().any(|it| matches(name, it.name)), "{layer:?}: {name}");
            }
        }
    }
}
