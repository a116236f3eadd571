//! `cofferdam dev`: warden, agent and gateway on loopback, with nothing to set
//! up before and nothing left after.
//!
//! Read [`run`] from top to bottom. What needs the caller's eyes and root's
//! hands comes first: looking around, the state directory, the ceiling, the
//! warden. Then root is given up for good, and only after that a socket opens, a
//! key is made, or anything from a network is read.

mod announcement;
mod child;
mod configuration;
mod credentials;
mod given;
mod household;
mod programs;
mod reach;
mod rules;
mod snippets;
mod standing;
mod state;
mod surroundings;
mod toolchains;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cofferdam_gateway::client::{Client, ClientError, Endpoint};
use serde_json::{Map, Value};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::report::Format;
use announcement::{Announcement, Details, degraded};
use cofferdam_proxy_protocol::Destination;
use credentials::{Credentials, CredentialsError};
use given::{Given, GivenError};
use household::{Household, HouseholdError};
use programs::{Programs, ProgramsError};
use standing::{SettleError, Standing, TooFewUsers};
use state::{State, StateError};
use surroundings::{Caller, Surroundings, WorkspaceError};

const EXAMPLES: &str = "\
Let a client work in this directory:
  cofferdam dev

The same for scripts: one line of JSON when ready, then it goes on until it is
ended:
  cofferdam dev --json --port 0 --workspace /srv/project

Keep journals, keys and the token, so that a client's configuration stays right:
  cofferdam dev --dir ~/.local/state/cofferdam --port 8460

Let commands fetch crates, and nothing else:
  cofferdam dev --allow index.crates.io:443 --allow static.crates.io:443

Try rules out; the host is `local`, the project `dev`, the profiles are `dev`,
`readonly`, `default` and `build`:
  cofferdam dev --rules packaging/config/rules.toml

Have somebody agree before anything is pushed; a command line that cannot be seen
through may do that, and waits, too:
  cofferdam dev --ask 'git push'

Started as root, cells have users and cgroups of their own; started by an
ordinary user, everything works through user namespaces, and what is weaker is
said. It needs no network and opens only 127.0.0.1.";

/// Where MCP clients find it if nobody else is there.
const USUAL_PORT: u16 = 8460;

/// What to start, and for which directory.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The directory that commands may change. Default: the current one.
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Keeps state here: journals, keys, token, logs. Default: a temporary
    /// directory that is removed at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The port of the MCP endpoint; 0: any that is free. Default: 8460, or any
    /// where that is taken.
    #[arg(long)]
    port: Option<u16>,
    /// Rules in place of «any program, files of the workspace»; one plain file,
    /// without `include`, read once.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Waits before a program, with the arguments that it begins with, until
    /// somebody agrees with `cofferdam approve`; may be given several times.
    #[arg(long, value_name = "COMMAND", conflicts_with = "rules")]
    ask: Vec<String>,
    /// Lets commands reach this of the network, through the proxy: `NAME:PORT`,
    /// `*.NAME:PORT`, `ADDRESS/BITS:PORT`; may be given several times. Without
    /// it they reach nothing.
    #[arg(long, value_name = "DESTINATION")]
    allow: Vec<Destination>,
    /// A ceiling in place of «the workspace and the host's programs»; read once.
    #[arg(long, value_name = "FILE")]
    ceiling: Option<PathBuf>,
}

/// Why it does not run, or not any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevError {
    /// Root, and yet not enough.
    #[error(transparent)]
    TooFewUsers(#[from] TooFewUsers),
    /// The workspace.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// A file that was given.
    #[error(transparent)]
    Given(#[from] GivenError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The programs.
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    /// Root was not given up.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// Certificates, keys, token.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// One of the programs.
    #[error(transparent)]
    Household(#[from] HouseholdError),
    /// The gateway does not answer.
    #[error("everything was started, and the gateway cannot be asked: {0}")]
    Client(#[from] ClientError),
    /// A run fails.
    #[error("everything was started, and a first run fails: {0}")]
    Check(String),
    /// Signals or the event loop.
    #[error("cannot prepare to wait for signals: {0}")]
    Runtime(std::io::Error),
    /// Something outlives it.
    #[error("still there after {0} did not end in time; its log says more")]
    Left(String),
}

pub(crate) fn run(arguments: Arguments, format: Format) -> Result<ExitCode, DevError> {
    let Arguments { workspace, dir, port, rules, ask, allow, ceiling } = arguments;
    let standing = Standing::now()?;
    let caller = Caller::of_this_process();
    let workspace = workspace.unwrap_or_else(|| ".".into());
    let surroundings = Surroundings::look(&workspace, &caller, standing.is_root())?;
    let given = Given::read(rules.as_deref(), ceiling.as_deref(), allow)?;
    let state = State::make(dir.as_deref(), &surroundings.workspace, standing)?;
    let programs = Programs::find(&state, standing)?;
    let ceiling = given.ceiling(&surroundings, &programs.worker)?;
    let ceiling = state.write("host", "ceiling.toml", ceiling.as_bytes())?;
    let household = Household::with_warden(&programs, &state, standing, &ceiling)?;

    standing.settle()?;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DevError::Runtime)?;
    let scene =
        Scene { standing, surroundings, given, ask, state, programs, ceiling, port, format };
    runtime.block_on(scene.play(household))?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that was found and prepared before root was given up.
struct Scene {
    standing: Standing,
    surroundings: Surroundings,
    given: Given,
    /// What to ask before.
    ask: Vec<String>,
    state: State,
    programs: Programs,
    ceiling: PathBuf,
    port: Option<u16>,
    format: Format,
}

impl Scene {
    /// Starts the rest, goes on until a signal or a failure, and ends it all.
    async fn play(self, mut household: Household) -> Result<(), DevError> {
        let ended = match Signals::new().map_err(DevError::Runtime) {
            Ok(mut signals) => tokio::select! {
                failure = self.live(&mut household) => failure,
                () = signals.one() => Ok(()),
            },
            Err(error) => Err(error),
        };
        match household.end().await[..] {
            [] => ended,
            ref left => ended.and(Err(DevError::Left(left.join(" and ")))),
        }
    }

    /// Comes back only with a failure.
    async fn live(&self, household: &mut Household) -> Result<(), DevError> {
        let Self { standing, surroundings, state, programs, .. } = self;
        let credentials = self.prepare()?;
        let agent = household.start_agent(programs, state).await?;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, self.choose_port()));
        let workspace = &surroundings.workspace;
        let configuration = configuration::gateway(listen, workspace, agent, credentials.agent);
        state.write("gateway", "gateway.toml", configuration.as_bytes())?;
        let mcp_url = household.start_gateway(programs, state).await?;
        let degraded = check(&mcp_url, &credentials.token).await?;
        self.format.show(&Announcement {
            mcp_url,
            state_dir: state.path().to_owned(),
            agent: agent.to_string(),
            degraded,
            approver_file: credentials.approver_file,
            details: Details::of(surroundings, state, *standing, &credentials.token_file),
            token: credentials.token,
        });
        state.remove_leftovers();
        Err(household.one_has_ended().await.into())
    }

    /// Writes what agent and gateway need, as the user that they run as.
    fn prepare(&self) -> Result<Credentials, DevError> {
        let Self { surroundings, given, ask, state, programs, ceiling, .. } = self;
        state.write("gateway", "rules.toml", given.rules(ask)?.as_bytes())?;
        let credentials = Credentials::make(state, &announcement::user_name())?;
        let profile = configuration::profile(surroundings, given.destinations());
        state.write("profiles", "dev.toml", profile.as_bytes())?;
        let agent = configuration::agent(ceiling, &programs.worker, credentials.gateway);
        state.write("agent", "agent.toml", agent.as_bytes())?;
        Ok(credentials)
    }

    fn choose_port(&self) -> u16 {
        self.port.unwrap_or_else(|| {
            let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, USUAL_PORT)).is_ok();
            if is_free { USUAL_PORT } else { 0 }
        })
    }
}

/// A first run, the whole way; what is weaker here. Rules of the caller's own may
/// refuse it or ask people: then nothing is known about cells, and nothing is
/// wrong.
async fn check(mcp_url: &str, token: &str) -> Result<Vec<Value>, DevError> {
    let endpoint =
        Endpoint { url: mcp_url.to_owned(), token: token.to_owned().into(), authorities: None };
    let client = Client::connect(&endpoint, |_| {}).await?;
    let arguments = Map::from_iter([("program".to_owned(), "true".into())]);
    let result = client.call("execute_command", arguments).await?;
    let told = result.structured_content.unwrap_or_default();
    if told["error"]["reason"] == "APPROVAL_PENDING" {
        let id = told["error"]["approval"].clone();
        let back =
            Map::from_iter([("approval".to_owned(), id), ("withdraw".to_owned(), true.into())]);
        client.call("check_approval", back).await?;
    }
    client.close().await;
    let refused = ["DENIED", "APPROVAL_PENDING"].map(Value::from);
    match &told["outcome"] {
        outcome if outcome["kind"] == "exited" => Ok(degraded(&told)),
        _ if refused.contains(&told["error"]["reason"]) => Ok(Vec::new()),
        Value::Null => Err(DevError::Check(told["error"]["message"].to_string())),
        outcome => Err(DevError::Check(outcome.to_string())),
    }
}

/// The signals that ask it to end.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn one(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
