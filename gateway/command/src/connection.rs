//! Which gateway to ask, and with what token. The token comes from a file or
//! the environment, never from the command line, which everybody can read.

use std::io;
use std::path::PathBuf;

use clap::Args;
use cofferdam_gateway::client::Endpoint;
use cofferdam_trust::{PrivateFileError, read_private_file};
use zeroize::Zeroizing;

/// The variable that holds a token.
const TOKEN: &str = "COFFERDAM_TOKEN";

/// Which gateway, and whose token.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    #[command(flatten)]
    gateway: Gateway,
    /// A file with the token, of mode 0600. Default: the variable COFFERDAM_TOKEN.
    #[arg(long, env = "COFFERDAM_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Which gateway.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// The MCP URL of the gateway.
    #[arg(
        long,
        env = "COFFERDAM_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8460/mcp"
    )]
    url: String,
    /// A PEM file with an authority that the gateway's certificate comes from,
    /// besides the system's.
    #[arg(long, env = "COFFERDAM_AUTHORITIES", value_name = "FILE")]
    authorities: Option<PathBuf>,
}

/// Why a gateway cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// No URL.
    #[error("`{0}` is no MCP URL; it looks like http://127.0.0.1:8460/mcp")]
    Url(String),
    /// There is no token.
    #[error(
        "no token: give --token-file FILE, or set {TOKEN}; `cofferdam token create` makes one, and \
         `cofferdam dev` prints one"
    )]
    NoToken,
    /// The token's file cannot be read, or others could have read it.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// Not a token.
    #[error("{0} holds no token: a token is one line without spaces")]
    NotAToken(String),
}

impl Gateway {
    /// The gateway, with this token.
    pub(crate) fn with_token(self, token: Zeroizing<String>) -> Result<Endpoint, ConnectionError> {
        let Self { url, authorities } = self;
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(ConnectionError::Url(url));
        }
        Ok(Endpoint { url, token, authorities })
    }
}

impl Connection {
    /// The gateway and the token.
    pub(crate) fn endpoint(self) -> Result<Endpoint, ConnectionError> {
        let Self { gateway, token_file } = self;
        let (token, origin) = match token_file {
            Some(path) => (read_private_file(&path)?, format!("the file `{}`", path.display())),
            None => (
                std::env::var(TOKEN).map_err(|_| ConnectionError::NoToken)?.into(),
                format!("the variable {TOKEN}"),
            ),
        };
        gateway.with_token(one_line(&token, origin)?)
    }
}

/// The token in a text that is read from somewhere.
pub(crate) fn one_line(text: &str, origin: String) -> Result<Zeroizing<String>, ConnectionError> {
    let token = text.trim();
    if token.is_empty() || token.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(ConnectionError::NotAToken(origin));
    }
    Ok(token.to_owned().into())
}

/// An event loop for one command.
pub(crate) fn event_loop() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn with_token(content: &str) -> Result<Endpoint, ConnectionError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let gateway = Gateway { url: "http://127.0.0.1:1/mcp".into(), authorities: None };
        Connection { gateway, token_file: Some(file.path().to_owned()) }.endpoint()
    }

    #[test]
    fn a_token_is_one_line_of_a_file() {
        assert_eq!(*with_token("cfd_abc\n").unwrap().token, "cfd_abc");
        for wrong in ["", "\n", "two words", "two\nlines", "cfd_\u{e9}"] {
            assert!(matches!(with_token(wrong), Err(ConnectionError::NotAToken(_))), "{wrong:?}");
        }
    }
}
