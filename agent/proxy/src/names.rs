//! Names to addresses, by the host's resolver configuration or by given
//! servers. Runs resolve nothing themselves: they have no way to a name server.
//!
//! An answer is looked up once for each connection and used as it is; whether
//! it may be used is decided in `dial`.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use cofferdam_proxy_protocol::HostName;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// What the host says about names; the only files that the proxy reads.
pub(crate) const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// How often those files are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// All servers and tries together.
const RESOLVE_TIME: Duration = Duration::from_secs(10);
/// Answers that are remembered for their time to live. Names come from runs.
const REMEMBERED: u64 = 512;

/// Where addresses of names come from.
#[derive(Debug)]
pub struct Names {
    servers: Vec<SocketAddr>,
    loaded: Mutex<Option<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    resolver: TokioResolver,
    /// When the files were written, and when that was asked.
    written: [Option<SystemTime>; 2],
    looked: Instant,
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NamesError {
    /// The configuration says nothing that can be used.
    #[error("the proxy has no name server: {0}")]
    Configuration(NetError),
    /// The servers say no, or nothing.
    #[error("{0}")]
    Lookup(NetError),
    /// They are too slow.
    #[error("the name servers did not answer within {} seconds", RESOLVE_TIME.as_secs())]
    TimedOut,
}

impl Names {
    /// As /etc/resolv.conf and /etc/hosts say.
    #[must_use]
    pub fn of_the_host() -> Self {
        Self::from_servers(Vec::new())
    }

    /// From these servers and no file; without any, as the host says.
    #[must_use]
    pub fn from_servers(servers: Vec<SocketAddr>) -> Self {
        Self { servers, loaded: Mutex::new(None) }
    }

    /// All addresses of `name`, each once, in the order of the answers.
    pub(crate) async fn addresses(&self, name: &HostName) -> Result<Vec<IpAddr>, NamesError> {
        let resolver = self.resolver().map_err(NamesError::Configuration)?;
        // A name with a dot is whole: no search domain is tried behind it.
        let whole = name.as_str().contains('.');
        let query = format!("{name}{}", if whole { "." } else { "" });
        let lookup = tokio::time::timeout(RESOLVE_TIME, resolver.lookup_ip(query));
        let answer = lookup.await.map_err(|_| NamesError::TimedOut)?.map_err(NamesError::Lookup)?;
        let mut addresses = Vec::new();
        for address in answer.iter().map(|address| address.to_canonical()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    /// The resolver, made anew when a file has changed. Where a changed file
    /// cannot be read any more (Landlock holds to the file that was there at the
    /// start), the old one serves on.
    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let old = match &mut *loaded {
            Some(old) if !self.servers.is_empty() || now - old.looked < LOOK_AGAIN => {
                return Ok(old.resolver.clone());
            }
            Some(old) => {
                old.looked = now;
                if old.written == written() {
                    return Ok(old.resolver.clone());
                }
                Some(old)
            }
            None => None,
        };
        match (self.load(), old) {
            (Ok(resolver), _) => {
                let new = Loaded { resolver: resolver.clone(), written: written(), looked: now };
                *loaded = Some(new);
                Ok(resolver)
            }
            (Err(error), Some(old)) => {
                tracing::warn!(
                    %error,
                    "/etc/resolv.conf or /etc/hosts has changed and cannot be read; the old name servers are used until cofferdam-proxy is restarted"
                );
                old.written = written();
                Ok(old.resolver.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    fn load(&self) -> Result<TokioResolver, NetError> {
        let (config, mut options) = if self.servers.is_empty() {
            hickory_resolver::system_conf::read_system_conf()?
        } else {
            let servers = self.servers.iter().copied().map(server).collect();
            (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
        };
        if !self.servers.is_empty() {
            options.use_hosts_file = ResolveHosts::Never;
        }
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.cache_size = REMEMBERED;
        options.case_randomization = false;
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        *builder.options_mut() = options;
        builder.build()
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

fn written() -> [Option<SystemTime>; 2] {
    FILES.map(|file| std::fs::metadata(file).and_then(|facts| facts.modified()).ok())
}
