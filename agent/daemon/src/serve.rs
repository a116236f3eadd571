//! Puts the agent together and serves it until it is told to stop.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use cofferdam_journal::{Journal, Options};
use cofferdam_profile::Profiles;
use cofferdam_proto::exec::v1::exec_service_server::ExecServiceServer;
use cofferdam_proto::file::v1::file_service_server::FileServiceServer;
use cofferdam_proto::host::v1::host_service_server::HostServiceServer;
use cofferdam_trust::{Identity, PolicyVersions, ServerConfigHandle, SigningKey, server_config};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tonic::transport::Server;

use crate::allowances::Allowances;
use crate::ceiling::Ceilings;
use crate::cells::{Cells, Material};
use crate::config::Config;
use crate::control;
use crate::denials::Denials;
use crate::dial;
use crate::enrolment::renew::Renewing;
use crate::enrolment::{self, Standing, watch as lists};
use crate::exec::Exec;
use crate::file::File;
use crate::freeze::{self, Freeze};
use crate::host::Host;
use crate::intent::Intents;
use crate::lapses;
use crate::lost;
use crate::peers::PeersLayer;
use crate::pipeline::{Agent, Pending, look_after_places, resume, tidy_places};
use crate::places::ledger::Ledger;
use crate::places::{Places, ledger_in};
use crate::programs::Programs;
use crate::proxy::Proxy;
use crate::record::Recorder;
use crate::registry::Registry;
use crate::replay::Replays;
use crate::restart::{Left, Store};
use crate::service_manager;
use crate::services::Services;
use crate::status::About;
use crate::usage::Counters;
use crate::warden::{Endpoint, Warden};

/// The largest request: a file's content and what surrounds it.
const MAX_REQUEST: usize = 8 << 20;
/// Calls under way on one connection.
const MAX_STREAMS: u32 = 1024;
/// Bytes of one call, and of all on one connection, that a gateway may send before
/// they are read: an upload whose disk is slow leaves room for the others.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;
/// Bytes of one frame.
const FRAME: u32 = 256 << 10;
/// How often a silent connection is asked whether it is there, and how long it
/// may take to answer: a gateway that is gone must not hold runs.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long calls may take to end once the agent stops.
const STOP_TIME: Duration = Duration::from_secs(10);
/// How long after that the placeholders in workspaces may take to be removed.
const TIDY_TIME: Duration = Duration::from_secs(3);
/// How long the last events may take to reach callers that stay connected.
const FAREWELL: Duration = Duration::from_millis(300);
/// How long until a warden that is not there is asked again.
const RECORDS_AGAIN: Duration = Duration::from_secs(2);
/// How often runs that ended long ago are looked for.
const SWEEP: Duration = Duration::from_mins(1);

/// Descriptors that the parent process passed.
#[derive(Debug, Default)]
pub struct Inherited {
    /// A socket connected to the warden.
    pub warden: Option<OwnedFd>,
    /// A socket connected to the proxy.
    pub proxy: Option<OwnedFd>,
    /// Told once the agent serves.
    pub ready: Option<OwnedFd>,
    /// The agent ends when this reaches its end.
    pub lifeline: Option<OwnedFd>,
    /// Where things are put that outlive this process.
    pub store: Store,
    /// What an earlier one put there, by name.
    pub left: Vec<(String, OwnedFd)>,
    /// Where the host's owner asks; bound before the agent confined itself.
    pub control: Option<UnixListener>,
}

/// What is loaded before the runtime starts.
#[derive(Debug)]
pub struct Loaded {
    config: Config,
    ceilings: Arc<Ceilings>,
    identity: Identity,
    standing: Arc<Standing>,
    journal: Journal,
    replays: Replays,
    registry: Registry,
    key: SigningKey,
    profiles: Profiles,
    pending: Pending,
}

/// Reads everything that the agent needs, and settles what an earlier process
/// left unfinished.
///
/// # Errors
/// Where a file cannot be used; the message names it.
pub fn load(mut config: Config, ceilings: Arc<Ceilings>, left: Left) -> anyhow::Result<Loaded> {
    ceilings.current()?;
    let enrolment::Loaded { identity, enrolled } = enrolment::load(&config)?;
    anyhow::ensure!(
        enrolled.is_some() || !config.gateways.is_empty(),
        "`gateways.keys` of the configuration is empty, and this host did not enrol: no gateway \
         could ever call it",
    );
    if config.name.is_empty() {
        identity.name().name().clone_into(&mut config.name);
    }
    let standing = Arc::new(Standing::new(config.gateways.iter().copied().collect(), enrolled));
    let profiles = Profiles::load(config.profiles.as_deref())?;
    let changed = lost::changed(&config.journal);
    let owner = identity.name().to_string();
    let options = Options::new(&owner, SigningKey::load(&config.signing_key)?);
    let (journal, mut recovery) = Journal::open(&config.journal, options)?;
    let pending = Pending::of(left, &mut recovery);
    let settled = lost::settle(&journal, &recovery)?;
    if settled > 0 {
        tracing::warn!(calls = settled, "calls of an earlier process are recorded as lost");
    }
    let replays = Replays::default();
    lost::recall(&config.journal, changed, &replays)?;
    let key = SigningKey::load(&config.signing_key)?;
    let registry = Registry::new(config.limits);
    lost::enter(&registry, &recovery);
    Ok(Loaded {
        config,
        ceilings,
        identity,
        standing,
        journal,
        replays,
        registry,
        key,
        profiles,
        pending,
    })
}

/// Puts what was loaded in its place.
fn assemble(
    loaded: Loaded,
    warden: Option<OwnedFd>,
    proxy: Option<OwnedFd>,
    store: Store,
) -> anyhow::Result<Arc<Agent>> {
    let Loaded {
        config,
        ceilings,
        identity,
        standing,
        journal,
        replays,
        registry,
        key,
        profiles,
        pending: _,
    } = loaded;
    let freeze = Freeze::of(&config);
    let warden = match (warden, config.warden) {
        (Some(socket), _) => Endpoint::Inherited(socket),
        (None, Some(path)) => Endpoint::Path(path),
        (None, None) => anyhow::bail!("no warden: set `warden` in the configuration"),
    };
    let profiles = Arc::new(profiles);
    let worker = config.worker.clone();
    let allowances = Allowances::new(Arc::clone(&profiles), worker, config.name.clone());
    let proxy = proxy.map(Endpoint::Inherited).or(config.proxy.map(Endpoint::Path));
    let programs = Arc::new(Programs::new()?);
    let cells = Cells::new(Material {
        warden: Arc::new(Warden::new(warden).context("cannot use the warden's socket")?),
        store: store.clone(),
        stock: config.limits.stock,
        places: Places::new(Ledger::open(ledger_in(&config.journal))),
        programs: Arc::clone(&programs),
        worker: config.worker,
        hostname: config.name.clone(),
    });
    Ok(Arc::new(Agent {
        intents: Intents::new(config.name.clone(), Arc::clone(&standing)),
        standing,
        name: config.name,
        allowances,
        spool_bytes: usize::try_from(config.limits.spool.0)?,
        ceilings,
        profiles,
        programs,
        replays,
        versions: PolicyVersions::new(config.journal.join("policy.json")),
        freeze,
        recorder: Arc::new(Recorder::new(journal, key, identity.name().clone())),
        registry,
        cells: Arc::new(cells),
        proxy: Proxy::new(proxy).context("cannot use the proxy's socket")?,
        services: Services::new(config.services),
        denials: Arc::new(Denials::new(warden_program())),
        counters: Counters::find(),
        layers: Mutex::default(),
        store,
    }))
}

/// Serves until a signal or the end of the lifeline.
///
/// # Errors
/// Where the agent cannot listen or reach its warden's socket.
pub async fn serve(mut loaded: Loaded, inherited: Inherited) -> anyhow::Result<()> {
    let Inherited { warden, proxy, ready, lifeline, store, left: _, control } = inherited;
    let (identity, journal) = (loaded.identity.clone(), loaded.journal.clone());
    let config = loaded.config.clone();
    let pending = std::mem::take(&mut loaded.pending);
    let agent = assemble(loaded, warden, proxy, store)?;
    resume(&agent, pending).await;
    let (stop, stopped) = watch::channel(false);
    let tls = ServerConfigHandle::new(server_config(&identity)?);
    let (connections, address) =
        dial::connections(&config, identity.name(), &tls, &stopped).await?;
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<ExecServiceServer<Exec>>().await;
    reporter.set_serving::<FileServiceServer<File>>().await;
    reporter.set_serving::<HostServiceServer<Host>>().await;
    let exec = ExecServiceServer::new(Exec(Arc::clone(&agent)));
    let file = FileServiceServer::new(File(Arc::clone(&agent)));
    let server = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .layer(PeersLayer::new(
            Arc::clone(&agent.ceilings),
            Arc::clone(&agent.standing),
            Arc::clone(&agent.recorder),
        ))
        .add_service(health)
        .add_service(exec.max_decoding_message_size(MAX_REQUEST))
        .add_service(file.max_decoding_message_size(MAX_REQUEST))
        .add_service(HostServiceServer::new(Host(Arc::clone(&agent))));
    let stopping = async {
        let ending = told_to_stop(lifeline).await;
        tracing::info!("stopping");
        service_manager::stopping();
        if agent.store.is_there() && ending == Ending::Leave {
            // Whether it is started again is the service manager's to know: it holds what
            // goes on, or lets go of it, and then everything ends.
            agent.store.leave();
            agent.registry.leave_all();
        } else {
            agent.registry.stop();
        }
        stop.send_replace(true);
    };
    let serving = server.serve_with_incoming_shutdown(connections, stopping);
    look_after(&agent, &config);
    keep_standing(&agent, &config, tls)?;
    tokio::spawn(control::serve(control, Arc::clone(&agent), About::new(config)));
    tokio::spawn(service_manager::stay_alive());
    tell_ready(ready, address).context("cannot tell the parent that the agent is ready")?;
    service_manager::serving(address);
    tracing::info!(?address, name = %agent.name, "serving");
    Box::pin(until_put_away(serving, put_away(&agent, stopped))).await?;
    Ok(journal.close()?)
}

/// What goes on beside calls for as long as the agent serves.
fn look_after(agent: &Arc<Agent>, config: &Config) {
    tokio::spawn(Arc::clone(&agent.cells).look_after());
    tokio::spawn(look_after_places(Arc::clone(agent)));
    tokio::spawn(ask_for_records(Arc::clone(agent)));
    tokio::spawn(sweep(Arc::clone(agent)));
    tokio::spawn(freeze::watch(Arc::clone(agent)));
    tokio::spawn(lapses::warn(config.clone()));
}

/// Renews the certificate and hears of trust lists, where this host enrolled.
fn keep_standing(agent: &Agent, config: &Config, tls: ServerConfigHandle) -> anyhow::Result<()> {
    agent.standing.serve_by(tls);
    if agent.standing.membership().is_none() {
        return Ok(());
    }
    let key = Arc::new(SigningKey::load(&config.signing_key)?);
    let renewing = Renewing {
        standing: Arc::clone(&agent.standing),
        key: Arc::clone(&key),
        recorder: Arc::clone(&agent.recorder),
    };
    tokio::spawn(renewing.go_on());
    tokio::spawn(lists::watch(Arc::clone(&agent.standing), key));
    tokio::spawn(lists::save_again(Arc::clone(&agent.standing)));
    Ok(())
}

/// The warden's program, which lies beside this one.
fn warden_program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name("cofferdam-warden")
}

/// Asks the warden for the kernel's records of refusals, until it answers.
async fn ask_for_records(agent: Arc<Agent>) {
    loop {
        match agent.cells.warden().records().await {
            Ok(records) => return agent.denials.set_source(records),
            Err(error) => tracing::debug!(%error, "the warden cannot be asked for records yet"),
        }
        tokio::time::sleep(RECORDS_AGAIN).await;
    }
}

/// Forgets runs that ended long ago, for as long as the agent serves.
async fn sweep(agent: Arc<Agent>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        agent.registry.sweep();
    }
}

/// Serves until `put_away` is done, and a moment longer: callers may keep their
/// connections open for as long as they like.
async fn until_put_away<E>(
    serving: impl Future<Output = Result<(), E>>,
    put_away: impl Future<Output = ()>,
) -> Result<(), E> {
    let (done, mut is_done) = watch::channel(false);
    let farewell = async {
        drop(is_done.wait_for(|done| *done).await);
        tokio::time::sleep(FAREWELL).await;
    };
    let serving = async {
        tokio::select! {
            result = serving => result,
            () = farewell => Ok(()),
        }
    };
    let put_away = async {
        put_away.await;
        done.send_replace(true);
    };
    tokio::join!(serving, put_away).0
}

/// Waits, once the agent was told to stop, until its calls have ended, and ends
/// its cells and what they relied on.
async fn put_away(agent: &Agent, mut stopped: watch::Receiver<bool>) {
    // The sender lives as long as the server.
    drop(stopped.wait_for(|stopped| *stopped).await);
    if agent.store.is_left() {
        return;
    }
    if tokio::time::timeout(STOP_TIME, agent.registry.empty()).await.is_err() {
        tracing::error!("calls did not end in time; they will be recorded as lost");
    }
    agent.cells.stop().await;
    if tokio::time::timeout(TIDY_TIME, tidy_places(agent)).await.is_err() {
        tracing::warn!("placeholders are left in workspaces; the next start removes them");
    }
}

/// How the agent is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// What goes on is the next process's, where something keeps it.
    Leave,
    /// With all that goes on, recorded.
    EndAll,
}

/// Waits for SIGTERM, SIGINT or the end of the lifeline.
async fn told_to_stop(lifeline: Option<OwnedFd>) -> Ending {
    let of = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(error) => {
                tracing::error!(%error, "cannot wait for a signal");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = of(SignalKind::terminate()) => Ending::Leave,
        () = of(SignalKind::interrupt()) => Ending::EndAll,
        () = end_of(lifeline) => Ending::EndAll,
    }
}

/// Waits until the parent's end of the lifeline is closed.
async fn end_of(lifeline: Option<OwnedFd>) {
    let Some(lifeline) = lifeline else { return std::future::pending().await };
    let reached = async {
        let mut pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(lifeline)?;
        while pipe.read(&mut [0; 16]).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    if let Err(error) = reached.await {
        tracing::error!(%error, "the lifeline is not a pipe that can be read");
    }
}

/// Writes the address, or that there is none, as one line of JSON, and closes the descriptor.
fn tell_ready(ready: Option<OwnedFd>, address: Option<SocketAddr>) -> io::Result<()> {
    let Some(ready) = ready else { return Ok(()) };
    let address = address.map_or_else(|| "null".to_owned(), |address| format!("\"{address}\""));
    writeln!(std::fs::File::from(ready), "{{\"address\":{address}}}")
}
