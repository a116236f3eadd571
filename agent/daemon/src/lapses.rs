//! What of this host's ends by itself, and when: its certificate, the trust list, the
//! roots that it believes. Status, metrics and doctor tell it by this, and the log warns
//! of it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use cofferdam_metrics::{Lapsing, Rhythm};
use cofferdam_trust::{Lapse, Outlook};

use crate::config::Config;
use crate::enrolment::{self, LoadError, Loaded, Membership};

/// How often it is looked at.
const LOOK: Duration = Duration::from_mins(1);

/// As the files of `config` say. Reads them.
///
/// # Errors
/// Where this host has no identity that can be used.
pub fn of(config: &Config) -> Result<Vec<Lapsing>, LoadError> {
    let loaded = enrolment::load(config)?;
    let own = Lapsing::of("own", own(&loaded));
    let enrolled = loaded.enrolled.as_ref().map(|(_, membership)| membership);
    let list = enrolled.map(|it| Lapsing::of("trust_list", list(it)));
    let root = root(config, enrolled).map(|lapse| Lapsing::of("root", lapse));
    Ok([Some(own), list, root].into_iter().flatten().collect())
}

/// The certificate. One that is renewed begins, as renewing goes, when it came here: it
/// says earlier, for clocks that are late.
#[must_use]
pub fn own(Loaded { identity, enrolled }: &Loaded) -> Lapse {
    let lapse = identity.lapse(enrolled.is_some());
    match enrolled {
        Some((_, membership)) => Lapse { begins: membership.received, ..lapse },
        None => lapse,
    }
}

/// The authority's word about gateways.
#[must_use]
pub fn list(membership: &Membership) -> Lapse {
    let list = &membership.trust;
    Lapse { begins: list.issued_at, ends: list.expires_at, by_itself: false }
}

/// The root that lasts longest of those believed here: others follow it before it ends.
#[must_use]
pub fn root(config: &Config, enrolled: Option<&Membership>) -> Option<Lapse> {
    let roots = match (enrolled, &config.identity.files) {
        (Some(membership), _) => {
            let roots = membership.trust.roots.iter();
            roots.filter_map(|der| Lapse::of_certificate(der, false).ok()).collect()
        }
        (None, Some(files)) => of_file(&files.authorities).into_iter().collect(),
        (None, None) => Vec::new(),
    };
    roots.into_iter().max_by_key(|lapse| lapse.ends)
}

fn of_file(path: &Path) -> Option<Lapse> {
    Lapse::of_chain(&std::fs::read(path).ok()?, false).ok()
}

/// Warns of what ends soon or has ended, for as long as the agent serves.
pub async fn warn(config: Config) {
    let mut told = Rhythm::default();
    loop {
        let found = tokio::task::block_in_place(|| of(&config)).unwrap_or_else(|error| {
            tracing::warn!(%error, "what ends soon cannot be told");
            Vec::new()
        });
        let now = SystemTime::now();
        for Lapsing { what, lapse, .. } in found {
            let outlook = lapse.outlook(now);
            if outlook != Outlook::Good && told.is_news(what, outlook, now) {
                tracing::warn!(what, "{}", words(what, &lapse, now));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What is wrong, and what to do.
#[must_use]
pub fn words(what: &str, lapse: &Lapse, now: SystemTime) -> String {
    let (subject, then, advice) = match what {
        "own" if lapse.by_itself => (
            "this host's certificate",
            "no gateway connects",
            "`cofferdam-agent status` tells why it is not renewed",
        ),
        "own" => (
            "this host's certificate",
            "no gateway connects",
            "have `cofferdam pki` make another one",
        ),
        "trust_list" => (
            "the authority's trust list",
            "gateways that only the authority names may not call",
            "see that this host reaches its authority",
        ),
        _ => (
            "the newest root that this host believes",
            "nobody is believed",
            "the gateway's owner lets another one follow: `cofferdam authority rotate`",
        ),
    };
    match lapse.outlook(now) {
        Outlook::Over => format!("{subject} {}: {then}; {advice}", lapse.in_words(now)),
        _ => format!("{subject} ends in {}, and then {then}; {advice}", lapse.in_words(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_told_with_what_it_means_and_what_to_do() {
        let now = SystemTime::now();
        let ends = |left: i64| {
            let span = Duration::from_secs(left.unsigned_abs());
            let ends = if left < 0 { now - span } else { now + span };
            Lapse { begins: now - Duration::from_hours(1), ends, by_itself: true }
        };
        let soon = words("own", &ends(600), now);
        assert!(soon.contains("ends in 10 min, and then no gateway connects"), "{soon}");
        let over = words("trust_list", &ends(-7200), now);
        assert!(over.contains("trust list ended 2 h ago: gateways that only"), "{over}");
    }
}
