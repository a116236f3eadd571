//! Certificate, keys and authorities of the agent; for a host that enrolled, whether
//! what renews itself does.

use std::time::{Duration, SystemTime};

use cofferdam_abilities::Ability;
use cofferdam_trust::{CLOCK_SKEW, Lapse, Outlook, SigningKey, span_in_words};

use super::prerequisites::{missing, partial, there};
use crate::config::Config;
use crate::enrolment::{self, Loaded, Membership};
use crate::lapses;

/// Lines about what ends by itself, or would by a wrong clock.
pub(super) const TIMELY: [&str; 4] =
    ["agent.certificate", "agent.root", "agent.trust-list", "agent.clock"];
/// Clocks that are further apart than this are told; an answer may take a minute or two.
const APART: Duration = Duration::from_secs(150);

/// TLS identity, trust list and signing key.
pub(super) fn lines(config: &Config) -> Vec<Ability> {
    let now = SystemTime::now();
    match enrolment::load(config) {
        Ok(loaded) => {
            let membership = loaded.enrolled.as_ref().map(|(_, membership)| membership);
            let root = lapses::root(config, membership).map(|lapse| root(&lapse, now));
            let trust = membership.map(|membership| trust(membership, now));
            let clock = membership.and_then(|membership| clock(membership, &loaded));
            let certificate = certificate(config, &loaded, now);
            let lines = [Some(certificate), root, trust, clock, Some(signing_key(config))];
            lines.into_iter().flatten().collect()
        }
        Err(error) => {
            let line = missing("agent.certificate", error.to_string())
                .means("no gateway can connect")
                .fix(
                    "cofferdam-agent enroll with a join token of `cofferdam host invite`, or have \
                     `cofferdam pki` make certificate and key, readable for the agent alone",
                );
            vec![line, signing_key(config)]
        }
    }
}

fn certificate(config: &Config, loaded: &Loaded, now: SystemTime) -> Ability {
    let name = "agent.certificate";
    let own = loaded.identity.own();
    if !config.name.is_empty() && own.name.name() != config.name {
        return missing(name, format!("it is {}'s", own.name))
            .means(format!("gateways expect an agent called `{}` here", config.name))
            .fix("name this host's certificate under [identity] in the configuration");
    }
    let fix = if loaded.enrolled.is_some() {
        "cofferdam-agent status tells why it is not renewed; once it has expired, a running agent \
         still renews it a few times, and then enrols anew with `--replace`"
    } else {
        "have `cofferdam pki` make a new certificate"
    };
    let lapse = lapses::own(loaded);
    let words = lapse.in_words(now);
    match lapse.outlook(now) {
        Outlook::Over => {
            missing(name, format!("{}: it {words}", own.name)).means("no gateway connects").fix(fix)
        }
        Outlook::Soon => partial(name, format!("{}: it ends in {words}", own.name))
            .means("then no gateway connects any more")
            .fix(fix),
        Outlook::Good => {
            let by =
                loaded.enrolled.as_ref().map(|(_, it)| format!(", renewed by {}", it.authority));
            let by = by.unwrap_or_default();
            let detail = format!("{}, good for {words}{by}", own.name);
            there(name, detail).means("gateways of the same authorities can connect")
        }
    }
}

/// The newest root that is believed here.
fn root(lapse: &Lapse, now: SystemTime) -> Ability {
    let (name, words) = ("agent.root", lapse.in_words(now));
    let fix = "have the gateway's owner let another one follow (`cofferdam authority rotate`, or \
               `cofferdam pki`)";
    match lapse.outlook(now) {
        Outlook::Over => missing(name, format!("the newest that is believed here {words}"))
            .means("nobody is believed, and no gateway connects")
            .fix(fix),
        Outlook::Soon => partial(name, format!("the newest that is believed here ends in {words}"))
            .means("then nobody is believed any more")
            .fix(fix),
        Outlook::Good => {
            there(name, format!("the newest that is believed here is good for {words}"))
                .means("certificates of gateways and of this host can be checked")
        }
    }
}

/// The authority's word about gateways.
fn trust(membership: &Membership, now: SystemTime) -> Ability {
    let name = "agent.trust-list";
    let lapse = lapses::list(membership);
    let words = lapse.in_words(now);
    let detail = format!("version {}, of {}", membership.trust.version, membership.authority);
    let fix = format!("see that this host reaches its authority at {}", membership.address);
    match lapse.outlook(now) {
        Outlook::Over => missing(name, format!("{detail}: it {words}"))
            .means("gateways that only the authority names may not call")
            .fix(fix),
        Outlook::Soon => partial(name, format!("{detail}: it ends in {words}"))
            .means("then gateways that only the authority names may not call any more")
            .fix(fix),
        Outlook::Good => there(name, format!("{detail}, good for {words}"))
            .means("revoked peers are refused, gateways of the authority are known"),
    }
}

/// How far this clock was from the authority's when the certificate came: that says when
/// it was made, and this host when it came.
fn clock(membership: &Membership, loaded: &Loaded) -> Option<Ability> {
    let name = "agent.clock";
    // Certificates begin earlier by so much, for clocks that are late.
    let made = loaded.identity.lapse(true).begins.checked_add(CLOCK_SKEW)?;
    let (apart, ahead) = match membership.received.duration_since(made) {
        Ok(apart) => (apart, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let words =
        format!("{} {ahead} its authority's when the certificate came", span_in_words(apart));
    Some(if apart <= APART {
        there(name, words).means("requests are signed at times that the authority takes")
    } else {
        partial(name, words)
            .means("five minutes apart, nothing is renewed, and calls are refused as too old")
            .fix("set the clock, here or there: timedatectl(1)")
    })
}

fn signing_key(config: &Config) -> Ability {
    let name = "agent.signing-key";
    match SigningKey::load(&config.signing_key) {
        Ok(key) => there(name, format!("key id {}", key.key_id()))
            .means("receipts and the journal's checkpoints are signed"),
        Err(error) => missing(name, error.to_string())
            .means("the agent does not start: it could not sign what it did")
            .fix(
                "cofferdam-agent enroll makes one; or have `cofferdam pki` make it, readable for \
                 the agent alone",
            ),
    }
}
