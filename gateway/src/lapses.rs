//! What of the gateway's ends by itself, and when: its certificates, its authority's,
//! the trust list. Metrics read it, and the log warns of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cofferdam_authority::JoinedHost;
use cofferdam_metrics::{Lapsing, Rhythm};
use cofferdam_trust::{CLOCK_SKEW, Identity, Lapse, Outlook};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::joining::Joining;

/// How often it is looked at.
const LOOK: Duration = Duration::from_mins(1);

/// What was loaded at the start and is never loaded again.
#[derive(Debug)]
pub(crate) struct Loaded(Vec<Lapsing>);

impl Loaded {
    /// The certificate towards clients, and the one towards agents where it is a file.
    pub(crate) fn of(config: &Config, identity: Option<&Identity>) -> Self {
        let front = config.tls.as_ref().and_then(|files| {
            let chain = std::fs::read(&files.certificate).ok()?;
            Lapse::of_chain(&chain, false).ok()
        });
        let own = identity.map(|identity| identity.lapse(false));
        let front = front.map(|lapse| Lapsing::of("front", lapse));
        Self(front.into_iter().chain(own.map(|lapse| Lapsing::of("own", lapse))).collect())
    }

    /// With those of the authority, where there is one.
    pub(crate) fn with(&self, joining: Option<&Joining>) -> Vec<Lapsing> {
        let mut all = self.0.clone();
        let Some(joining) = joining else { return all };
        all.push(Lapsing::of("own", own(&joining.identity())));
        let roster = joining.roster();
        all.extend(roster.trust_lapse.map(|lapse| Lapsing::of("trust_list", lapse)));
        for it in &roster.generations {
            let generation = it.generation.to_string();
            let lapsing = |what, lapse| Lapsing { what, generation: generation.clone(), lapse };
            all.push(lapsing("authority", it.certificate));
            all.push(lapsing("root", it.root));
        }
        all
    }
}

/// The certificate that the authority renews. It begins, as renewing goes, when it was
/// made: it says [`CLOCK_SKEW`] earlier, for clocks that are late.
fn own(identity: &Identity) -> Lapse {
    let lapse = identity.lapse(true);
    Lapse { begins: lapse.begins + CLOCK_SKEW, ..lapse }
}

/// Warns of what ends soon or has ended: when that begins, and once a day, until
/// shutdown.
pub(crate) async fn warn(gateway: Arc<Gateway>, shutdown: CancellationToken) {
    let mut told = Rhythm::default();
    loop {
        let now = SystemTime::now();
        for worry in worries(&gateway, now) {
            if told.is_news(&worry.name, worry.outlook, now) {
                tracing::warn!(what = worry.name, "{}", worry.words);
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Something that somebody has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Worry {
    name: String,
    outlook: Outlook,
    words: String,
}

fn worries(gateway: &Gateway, now: SystemTime) -> Vec<Worry> {
    let own = gateway.lapses().into_iter().filter_map(|it| worry(&it, now));
    let joined = gateway.joining().map(Joining::roster);
    let hosts = joined.iter().flat_map(|roster| &roster.hosts);
    own.chain(hosts.filter_map(|(name, host)| worry_of_host(name, host, now))).collect()
}

fn worry(lapsing: &Lapsing, now: SystemTime) -> Option<Worry> {
    let Lapsing { what, generation, lapse } = lapsing;
    let outlook = lapse.outlook(now);
    if outlook == Outlook::Good {
        return None;
    }
    let (subject, advice) = match *what {
        "front" => ("the certificate for clients", "renew the files of `[tls]`, and restart"),
        "own" if lapse.by_itself => {
            ("the gateway's certificate", "the lines about the authority say why it is not renewed")
        }
        "own" => {
            ("the gateway's certificate", "issue another one (`cofferdam pki issue`), and restart")
        }
        "trust_list" => {
            ("the trust list", "the lines about the authority say why there is no newer one")
        }
        "root" => ("the authority's root", "let another one follow: `cofferdam authority rotate`"),
        _ => {
            ("the authority's certificate", "let another one follow: `cofferdam authority rotate`")
        }
    };
    let words = match outlook {
        Outlook::Over => format!("{subject} {}: {advice}", lapse.in_words(now)),
        _ => format!("{subject} ends in {}: {advice}", lapse.in_words(now)),
    };
    Some(Worry { name: format!("{what}{generation}"), outlook, words })
}

/// A host that does not renew is most often one that is switched off, so it is told
/// only once its certificate has lapsed.
fn worry_of_host(name: &str, host: &JoinedHost, now: SystemTime) -> Option<Worry> {
    let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(host.certificate_ends_at);
    let past = now.duration_since(ends).ok()?;
    let words = format!(
        "the certificate of the host {name} ended {} ago, and it did not ask for another one: it may \
         be switched off, or not reach the authority; {} more are given by its key",
        cofferdam_trust::span_in_words(past),
        host.reattestations_left,
    );
    Some(Worry { name: format!("host {name}"), outlook: Outlook::Over, words })
}

#[cfg(test)]
mod tests {
    use cofferdam_trust::{Authority, Lifetime};

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_certificate_of_minutes_is_not_overdue_when_it_is_renewed_in_time() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(&directory.path().join("authority")).unwrap();
        let name = "spiffe://cofferdam/gateway/main".parse().unwrap();
        let lifetime = Lifetime::from_now(Duration::from_mins(5));
        let made = lifetime.not_before + CLOCK_SKEW;
        let issued = authority.issue(&name, lifetime).unwrap();
        let (chain, key) = (&issued.certificate_pem, &issued.key_pem);
        let roots = [authority.root_der().to_vec()];
        let identity = Identity::from_parts(directory.path(), chain, key, &roots).unwrap();
        let lapse = own(&identity);
        // It is renewed after two thirds.
        assert_eq!(lapse.outlook(made + Duration::from_secs(200)), Outlook::Good);
        assert_eq!(lapse.outlook(made + Duration::from_secs(230)), Outlook::Soon);
    }

    #[test]
    fn a_worry_is_told_when_it_begins_when_it_gets_worse_and_once_a_day() {
        let day = 86_400;
        let lapse = Lapse { begins: at(0), ends: at(90 * day), by_itself: false };
        let root = Lapsing { what: "root", generation: "1".to_owned(), lapse };
        let mut told = Rhythm::default();
        let mut news = |seconds| {
            let worry = worry(&root, at(seconds)).unwrap();
            told.is_news(&worry.name, worry.outlook, at(seconds))
        };
        assert_eq!(worry(&root, at(50 * day)), None);
        assert!(news(70 * day));
        assert!(!news(70 * day + 60) && !news(71 * day - 1));
        assert!(news(71 * day));
        assert!(news(90 * day) && !news(90 * day + 60) && news(91 * day));
        let words = worry(&root, at(70 * day)).unwrap().words;
        assert!(words.contains("ends in 20 days") && words.contains("authority rotate"), "{words}");
        let words = worry(&root, at(92 * day)).unwrap().words;
        assert!(words.contains("the authority's root ended 2 days ago"), "{words}");
    }
}
