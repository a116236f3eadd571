//! `cofferdam-agent enroll`: this host becomes a host of a gateway, by one command
//! and a join token.
//!
//! Key and signing key are made here and never leave; both are on the disk before
//! anything is asked, so that a command that was killed asks again with the same keys
//! and gets the same answer. What comes of it is written as a whole at the end, and
//! nothing of this host listens before that. Started as root it opens the token's
//! file and becomes the service user for good; the rest is that user's.

mod keys;

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use cofferdam_proto::join::v1::{Credentials, Enrolment};
use cofferdam_trust::{
    AddressError, IdentityError, JoinToken, JoinTokenError, KeyError, PeerKeyError, PeerName,
    Recognise, Role, SigningKey, TrustList, TrustListError, VerifyingKey, check_address, sha256,
    sign_enrolment,
};

use super::authority::{AskError, Authority, Enrolled};
use super::membership::{Membership, MembershipError};
use crate::clock;
use crate::config::{Config, ConfigError};
use crate::doctor::{CONFIGURATION, ServiceUser, UserError};
use keys::{Keys, Signing, TokenSource};

/// The longest pause between two questions.
const LONGEST: Duration = Duration::from_mins(1);

/// What is asked.
#[derive(Debug, Clone, Args)]
pub struct Request {
    /// Where the gateway's authority is: HOST:PORT, or `https://HOST:PORT`.
    #[arg(long, value_name = "HOST:PORT", value_parser = place_of)]
    pub gateway: String,
    /// A file with the join token that `cofferdam host invite` made; for its owner
    /// alone (chmod 600).
    #[arg(long, value_name = "FILE", required_unless_present = "token_credential")]
    pub token_file: Option<PathBuf>,
    /// A systemd credential with it, in place of a file.
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    pub token_credential: Option<String>,
    /// The configuration.
    #[arg(long, default_value = CONFIGURATION)]
    pub config: PathBuf,
    /// Where the gateway reaches this host (HOST:PORT), if not where the configuration
    /// says that the agent listens; on all addresses: at the one by which this host
    /// reaches the gateway.
    #[arg(long, value_name = "HOST:PORT")]
    pub address: Option<String>,
    /// Wait until the gateway's owner has approved this host.
    #[arg(long)]
    pub wait: bool,
    /// Enrol anew where this host enrolled before: what it has is replaced.
    #[arg(long)]
    pub replace: bool,
}

/// The place that an address or URL names.
fn place_of(text: &str) -> Result<String, AddressError> {
    let place = text.strip_prefix("https://").map_or(text, |url| url.trim_end_matches('/'));
    check_address(place).map(|()| place.to_owned())
}

/// How it went.
#[derive(Debug)]
pub enum Joined {
    /// This host is one, and signs with this key.
    Enrolled(Box<Membership>, VerifyingKey),
    /// The gateway's owner has to approve it first, and may compare this key.
    Pending(VerifyingKey),
}

/// Why this host did not enrol. Nothing of it listens, and asking again is safe.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Root was not given up.
    #[error(transparent)]
    User(#[from] UserError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It says nowhere where to keep an identity.
    #[error(
        "the configuration names no directory for an enrolled identity: set `directory` under \
         [identity], such as \"/var/lib/cofferdam-agent/identity\""
    )]
    NoDirectory,
    /// The token's file cannot be used.
    #[error("cannot read the join token in `{path}`: {problem}")]
    TokenFile {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The token is none.
    #[error(transparent)]
    Token(#[from] JoinTokenError),
    /// The token is another host's.
    #[error(
        "the join token is for the host `{token}`, and this is `{own}` (`name` of its \
         configuration): use the token of this host"
    )]
    OtherHost {
        /// Whose it is.
        token: String,
        /// Who this is.
        own: String,
    },
    /// It enrolled before.
    #[error(
        "this host enrolled already, as {host} with {authority}; `--replace` enrols it anew, and \
         needs a new token"
    )]
    Already {
        /// As whom.
        host: PeerName,
        /// With whom.
        authority: PeerName,
    },
    /// A file of the identity.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// A key cannot be made or kept.
    #[error("cannot keep a key in `{path}`: {source}")]
    KeyFile {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The signing key cannot be used.
    #[error(transparent)]
    SigningKey(#[from] KeyError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] PeerKeyError),
    /// The authority gave nothing.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// What it gave is not right.
    #[error("the authority's answer is not right: {0}; nothing was kept")]
    Answer(String),
    /// The runtime cannot be started.
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
}

impl From<TrustListError> for JoinError {
    fn from(error: TrustListError) -> Self {
        Self::Answer(error.to_string())
    }
}

impl From<IdentityError> for JoinError {
    fn from(error: IdentityError) -> Self {
        Self::Answer(error.to_string())
    }
}

/// Enrols this host. Must run in the only thread.
///
/// # Errors
/// See [`JoinError`].
pub fn enroll(request: &Request) -> Result<Joined, JoinError> {
    // Opened as whoever asks, who may be root; read as the service user.
    let source = TokenSource::open(request)?;
    if let Some(user) = ServiceUser::of(&request.config) {
        user.become_it()?;
    }
    let config = Config::load(&request.config)?;
    let directory = config.identity.directory.clone().ok_or(JoinError::NoDirectory)?;
    let token = source.read()?;
    if !config.name.is_empty() && config.name != token.host() {
        let (token, own) = (token.host().to_owned(), config.name);
        return Err(JoinError::OtherHost { token, own });
    }
    match Membership::load(&directory) {
        Ok(Some(Membership { host, authority, .. })) if !request.replace => {
            return Err(JoinError::Already { host, authority });
        }
        Err(error) if !request.replace => return Err(error.into()),
        _ => {}
    }
    let signing = if config.signing_key_is_given { Signing::Given } else { Signing::Own };
    let keys = Keys::prepare(&directory, signing(&config.signing_key))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asking = ask(request, &config, &token, &keys);
    let Some(credentials) = runtime.map_err(JoinError::Runtime)?.block_on(asking)? else {
        return Ok(Joined::Pending(keys.signing.public_key()));
    };
    let membership = accept(*credentials, &token, &keys, &request.gateway, &directory)?;
    membership.save(&directory)?;
    keys.forget_pending();
    Ok(Joined::Enrolled(Box::new(membership), keys.signing.public_key()))
}

/// Asks until there is an answer that is one; `None` where people have to agree first
/// and nobody waits for that.
async fn ask(
    request: &Request,
    config: &Config,
    token: &JoinToken,
    keys: &Keys,
) -> Result<Option<Box<Credentials>>, JoinError> {
    let mut authority = Authority::at(&request.gateway, Recognise::Root(token.authority()))?;
    let mut pause = Duration::from_secs(1);
    loop {
        let enrolment = Enrolment {
            host: token.host().to_owned(),
            token: token.secret().to_vec(),
            request: keys.key.request()?,
            signing_key: keys.signing.public_key().to_string(),
            address: address(request, config),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            at: Some(clock::now()),
        };
        match authority.enrol(sign_enrolment(&keys.signing, &enrolment)).await {
            Ok(Enrolled::Certified(credentials)) => return Ok(Some(credentials)),
            Ok(Enrolled::Pending(_)) if !request.wait => return Ok(None),
            Ok(Enrolled::Pending(after)) => {
                let key = keys.signing.public_key();
                tracing::info!(
                    "waiting until the gateway's owner approves this host: `cofferdam host show` \
                     there shows its signing key, {key}"
                );
                tokio::time::sleep(after).await;
            }
            Err(error) if error.is_passing() && request.wait => {
                tracing::warn!("{error}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Where the gateway reaches the agent; empty: it dials out, or nobody but this machine
/// could. An agent that listens on all addresses is reached at the one by which this
/// host reaches the gateway.
fn address(request: &Request, config: &Config) -> String {
    let listens = || {
        let listen = config.listen?;
        let own = own_address(&request.gateway, listen);
        let ip = if listen.ip().is_unspecified() { own? } else { listen.ip() };
        let reachable = !ip.is_loopback() || own.is_some_and(|own| own.is_loopback());
        (reachable && listen.port() != 0).then(|| SocketAddr::new(ip, listen.port()).to_string())
    };
    request.address.clone().or_else(listens).unwrap_or_default()
}

/// This host's own address on its way to `gateway`, of the kind of `listen`. A datagram
/// socket that is connected sends nothing.
fn own_address(gateway: &str, listen: SocketAddr) -> Option<IpAddr> {
    let mut ways = gateway.to_socket_addrs().ok()?;
    let to = ways.find(|to| to.is_ipv4() == listen.is_ipv4())?;
    let any: IpAddr =
        if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    socket.local_addr().ok().map(|own| own.ip())
}

/// Checks all that an authority gives before any of it counts.
fn accept(
    credentials: Credentials,
    token: &JoinToken,
    keys: &Keys,
    address: &str,
    directory: &Path,
) -> Result<Membership, JoinError> {
    let Credentials { certificate_chain, trust, host, authority } = credentials;
    let wrong = |problem: &str| JoinError::Answer(problem.to_owned());
    let name = |text: &str| text.parse::<PeerName>().map_err(|error| wrong(&error.to_string()));
    let (host, authority) = (name(&host)?, name(&authority)?);
    if host.role() != Role::Agent || host.name() != token.host() {
        return Err(wrong("it is for another host"));
    }
    if authority.role() != Role::Authority || authority.trust_domain() != host.trust_domain() {
        return Err(wrong("it names no authority of this trust domain"));
    }
    let signed = trust.ok_or_else(|| wrong("it brings no trust list"))?;
    let trust = TrustList::verify_first(&signed)?;
    if !trust.roots.iter().any(|root| sha256(root) == token.authority()) {
        return Err(wrong("its trust list does not have the root that the token names"));
    }
    if trust.trust_domain != host.trust_domain() {
        return Err(wrong("its trust list is of another trust domain"));
    }
    let membership = Membership {
        host,
        authority,
        address: address.to_owned(),
        chain: certificate_chain,
        received: SystemTime::now(),
        vouched_by: trust.signers.clone(),
        trust,
        counter: 0,
        renewal: None,
        key: keys.key.to_pem(),
        signed,
    };
    let identity = membership.identity(directory)?;
    if *identity.name() != membership.host {
        return Err(wrong("its certificate is another host's"));
    }
    if !identity.own().is_current(SystemTime::now()) {
        return Err(wrong("its certificate has ended by this host's clock: set the clock"));
    }
    Ok(membership)
}

/// A file that holds a token; whoever opened it.
fn open(path: &Path) -> Result<File, JoinError> {
    File::open(path)
        .map_err(|error| JoinError::TokenFile { path: path.to_owned(), problem: error.to_string() })
}

/// The signing key at `path`, made where there is none.
fn signing_key(path: &Path) -> Result<SigningKey, JoinError> {
    if path.exists() {
        return Ok(SigningKey::load(path)?);
    }
    let key = SigningKey::generate()?;
    let beside = path.with_extension("new");
    let failed = |source| JoinError::KeyFile { path: path.to_owned(), source };
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    key.save(&beside)?;
    std::fs::rename(&beside, path).map_err(failed)?;
    let synced = path.parent().map_or(Ok(()), |place| File::open(place)?.sync_all());
    synced.map_err(failed)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_may_be_given_as_a_url() {
        let place = |text: &str| place_of(text).ok();
        for text in
            ["gw.example.org:8463", "https://gw.example.org:8463", "https://gw.example.org:8463/"]
        {
            assert_eq!(place(text).as_deref(), Some("gw.example.org:8463"), "{text}");
        }
        for text in ["", "gw", "http://gw:1", "https://gw", "https://gw:1/mcp", "u@gw:1", "gw:1/"] {
            assert_eq!(place(text), None, "{text}");
        }
    }

    #[test]
    fn an_agent_that_listens_on_all_addresses_is_told_at_the_one_that_reaches_the_gateway() {
        let example = include_str!("../../../../packaging/config/agent.toml");
        let told = |listen: &str, gateway: &str, address: Option<&str>| {
            let text = example.replace("0.0.0.0:8461", listen);
            let config = Config::parse(Path::new("/etc/cofferdam/agent.toml"), &text).unwrap();
            let request = Request {
                gateway: gateway.to_owned(),
                token_file: None,
                token_credential: None,
                config: PathBuf::new(),
                address: address.map(str::to_owned),
                wait: false,
                replace: false,
            };
            super::address(&request, &config)
        };
        // Loopback is this machine's alone, and good where the gateway is on it.
        assert_eq!(told("0.0.0.0:8461", "127.0.0.1:8463", None), "127.0.0.1:8461");
        assert_eq!(told("127.0.0.1:8461", "127.0.0.1:8463", None), "127.0.0.1:8461");
        assert_eq!(told("10.0.0.7:8461", "127.0.0.1:8463", None), "10.0.0.7:8461");
        assert_eq!(told("0.0.0.0:0", "127.0.0.1:8463", None), "");
        // Another family is no way back.
        assert_eq!(told("[::]:8461", "127.0.0.1:8463", None), "");
        let named = Some("web-1.example.org:8461");
        assert_eq!(told("0.0.0.0:8461", "127.0.0.1:8463", named), "web-1.example.org:8461");
    }
}
