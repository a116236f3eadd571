//! The environment that makes programs use the proxy.

use std::net::SocketAddr;

/// What is reached directly: loopback servers of the run's own cell.
const DIRECT: &str = "localhost,127.0.0.1,::1";

/// Variables for a run whose listener is at `address` in its network namespace.
///
/// curl, git, cargo, wget, pip and Go read the upper- or lower-case names, or
/// only one of them; npm reads them too. `ALL_PROXY` names HTTP, not SOCKS:
/// several Python libraries fail at start-up when it names SOCKS and their
/// SOCKS package is missing. `NODE_USE_ENV_PROXY` makes Node's own `fetch`
/// heed them.
#[must_use]
pub fn environment(address: SocketAddr) -> Vec<(&'static str, String)> {
    let proxy = format!("http://{address}");
    let names =
        ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    let mut variables: Vec<_> = names.into_iter().map(|name| (name, proxy.clone())).collect();
    variables.extend(["no_proxy", "NO_PROXY"].map(|name| (name, DIRECT.to_owned())));
    variables.push(("NODE_USE_ENV_PROXY", "1".to_owned()));
    variables
}
