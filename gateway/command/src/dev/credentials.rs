//! Throw-away certificates, signing keys, a token, and an approver's. Made by the service user
//! itself, after root was given up.
//!
//! Certificates are new at each start, and the key of the authority that issued
//! them is not kept. In a kept directory the signing keys stay, because journals
//! go on with them, and so does the token.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_gateway::tokens::{NewToken, Purpose, TokenError, TokenStore};
use cofferdam_trust::{
    Authority, AuthorityError, DEFAULT_TRUST_DOMAIN, KeyError, Lifetime, NameError, PeerName, Role,
    SigningKey, VerifyingKey,
};

use super::configuration::{GATEWAY, HOST};
use super::state::State;

/// Longer than anybody tries things out.
const LIFETIME: Duration = Duration::from_hours(365 * 24);

/// The token's name in the store.
const TOKEN: &str = "dev";

/// The name of the approver's.
const APPROVER: &str = "dev-approver";

/// What the configuration needs to know of them.
#[derive(Debug)]
pub(super) struct Credentials {
    /// The key that signs the gateway's intents.
    pub(super) gateway: VerifyingKey,
    /// The key that signs the agent's receipts.
    pub(super) agent: VerifyingKey,
    /// For MCP clients.
    pub(super) token: String,
    /// Where the token is, mode 0600.
    pub(super) token_file: PathBuf,
    /// Where the approver's token is, mode 0600.
    pub(super) approver_file: PathBuf,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A certificate cannot be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A signing key cannot be made or read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The token store fails.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A file.
    #[error("cannot {operation} `{path}`: {source}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Credentials {
    /// Makes everything that is missing, and new certificates.
    pub(super) fn make(state: &State, user: &str) -> Result<Self, CredentialsError> {
        issue_certificates(state)?;
        let (token_file, approver_file) = (state.at("token"), state.at("approver-token"));
        let store = TokenStore::open(&state.at("gateway/state.sqlite"))?;
        token(&store, Purpose::Approver, &approver_file, user)?;
        Ok(Self {
            gateway: signing_key(&state.at("gateway/signing.key"))?,
            agent: signing_key(&state.at("agent/signing.key"))?,
            token: token(&store, Purpose::Client, &token_file, user)?,
            token_file,
            approver_file,
        })
    }
}

fn issue_certificates(state: &State) -> Result<(), CredentialsError> {
    let authority_directory = state.at("authority");
    remove_all(&authority_directory)?;
    let authority = Authority::create(&authority_directory)?;
    for (role, name) in [(Role::Gateway, GATEWAY), (Role::Agent, HOST)] {
        let directory = state.at(&role.to_string());
        for old in [format!("{name}.crt"), format!("{name}.key")] {
            remove(&directory.join(old))?;
        }
        let peer = PeerName::new(DEFAULT_TRUST_DOMAIN, role, name)?;
        authority.issue(&peer, Lifetime::from_now(LIFETIME))?.write(&directory)?;
        let path = directory.join("ca.crt");
        fs::write(&path, authority.certificate_pem()).map_err(failed("write", &path))?;
    }
    // Nobody issues another certificate in its name.
    remove_all(&authority_directory)
}

fn signing_key(path: &Path) -> Result<VerifyingKey, CredentialsError> {
    if path.exists() {
        return Ok(SigningKey::load(path)?.public_key());
    }
    let key = SigningKey::generate()?;
    key.save(path)?;
    Ok(key.public_key())
}

/// The token of an earlier start where it still counts, else a new one.
fn token(
    store: &TokenStore,
    purpose: Purpose,
    file: &Path,
    user: &str,
) -> Result<String, CredentialsError> {
    if let Ok(kept) = fs::read_to_string(file)
        && store.authenticate_for(kept.trim(), purpose).is_ok()
    {
        return Ok(kept.trim().to_owned());
    }
    let name = match purpose {
        Purpose::Client => TOKEN,
        Purpose::Approver => APPROVER,
    };
    store.revoke(name)?;
    let (token, _) = store.create(&NewToken {
        purpose,
        name: name.to_owned(),
        user: user.to_owned(),
        groups: Vec::new(),
        tenant: String::new(),
        claims: cofferdam_policy::Claims::default(),
        expires_at: None,
    })?;
    remove(file)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut file| writeln!(file, "{}", token.reveal()))
        .map_err(failed("write", file))?;
    Ok(token.reveal().to_owned())
}

fn remove(path: &Path) -> Result<(), CredentialsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn remove_all(path: &Path) -> Result<(), CredentialsError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn failed<'a>(
    operation: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> CredentialsError + use<'a> {
    move |source| CredentialsError::File { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use cofferdam_trust::Identity;

    use super::super::standing::Standing;
    use super::*;

    fn state(directory: &Path) -> State {
        let uid = rustix::process::geteuid().as_raw();
        let workspace = Path::new("/nonexistent/workspace");
        State::make(Some(directory), workspace, Standing::Ordinary { uid }).unwrap()
    }

    #[test]
    fn both_sides_get_an_identity_and_no_authority_is_left() {
        let outer = tempfile::tempdir().unwrap();
        let state = state(&outer.path().join("state"));
        Credentials::make(&state, "me").unwrap();
        for (directory, name) in [("gateway", GATEWAY), ("agent", HOST)] {
            let at = |file: &str| state.at(directory).join(file);
            let (certificate, key) = (at(&format!("{name}.crt")), at(&format!("{name}.key")));
            let identity = Identity::load(&certificate, &key, &at("ca.crt")).unwrap();
            assert_eq!(
                identity.name().to_string(),
                format!("spiffe://cofferdam/{directory}/{name}")
            );
        }
        assert!(!state.at("authority").exists());
    }

    #[test]
    fn a_second_start_keeps_keys_and_token_and_renews_certificates() {
        let outer = tempfile::tempdir().unwrap();
        let state = state(&outer.path().join("state"));
        let first = Credentials::make(&state, "me").unwrap();
        let certificate = fs::read(state.at("agent/local.crt")).unwrap();
        let second = Credentials::make(&state, "me").unwrap();
        assert_eq!(
            (first.gateway, first.agent, &first.token),
            (second.gateway, second.agent, &second.token)
        );
        assert_ne!(certificate, fs::read(state.at("agent/local.crt")).unwrap());
        for file in [&second.token_file, &second.approver_file] {
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let approver = fs::read_to_string(&second.approver_file).unwrap();
        let store = TokenStore::open(&state.at("gateway/state.sqlite")).unwrap();
        assert!(store.authenticate_for(approver.trim(), Purpose::Approver).is_ok());
        assert!(store.authenticate(approver.trim()).is_err());
    }

    #[test]
    fn a_revoked_token_is_replaced() {
        let outer = tempfile::tempdir().unwrap();
        let state = state(&outer.path().join("state"));
        let first = Credentials::make(&state, "me").unwrap();
        let store = TokenStore::open(&state.at("gateway/state.sqlite")).unwrap();
        assert!(store.revoke(TOKEN).unwrap());
        let second = Credentials::make(&state, "me").unwrap();
        assert_ne!(first.token, second.token);
        assert!(store.authenticate(&second.token).is_ok());
    }
}
