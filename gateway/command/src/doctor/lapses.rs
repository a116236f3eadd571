//! What ends by itself: certificates, the authority's root, the trust list.

use std::time::SystemTime;

use cofferdam_authority::{Owner, State as AuthorityState, StateError};
use cofferdam_gateway::config::AuthorityConfig;
use cofferdam_gateway::{Config, DatabaseError};
use cofferdam_trust::{Lapse, Outlook};

use super::{Finding, RESTART};

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(files) = &config.tls {
        let fix = "renew the files of `[tls]`, and restart the gateway, which reads them once";
        all.push(of_file("certificate.front", &files.certificate, fix));
    }
    if let Some(files) = &config.identity {
        let fix = "`cofferdam pki issue` makes another one; restart the gateway then";
        all.push(of_file("certificate.own", &files.own.certificate, fix));
        let fix = "make another authority with `cofferdam pki`, and certificates of it";
        all.push(of_file("certificate.root", &files.authorities, fix));
    }
    if let Some(authority) = &config.authority {
        all.extend(of_authority(authority));
    }
    all
}

fn of_file(name: &str, path: &std::path::Path, fix: &str) -> Finding {
    let shown = path.display();
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) => return Finding::wrong(name, format!("cannot read {shown}: {error}"), fix),
    };
    match Lapse::of_chain(&text, false) {
        Ok(lapse) => judged(name, &lapse, &shown.to_string(), fix),
        Err(error) => Finding::wrong(name, format!("{shown}: {error}"), fix),
    }
}

fn of_authority(config: &AuthorityConfig) -> Vec<Finding> {
    let init = "`cofferdam authority init` makes what is missing, and keeps what is there";
    let settings = &config.settings;
    if !settings.state.exists() {
        let detail = format!("there is no {} yet", settings.state.display());
        return vec![Finding::wrong("authority", detail, init)];
    }
    let state = match AuthorityState::look(&settings.state) {
        Ok(state) => state,
        Err(StateError::Open(earlier @ DatabaseError::Earlier { .. })) => {
            return vec![Finding::see_to("authority", earlier.to_string(), RESTART)];
        }
        Err(error) => {
            let fix = "mend the file's owner and mode (0600), or bring it back from a backup";
            return vec![Finding::wrong("authority", error.to_string(), fix)];
        }
    };
    let owner = Owner::new(&state, "");
    let mut all = Vec::new();
    match owner.newest(settings) {
        Ok(newest) => {
            let rotate = "let another one follow in time: `cofferdam authority rotate`, with \
                          `--root DIR` where the root is kept elsewhere";
            let detail = format!("generation {}", newest.generation);
            all.push(judged("authority.certificate", &newest.certificate, &detail, rotate));
            all.push(judged("authority.root", &newest.root, &detail, rotate));
        }
        Err(error) => all.push(Finding::wrong("authority.certificate", error.to_string(), init)),
    }
    let fix = "start the gateway: it makes the next one by itself at half of its life";
    all.push(match owner.trust_list() {
        Ok(Some((version, lapse))) => {
            judged("authority.trust-list", &lapse, &format!("version {version}"), fix)
        }
        Ok(None) => Finding::see_to("authority.trust-list", "there is none yet", fix),
        Err(error) => Finding::wrong("authority.trust-list", error.to_string(), fix),
    });
    all
}

fn judged(name: &str, lapse: &Lapse, detail: &str, fix: &str) -> Finding {
    let now = SystemTime::now();
    let words = lapse.in_words(now);
    match lapse.outlook(now) {
        Outlook::Good => Finding::good(name, format!("{detail}, good for {words}")),
        Outlook::Soon => Finding::see_to(name, format!("{detail}, ends in {words}"), fix),
        Outlook::Over => Finding::wrong(name, format!("{detail}, {words}"), fix),
    }
}
