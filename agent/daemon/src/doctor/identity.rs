//! Certificate, keys and authorities of the agent; for a host that enrolled, whether
//! what renews itself does.

use std::time::{Duration, SystemTime};

use cofferdam_abilities::Ability;
use cofferdam_trust::SigningKey;

use super::prerequisites::{missing, partial, there};
use crate::config::Config;
use crate::enrolment::{self, Loaded, Membership};

/// A certificate that nobody renews and that ends sooner is told.
const SOON: Duration = Duration::from_mins(15);
/// What renews itself has done so before less than this part of its life is left.
const OVERDUE: f64 = 0.25;

/// TLS identity, trust list and signing key.
pub(super) fn lines(config: &Config) -> Vec<Ability> {
    let now = SystemTime::now();
    match enrolment::load(config) {
        Ok(loaded) => {
            let trust = loaded.enrolled.as_ref().map(|(_, membership)| trust(membership, now));
            let certificate = certificate(config, &loaded, now);
            [Some(certificate), trust, Some(signing_key(config))].into_iter().flatten().collect()
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
    let left = own.not_after.duration_since(now).unwrap_or_default();
    let (soon, fix) = match &loaded.enrolled {
        None => (SOON, "have `cofferdam pki` make a new certificate"),
        Some((_, membership)) => {
            let life = own.not_after.duration_since(membership.received).unwrap_or_default();
            let fix = "cofferdam-agent status tells why it is not renewed; once it has expired, a \
                       running agent still renews it a few times, and then enrols anew with \
                       `--replace`";
            (life.mul_f64(OVERDUE), fix)
        }
    };
    if left.is_zero() {
        missing(name, format!("{}: it has expired", own.name)).means("no gateway connects").fix(fix)
    } else if left < soon {
        partial(name, format!("{}: it ends in {}", own.name, in_words(left)))
            .means("then no gateway connects any more")
            .fix(fix)
    } else {
        let by = loaded.enrolled.as_ref().map(|(_, it)| format!(", renewed by {}", it.authority));
        let by = by.unwrap_or_default();
        let detail = format!("{}, good for {}{by}", own.name, in_words(left));
        there(name, detail).means("gateways of the same authorities can connect")
    }
}

/// The authority's word about gateways.
fn trust(membership: &Membership, now: SystemTime) -> Ability {
    let name = "agent.trust-list";
    let list = &membership.trust;
    let left = list.expires_at.duration_since(now).unwrap_or_default();
    let life = list.expires_at.duration_since(list.issued_at).unwrap_or_default();
    let detail = format!("version {}, of {}", list.version, membership.authority);
    let fix = format!("see that this host reaches its authority at {}", membership.address);
    if left.is_zero() {
        missing(name, format!("{detail}: it has ended"))
            .means("gateways that only the authority names may not call")
            .fix(fix)
    } else if left < life.mul_f64(OVERDUE) {
        partial(name, format!("{detail}: it ends in {}", in_words(left)))
            .means("then gateways that only the authority names may not call any more")
            .fix(fix)
    } else {
        there(name, format!("{detail}, good for {}", in_words(left)))
            .means("revoked peers are refused, gateways of the authority are known")
    }
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

fn in_words(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
