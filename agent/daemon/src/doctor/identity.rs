//! Certificate, keys and authorities of the agent.

use std::time::{Duration, SystemTime};

use cofferdam_abilities::Ability;
use cofferdam_trust::{Identity, Role, SigningKey};

use super::prerequisites::{missing, partial, there};
use crate::config::Config;
use crate::enrolment;

/// A certificate that ends sooner is told.
const SOON: Duration = Duration::from_mins(15);

/// TLS identity and signing key.
pub(super) fn lines(config: &Config) -> Vec<Ability> {
    vec![certificate(config), signing_key(config)]
}

/// By what gateways know this host, or why they cannot.
///
/// # Errors
/// In words, where its files cannot be used.
pub fn certificate_of(config: &Config) -> Result<Identity, String> {
    let loaded = enrolment::load(config).map_err(|error| error.to_string())?;
    Ok(loaded.identity)
}

fn certificate(config: &Config) -> Ability {
    let name = "agent.certificate";
    let identity = match certificate_of(config) {
        Ok(identity) => identity,
        Err(error) => {
            return missing(name, error).means("no gateway can connect").fix(
                "have `cofferdam pki` make certificate and key, readable for the agent alone",
            );
        }
    };
    let own = identity.own();
    let named = config.name.is_empty() || own.name.name() == config.name;
    if own.name.role() != Role::Agent || !named {
        return missing(name, format!("it is {}'s", own.name))
            .means(format!("gateways expect an agent called `{}` here", config.name))
            .fix("name this host's certificate under [identity] in the configuration");
    }
    let left = own.not_after.duration_since(SystemTime::now()).unwrap_or_default();
    let fix = "have `cofferdam pki` make a new certificate";
    if left.is_zero() {
        missing(name, format!("{}: it has expired", own.name)).means("no gateway connects").fix(fix)
    } else if left < SOON {
        partial(name, format!("{}: it ends in {} min", own.name, left.as_secs() / 60))
            .means("then no gateway connects any more")
            .fix(fix)
    } else {
        let detail = format!("{}, good for {} min", own.name, left.as_secs() / 60);
        there(name, detail).means("gateways of the same authorities can connect")
    }
}

fn signing_key(config: &Config) -> Ability {
    let name = "agent.signing-key";
    match SigningKey::load(&config.signing_key) {
        Ok(key) => there(name, format!("key id {}", key.key_id()))
            .means("receipts and the journal's checkpoints are signed"),
        Err(error) => missing(name, error.to_string())
            .means("the agent does not start: it could not sign what it did")
            .fix("have `cofferdam pki` make a signing key, readable for the agent alone"),
    }
}
