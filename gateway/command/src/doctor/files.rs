//! Files that the gateway needs: keys and their modes, rules, tokens, the journal.

use std::path::Path;

use cofferdam_gateway::rule_files::RuleFiles;
use cofferdam_gateway::tokens::{TokenError, TokenStore};
use cofferdam_gateway::{Config, DatabaseError};
use cofferdam_trust::{Identity, SigningKey, read_private_file};
use rustix::fs::{Access, access, statvfs};

use super::{Finding, RESTART};

/// A journal's disk with less than this is told, and one with less than that is full
/// soon, after which nothing starts any more.
const LITTLE: u64 = 1 << 30;
const FULL: u64 = 64 << 20;

/// Every key that the configuration names can be read, and by nobody else.
pub(super) fn keys(config: &Config) -> Vec<Finding> {
    let mode = "make it the gateway's user's alone: chown cofferdam-gateway FILE; chmod 600 FILE";
    let mut all = Vec::new();
    all.push(match SigningKey::load(&config.signing_key) {
        Ok(key) => Finding::good("key.signing", format!("key id {}", key.key_id())),
        Err(error) => {
            let make =
                "`cofferdam authority init` or `cofferdam pki` makes one where there is none";
            let fix = format!("{make}; else {mode}");
            Finding::wrong("key.signing", error.to_string(), fix)
        }
    });
    if let Some(files) = &config.identity {
        let own = Identity::load(&files.own.certificate, &files.own.key, &files.authorities);
        all.push(match own {
            Ok(identity) => Finding::good("key.identity", identity.name().to_string()),
            Err(error) => Finding::wrong("key.identity", error.to_string(), mode),
        });
    }
    let others = [
        ("key.tls", config.tls.as_ref().map(|files| &files.key)),
        ("key.webhook", config.approvals.webhook.as_ref().map(|webhook| &webhook.secret)),
    ];
    for (name, path) in others {
        let Some(path) = path else { continue };
        all.push(match read_private_file(path) {
            Ok(_) => Finding::good(name, path.display().to_string()),
            Err(error) => Finding::wrong(name, error.to_string(), mode),
        });
    }
    all
}

/// The rules can be taken. Those that are signed are looked at by `policy verify`.
pub(super) fn rules(config: &Config) -> Finding {
    let path = &config.rules;
    if !config.rules_keys.is_empty() {
        let shown = path.display();
        return if path.exists() {
            Finding::good("rules", format!("{shown}, signed: see `cofferdam policy verify`"))
        } else {
            Finding::wrong("rules", format!("there is no {shown}"), "bring the publisher's bundle")
        };
    }
    let taken = RuleFiles::load(&[path.as_path()]).map_err(|error| error.to_string());
    let taken = taken.and_then(|files| files.parse().map_err(|error| error.to_string()));
    match taken {
        Ok(_) => Finding::good("rules", path.display().to_string()),
        Err(error) => {
            let fix = format!("`cofferdam policy check {}` tells everything", path.display());
            Finding::wrong("rules", first_line(&error), fix)
        }
    }
}

/// Somebody can call.
pub(super) fn tokens(config: &Config) -> Finding {
    let make = "`cofferdam token create NAME --user USER`";
    if !config.state.exists() {
        let detail = format!("there is no {} yet: nobody can call", config.state.display());
        return Finding::see_to("tokens", detail, make);
    }
    let found = TokenStore::look(&config.state).and_then(|store| store.list());
    match found {
        Ok(all) if all.is_empty() => {
            Finding::see_to("tokens", "there is none: nobody can call", make)
        }
        Ok(all) => Finding::good("tokens", format!("{} were made", all.len())),
        Err(TokenError::Open(earlier @ DatabaseError::Earlier { .. })) => {
            Finding::see_to("tokens", earlier.to_string(), RESTART)
        }
        Err(error) => {
            let fix = "mend the file's owner and mode (0600), or the disk";
            Finding::wrong("tokens", error.to_string(), fix)
        }
    }
}

/// What was done can be recorded, and for a while.
pub(super) fn journal(config: &Config) -> Finding {
    let name = "journal";
    let path = std::path::absolute(&config.journal).unwrap_or_else(|_| config.journal.clone());
    let shown = path.display();
    let place = path.ancestors().find(|it| it.exists()).unwrap_or(Path::new("/"));
    if let Err(error) = access(place, Access::WRITE_OK | Access::EXEC_OK) {
        let detail = format!("{shown} cannot be written: {}: {error}", place.display());
        let fix = "it belongs to the gateway's user, mode 0700";
        return Finding::wrong(name, detail, fix);
    }
    let free = match statvfs(place) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            let detail = format!("{shown}: its disk cannot be looked at: {error}");
            return Finding::wrong(name, detail, "mend the disk");
        }
    };
    let detail = format!("{shown}, {} MiB free", free >> 20);
    let fix = "make room, or name another directory: when it is full, nothing starts any more";
    match free {
        ..FULL => Finding::wrong(name, detail, fix),
        FULL..LITTLE => Finding::see_to(name, detail, fix),
        LITTLE.. => Finding::good(name, detail),
    }
}

fn first_line(text: &str) -> String {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}
