//! A file and its parent become a profile.
//!
//! What the file says wins, what it does not say comes from the parent, and what
//! neither says has a default or is an error. Each value is checked for itself
//! here; that the whole is nowhere wider than the parent is
//! [`crate::narrowing`]'s.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_plan::Layer;
use cofferdam_proxy_protocol::Destination;

use crate::file::{
    AccessWord, EnforcementSection, EnvironmentSection, File, Layers, NetworkSection, NetworkWord,
    SyscallsSection,
};
use crate::{Network, Profile, ProfileError, environment, layers, narrowing};

mod amounts;
mod places;

use places::Places;

/// The most places that the proxy lets through.
const MAX_DESTINATIONS: usize = 256;

/// A key and what is wrong with its value.
type Problem = (&'static str, String);

/// Makes the profile `name` of `file`.
pub(crate) fn resolve(
    file: File,
    name: &str,
    parent: Option<&Profile>,
) -> Result<Profile, ProfileError> {
    let value = |(key, problem)| ProfileError::Value { name: name.into(), key, problem };
    let profile = read(file, name, parent).map_err(value)?;
    if let Some(parent) = parent {
        narrowing::check(&profile, parent).map_err(|wider| wider.of(name, parent))?;
    }
    Ok(profile)
}

fn read(file: File, name: &str, parent: Option<&Profile>) -> Result<Profile, Problem> {
    let File {
        version,
        description,
        inherits: _,
        workspace,
        view,
        programs,
        home,
        scratch,
        network,
        syscalls,
        limits,
        session,
        environment,
        enforcement,
    } = file;
    if version != 1 {
        return Err(("version", format!("is {version}; this program reads 1")));
    }
    let access = workspace.access.map(|access| access == AccessWord::Write);
    let write = required("workspace.access", access, parent.map(|p| p.write))?;
    let execute = workspace.execute.or(parent.map(|p| p.execute)).unwrap_or(false);
    let protect = places::protect(&workspace.protect, parent)?;
    let Places { show, read, programs, libraries, search_path, home, scratch } =
        places::resolve(view, programs, home, scratch, parent)?;
    let (environment, allowed_variables) = variables(environment, parent)?;
    let loopback = network.loopback;
    let network = reach(network, parent.map(|p| &p.network))?;
    let ancestors = parent.into_iter().flat_map(|p| [&p.name].into_iter().chain(&p.inherits));
    Ok(Profile {
        name: name.to_owned(),
        description: description.unwrap_or_default(),
        inherits: ancestors.cloned().collect(),
        write,
        execute,
        protect,
        show,
        read,
        programs,
        libraries,
        search_path,
        home,
        scratch,
        loopback: own_loopback(loopback, &network, parent)?,
        network,
        filter: filter(syscalls, parent)?,
        limits: amounts::limits(&limits, parent.map(|p| &p.limits))?,
        session: amounts::session(&session, parent.map(|p| &p.session))?,
        environment,
        allowed_variables,
        may_lack: may_lack(enforcement, parent)?,
    })
}

/// The file's, or the parent's; without either, an error that says so.
fn required<T>(key: &'static str, own: Option<T>, parent: Option<T>) -> Result<T, Problem> {
    own.or(parent).ok_or_else(|| {
        let fix =
            "is missing: say it, or inherit from a profile that does (`inherits = \"default\"`)";
        (key, fix.to_owned())
    })
}

/// The variables that are set, the child's over the parent's, and those that a
/// request may set.
fn variables(
    section: EnvironmentSection,
    parent: Option<&Profile>,
) -> Result<(BTreeMap<String, String>, BTreeSet<String>), Problem> {
    let EnvironmentSection { set, allow } = section;
    let inherited = parent.map(|p| p.environment.clone()).unwrap_or_default();
    let set: BTreeMap<_, _> = inherited.into_iter().chain(set).collect();
    let inherited = parent.map(|p| p.allowed_variables.clone());
    let allow = allow.map(BTreeSet::from_iter).or(inherited).unwrap_or_default();
    environment::check_profile(&set, &allow).map_err(|problem| ("environment", problem))?;
    Ok((set, allow))
}

fn reach(section: NetworkSection, parent: Option<&Network>) -> Result<Network, Problem> {
    let NetworkSection { mode, allow, loopback: _ } = section;
    let inherited = parent.map_or(NetworkWord::None, |network| match network {
        Network::None => NetworkWord::None,
        Network::Proxy(_) => NetworkWord::Proxy,
        Network::Host => NetworkWord::Host,
    });
    let mode = mode.unwrap_or(inherited);
    if mode != NetworkWord::Proxy && allow.is_some() {
        return Err(("network.allow", "goes with `mode = \"proxy\"` only".to_owned()));
    }
    Ok(match mode {
        NetworkWord::None => Network::None,
        NetworkWord::Host => Network::Host,
        NetworkWord::Proxy => Network::Proxy(match (allow, parent) {
            (Some(allow), _) => destinations(&allow)?,
            (None, Some(Network::Proxy(inherited))) => inherited.clone(),
            (None, _) => destinations(&[])?,
        }),
    })
}

/// Whether runs may listen and connect on the cell's own loopback. Where nobody
/// says it they may not; with the host's network there is no loopback of a cell,
/// and its ports cannot be told apart from those that the mode gives.
fn own_loopback(
    own: Option<bool>,
    network: &Network,
    parent: Option<&Profile>,
) -> Result<bool, Problem> {
    match (network, own) {
        (Network::Host, Some(false)) => Err((
            "network.loopback",
            "is false, and `network.mode = \"host\"` has no loopback of the cell's own: its ports \
             are those of the host; leave the key out, or say `mode = \"none\"` or `\"proxy\"`"
                .to_owned(),
        )),
        (Network::Host, _) => Ok(true),
        (Network::None | Network::Proxy(_), own) => {
            Ok(own.or(parent.map(|p| p.loopback)).unwrap_or(false))
        }
    }
}

fn destinations(texts: &[String]) -> Result<Vec<Destination>, Problem> {
    let wrong = |problem| Err(("network.allow", problem));
    match texts.len() {
        0 => {
            return wrong(
                "is empty: name hosts, such as \"crates.io:443\", or say `mode = \"none\"`"
                    .to_owned(),
            );
        }
        1..=MAX_DESTINATIONS => {}
        many => return wrong(format!("has {many} entries; at most {MAX_DESTINATIONS}")),
    }
    let mut destinations = Vec::new();
    for text in texts {
        match text.parse::<Destination>() {
            Ok(destination) => destinations.push(destination),
            Err(problem) => return wrong(format!("has `{text}`: {problem}")),
        }
    }
    destinations.sort_by_key(ToString::to_string);
    destinations.dedup();
    Ok(destinations)
}

fn filter(section: SyscallsSection, parent: Option<&Profile>) -> Result<String, Problem> {
    let filter = required("syscalls.filter", section.filter, parent.map(|p| p.filter.clone()))?;
    if cofferdam_filter::by_name(&filter).is_none() {
        let known = cofferdam_filter::FILTERS.iter().map(|it| format!("`{}`", it.name));
        let known = known.collect::<Vec<_>>().join(", ");
        return Err(("syscalls.filter", format!("names no filter: `{filter}`; there are {known}")));
    }
    Ok(filter)
}

fn may_lack(
    section: EnforcementSection,
    parent: Option<&Profile>,
) -> Result<BTreeSet<Layer>, Problem> {
    let names = match section.may_lack {
        None => return Ok(parent.map(|p| p.may_lack.clone()).unwrap_or_default()),
        Some(Layers::Word(word)) if word == "all" => return Ok(layers::all()),
        Some(Layers::Word(word)) => vec![word],
        Some(Layers::Names(names)) => names,
    };
    let layers = names.iter().map(|name| layers::by_name(name)).collect::<Result<_, _>>();
    layers.map_err(|problem| ("enforcement.may_lack", problem))
}
