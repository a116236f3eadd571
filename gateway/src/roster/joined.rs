//! The roster of a gateway that does not run: the configuration's hosts, and those that
//! its authority's state has. For commands that judge as the gateway would.

use cofferdam_authority::{Host, Owner, OwnerError, Standing, State};
use cofferdam_trust::{PeerName, Role};

use super::{EnrolledHost, EnrolledProject, HostConfig, Roster};
use crate::config::{AuthorityConfig, Config};

/// The roster of `config` with the hosts that joined. One that was revoked since is
/// there as well: what was asked of it then can be told. Where there is no authority,
/// or no state of it yet, it is the configuration's.
///
/// # Errors
/// Where the state cannot be read.
pub fn with_joined(config: &Config) -> Result<Roster, OwnerError> {
    let Some(authority) = config.authority.as_ref().filter(|it| it.settings.state.exists()) else {
        return Ok(config.roster.clone());
    };
    let state = State::look(&authority.settings.state)?;
    let hosts = Owner::new(&state, "").hosts()?;
    let known = hosts.into_iter().filter(|host| {
        matches!(host.standing, Standing::Joined | Standing::Revoked) && host.certified_at.is_some()
    });
    let enrolled = known.filter_map(|host| enrolled(host, authority)).collect();
    // What does not fit is left out, as the gateway leaves it out and says so.
    Ok(config.roster.with(enrolled).0)
}

fn enrolled(host: Host, authority: &AuthorityConfig) -> Option<EnrolledHost> {
    let Host { name, labels, projects, address, signing_key, .. } = host;
    let agent = PeerName::new(&authority.trust_domain, Role::Agent, &name).ok()?;
    let key = signing_key?.parse().ok()?;
    let projects = projects
        .into_iter()
        .map(|project| EnrolledProject { name: project.name, workspace: project.workspace });
    Some(EnrolledHost {
        name,
        host: HostConfig { address, labels, agent, key },
        projects: projects.collect(),
    })
}
