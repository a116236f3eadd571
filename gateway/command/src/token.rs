//! `cofferdam token`: the bearer tokens that MCP clients show a gateway.
//!
//! Works on the gateway's state file, beside the running service: a token that
//! is made or revoked here counts from the next request on. The text of a token
//! is shown once, when it is made, and is kept nowhere.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use cofferdam_gateway::config::{Config, ConfigError};
use cofferdam_gateway::tokens::{NewToken, Purpose, TokenError, TokenRecord, TokenStore};
use cofferdam_policy::{ClaimError, Claims};
use serde::Serialize;

use crate::report::{Format, Report, write_table};
use crate::time;

const CREATE_EXAMPLES: &str = "\
A token for a person, for 90 days, straight into a file that only she can read:
  (umask 077; cofferdam token create laptop --user alice --group web \\
      --expires 90d > ~/.cofferdam-token)

A credential for somebody who answers requests for approval:
  (umask 077; cofferdam token create bob --approver --user bob --group release \\
      > ~/.config/cofferdam/approver-token)

Rules select callers by user, group, tenant and claims:
  cofferdam token create ci --user ci --claim team=infra --claim team=data";

const LIST_EXAMPLES: &str = "\
Tokens that still count:
  cofferdam token list

Revoked and expired ones too:
  cofferdam token list --all";

const REVOKE_EXAMPLES: &str = "\
The laptop was lost:
  cofferdam token revoke laptop";

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a token and prints it, once.
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        #[command(flatten)]
        store: StoreArguments,
        /// A name for people, such as the machine that it is for.
        name: String,
        /// Makes a token that answers requests for approval, and calls nothing.
        #[arg(long)]
        approver: bool,
        /// Who calls with it.
        #[arg(long)]
        user: String,
        /// A group that the user is in; may be repeated.
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// The tenant that the user belongs to.
        #[arg(long, default_value = "", hide_default_value = true)]
        tenant: String,
        /// Something else that rules may select the user by; may be repeated.
        #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
        claims: Vec<(String, String)>,
        /// After how long it stops counting: `12h`, `90d`. Default: never.
        #[arg(long, value_name = "SPAN", value_parser = time::span)]
        expires: Option<Duration>,
    },
    /// Lists tokens, without their text, which nobody knows.
    #[command(after_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        store: StoreArguments,
        /// Lists revoked and expired ones too.
        #[arg(long)]
        all: bool,
    },
    /// Revokes a token, from the next request on.
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke {
        #[command(flatten)]
        store: StoreArguments,
        /// The token's name or id.
        name: String,
    },
}

/// Whose tokens.
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// The gateway's configuration, which names the state file.
    #[arg(long, value_name = "FILE", default_value = "/etc/cofferdam/gateway.toml")]
    config: PathBuf,
    /// The state file itself.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    state: Option<PathBuf>,
}

/// Why nothing was done with tokens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The configuration cannot be used.
    #[error("{0}; name the state file by itself with --state FILE")]
    Config(#[from] ConfigError),
    /// The store cannot do it.
    #[error(transparent)]
    Store(#[from] TokenError),
    /// The claims cannot be taken.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// There is no store to look into.
    #[error("there is no token store `{0}`; `cofferdam token create` makes it")]
    Missing(PathBuf),
    /// Nothing to revoke.
    #[error(
        "no valid token has the name or id `{0}`; `cofferdam token list` shows those there are"
    )]
    Unknown(String),
}

/// A new token.
#[derive(Serialize)]
struct Created {
    token: String,
    #[serde(flatten)]
    record: TokenRecord,
}

#[derive(Serialize)]
struct Listed {
    tokens: Vec<TokenRecord>,
}

#[derive(Serialize)]
struct Revoked {
    revoked: String,
}

pub(crate) fn run(command: Command, format: Format) -> Result<ExitCode, CommandError> {
    match command {
        Command::Create { store, name, approver, user, groups, tenant, claims: given, expires } => {
            let mut claims = Claims::default();
            for (name, value) in &given {
                claims.add(name, value)?;
            }
            let expires_at = expires.map(|span| unix_now() + span.as_secs());
            let purpose = if approver { Purpose::Approver } else { Purpose::Client };
            let new = NewToken { name, purpose, user, groups, tenant, claims, expires_at };
            let (token, record) = TokenStore::open(&store.path()?)?.create(&new)?;
            Ok(format.show(&Created { token: token.reveal().to_owned(), record }))
        }
        Command::List { store, all } => {
            let now = unix_now();
            let mut tokens = store.open()?.list()?;
            tokens.retain(|token| all || counts(token, now));
            Ok(format.show(&Listed { tokens }))
        }
        Command::Revoke { store, name } => {
            if !store.open()?.revoke(&name)? {
                return Err(CommandError::Unknown(name));
            }
            Ok(format.show(&Revoked { revoked: name }))
        }
    }
}

impl StoreArguments {
    fn path(self) -> Result<PathBuf, ConfigError> {
        match self.state {
            Some(state) => Ok(state),
            None => Ok(Config::load(&self.config)?.state),
        }
    }

    /// A store that is there: looking must not make one.
    fn open(self) -> Result<TokenStore, CommandError> {
        let path = self.path()?;
        if !path.exists() {
            return Err(CommandError::Missing(path));
        }
        Ok(TokenStore::open(&path)?)
    }
}

fn counts(token: &TokenRecord, now: u64) -> bool {
    token.revoked_at.is_none() && token.expires_at.is_none_or(|end| end > now)
}

/// Seconds since 1970.
fn unix_now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

impl Report for Created {
    /// The token alone, so that it can go into a file.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.token)
    }
}

impl Report for Listed {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let now = unix_now();
        let rows: Vec<_> = self.tokens.iter().map(|token| row(token, now)).collect();
        write_table(
            out,
            ["NAME", "FOR", "USER", "GROUPS", "TENANT", "CLAIMS", "CREATED", "STATE", "ID"],
            &rows,
        )
    }
}

fn row(token: &TokenRecord, now: u64) -> [String; 9] {
    let TokenRecord {
        id,
        name,
        purpose,
        user,
        groups,
        tenant,
        claims,
        created_at,
        expires_at,
        revoked_at,
    } = token;
    let state = match (revoked_at, expires_at) {
        (Some(at), _) => format!("revoked {}", time::from_unix(*at)),
        (None, Some(end)) if *end <= now => format!("expired {}", time::from_unix(*end)),
        (None, Some(end)) => format!("until {}", time::from_unix(*end)),
        (None, None) => "valid".to_owned(),
    };
    [
        name.clone(),
        purpose.name().to_owned(),
        user.clone(),
        groups.join(","),
        tenant.clone(),
        shown_claims(claims),
        time::from_unix(*created_at),
        state,
        id.clone(),
    ]
}

/// `level=lead,team=infra`.
fn shown_claims(claims: &Claims) -> String {
    let all = claims
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}={value}")));
    all.collect::<Vec<_>>().join(",")
}

fn claim(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`"))?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Report for Revoked {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "revoked {}", self.revoked)
    }
}
