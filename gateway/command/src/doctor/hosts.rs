//! The hosts: who waits for somebody, whose certificate lapsed, and which do not
//! answer, with why.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cofferdam_authority::{Host, Owner, Settings, Standing, State as AuthorityState};
use cofferdam_gateway::Config;
use cofferdam_gateway::config::AuthorityConfig;
use cofferdam_trust::span_in_words;

use super::Finding;

/// How long a host may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(3);
/// Hosts that are tried at the same time.
const AT_ONCE: usize = 32;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let enrolled = config.authority.as_ref().map(enrolled).unwrap_or_default();
    let settings = config.authority.as_ref().map(|it| &it.settings);
    let judged = enrolled.iter().filter_map(|host| standing(host, settings?));
    let mut all: Vec<Finding> = judged.collect();
    let named = config.roster.hosts.iter();
    let mut places: Vec<(String, String)> =
        named.filter_map(|(name, host)| Some((name.clone(), host.address.clone()?))).collect();
    let joined = enrolled.iter().filter(|host| host.standing == Standing::Joined);
    places.extend(joined.filter_map(|host| Some((host.name.clone(), host.address.clone()?))));
    for some in places.chunks(AT_ONCE) {
        let trying = some
            .iter()
            .cloned()
            .map(|(name, address)| std::thread::spawn(move || reach(&name, &address)));
        let trying: Vec<_> = trying.collect();
        all.extend(trying.into_iter().filter_map(|trying| trying.join().ok()));
    }
    if all.is_empty() {
        let count = config.roster.hosts.len() + enrolled.len();
        all.push(Finding::good("hosts", format!("{count} are known; none is dialled from here")));
    }
    all
}

/// Those that the authority knows; what is wrong with its state is told elsewhere.
fn enrolled(authority: &AuthorityConfig) -> Vec<Host> {
    let state = &authority.settings.state;
    if !state.exists() {
        return Vec::new();
    }
    let hosts = AuthorityState::look(state).map(|state| Owner::new(&state, "").hosts());
    hosts.ok().and_then(Result::ok).unwrap_or_default()
}

/// Whether a host waits for its owner. An alarm about one that is revoked is over.
fn standing(host: &Host, settings: &Settings) -> Option<Finding> {
    let name = format!("host.{}", host.name);
    let of = &host.name;
    match (host.standing, &host.alarm) {
        (Standing::Joined, Some(alarm)) => {
            let fix = format!(
                "find out who is the right one: `cofferdam host show {of}`; then `cofferdam host \
                 trust {of}`, or `cofferdam host revoke {of}`, `cofferdam host remove {of}`, and \
                 invite it again"
            );
            Some(Finding::wrong(name, format!("ALARM: {alarm}"), fix))
        }
        (Standing::Refused, Some(alarm)) => {
            let fix = format!(
                "find out who got the token; then `cofferdam host remove {of}`, and invite it again"
            );
            Some(Finding::see_to(name, format!("ALARM: {alarm}: it was not let in"), fix))
        }
        (Standing::Pending, _) => {
            let fix = format!("`cofferdam host show {of}`, then `approve` or `refuse`");
            Some(Finding::see_to(name, "it showed its token and waits to be approved", fix))
        }
        (Standing::Joined, None) => lapsed(&name, host, settings),
        (Standing::Invited | Standing::Approved | Standing::Revoked, _)
        | (Standing::Refused, None) => None,
    }
}

fn lapsed(name: &str, host: &Host, settings: &Settings) -> Option<Finding> {
    let ends = UNIX_EPOCH + Duration::from_secs(host.certificate_ends_at?);
    let past = SystemTime::now().duration_since(ends).ok()?;
    let of = &host.name;
    let left = settings.reattestations.saturating_sub(host.reattested);
    let words = span_in_words(past);
    if left == 0 || past > settings.reattest_within {
        let detail = format!("its certificate ended {words} ago, and it gets no other by itself");
        let fix = format!(
            "`cofferdam host trust {of}` forgives it; else `cofferdam host remove {of}` and invite \
             it again"
        );
        return Some(Finding::wrong(name, detail, fix));
    }
    let detail = format!("its certificate ended {words} ago; {left} more are given by its key");
    let fix = "see whether it is switched on and reaches the authority: `cofferdam-agent status` \
               there";
    Some(Finding::see_to(name, detail, fix))
}

/// Whether a host takes connections where the gateway dials it.
fn reach(host: &str, address: &str) -> Finding {
    let name = format!("host.{host}.reach");
    let fix = format!(
        "on {host}: systemctl status cofferdam-agent; between here and there: names, routes, \
         firewalls"
    );
    let places = match address.to_socket_addrs() {
        Ok(places) => places,
        Err(error) => {
            return Finding::see_to(name, format!("{address} is no place: {error}"), fix);
        }
    };
    let mut why = "it has no address".to_owned();
    for place in places {
        match TcpStream::connect_timeout(&place, PATIENCE) {
            Ok(_) => return Finding::good(name, format!("{address} takes connections")),
            Err(error) => why = format!("{place}: {error}"),
        }
    }
    Finding::see_to(name, format!("{address} takes no connections: {why}"), fix)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::doctor::State;

    /// What is told of a host about which there is an alarm.
    fn alarmed(standing: Standing) -> Option<Finding> {
        let host = Host {
            name: "web-1".to_owned(),
            standing,
            alarm: Some("its join token was shown by somebody else, too".to_owned()),
            labels: BTreeMap::new(),
            projects: Vec::new(),
            address: None,
            signing_key: None,
            agent_version: String::new(),
            reattested: 0,
            invited_at: 0,
            enrolled_at: None,
            certified_at: None,
            certificate_ends_at: None,
        };
        super::standing(&host, &Settings::new("authority".into(), "authority.sqlite".into()))
    }

    #[test]
    fn an_alarm_is_told_with_what_ends_it_and_is_over_once_the_host_is_revoked() {
        let joined = alarmed(Standing::Joined).unwrap();
        assert_eq!(joined.state, State::Wrong);
        let fix = joined.fix.unwrap();
        assert!(fix.contains("host trust web-1") && fix.contains("host remove web-1"), "{fix}");
        // One that was not let in cannot be trusted.
        let refused = alarmed(Standing::Refused).unwrap();
        assert_eq!(refused.state, State::SeeTo);
        let fix = refused.fix.unwrap();
        assert!(!fix.contains("host trust") && fix.contains("host remove web-1"), "{fix}");
        assert_eq!(alarmed(Standing::Revoked), None);
    }
}
