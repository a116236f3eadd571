//! Whoever calls a [`Host`]'s agent: the gateway's part, played by the test,
//! which signs each intent as a gateway would.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use cofferdam_proto::exec::v1::exec_service_client::ExecServiceClient;
use cofferdam_proto::exec::v1::{Command, StartRunRequest};
use cofferdam_proto::file::v1::file_service_client::FileServiceClient;
use cofferdam_proto::intent::v1::{Grant, Intent, Limits, SignedIntent, Subject, WorkspaceAccess};
use cofferdam_trust::{
    Identity, SigningKey, TrustedKeys, action_digest, client_config, connect, sign_intent,
};
use prost_types::Timestamp;
use tokio::runtime::Runtime;
use tonic::Status;
use tonic::transport::Channel;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::host::{GATEWAY, Host};

mod live;

pub use live::{Live, Ran};

/// Where all calls of a test process are made.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
});

/// Waits for the answer of a call.
pub fn wait<F: Future>(call: F) -> F::Output {
    RUNTIME.block_on(call)
}

/// A caller, with what a gateway's rules gave it.
#[derive(Debug, Clone)]
pub struct Caller {
    channel: Channel,
    keys: Arc<Keys>,
    /// The user's name.
    pub user: String,
    /// Which of the user's sessions; empty: the usual one.
    pub session: String,
    /// The grant: profile, workspace, limits, programs.
    pub grant: Grant,
    /// Each call has a cell of its own.
    pub one_shot: bool,
}

#[derive(Debug)]
struct Keys {
    signing: SigningKey,
    receipts: TrustedKeys,
}

impl Caller {
    /// A caller with a workspace of the same name, in the profile `default`.
    ///
    /// # Panics
    /// When the host's files cannot be used.
    #[must_use]
    pub fn of(host: &Host, name: &str) -> Self {
        let _inside = RUNTIME.enter();
        let at = |file: &str| host.place().join("gateway").join(file);
        let identity =
            Identity::load(&at("main.crt"), &at("main.key"), &at("ca.crt")).expect("an identity");
        let tls =
            client_config(&identity, &host.agent().parse().expect("a name")).expect("its TLS");
        let signing = SigningKey::load(&at("signing.key")).expect("the gateway's key");
        let receipts = TrustedKeys::from_iter([host.signing_key().public_key()]);
        let grant = Grant {
            profile: "default".to_owned(),
            workspace: host.workspace(name).display().to_string(),
            workspace_access: WorkspaceAccess::Write.into(),
            limits: Some(Limits::default()),
            ..Grant::default()
        };
        Self {
            channel: connect(host.address(), tls).expect("a channel"),
            keys: Arc::new(Keys { signing, receipts }),
            user: name.to_owned(),
            session: String::new(),
            grant,
            one_shot: false,
        }
    }

    /// The same with another profile.
    #[must_use]
    pub fn profile(mut self, profile: &str) -> Self {
        profile.clone_into(&mut self.grant.profile);
        self
    }

    /// The same in another session of the user.
    #[must_use]
    pub fn session(mut self, session: &str) -> Self {
        session.clone_into(&mut self.session);
        self
    }

    /// Somebody else, with the same grant.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// The same with a cell for each call.
    #[must_use]
    pub fn one_shot(mut self) -> Self {
        self.one_shot = true;
        self
    }

    /// The same with limits of its own; 0: the profile's.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.grant.limits = Some(limits);
        self
    }

    /// The same with these programs only.
    #[must_use]
    pub fn programs(mut self, programs: &[&str]) -> Self {
        self.grant.programs = programs.iter().map(|&program| program.to_owned()).collect();
        self
    }

    /// The same with another workspace.
    #[must_use]
    pub fn at(mut self, workspace: &Path) -> Self {
        self.grant.workspace = workspace.display().to_string();
        self
    }

    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.grant.workspace.clone().into()
    }

    /// Runs a shell line.
    ///
    /// # Panics
    /// When the call is refused.
    #[must_use]
    pub fn sh(&self, line: &str) -> Ran {
        self.run(sh(line)).unwrap_or_else(|status| panic!("{line}: refused: {status:?}"))
    }

    /// Runs a Python script.
    ///
    /// # Panics
    /// When the call is refused.
    #[must_use]
    pub fn python(&self, script: &str) -> Ran {
        self.run(python(script)).unwrap_or_else(|status| panic!("refused: {status:?}"))
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// Where the call is refused.
    pub fn run(&self, command: Command) -> Result<Ran, Status> {
        wait(async { self.begin(command).await?.follow().await })
    }

    /// Starts a command and comes back with its first word.
    ///
    /// # Errors
    /// Where the call is refused.
    pub fn start(&self, command: Command) -> Result<Live, Status> {
        wait(async {
            let mut live = self.begin(command).await?;
            live.next().await?;
            Ok(live)
        })
    }

    /// Starts a command.
    ///
    /// # Errors
    /// Where the call is refused.
    pub async fn begin(&self, command: Command) -> Result<Live, Status> {
        let command = Command { one_shot: self.one_shot || command.one_shot, ..command };
        let intent = self.signed(&command);
        let (intent_sent, command) = (Some(intent.clone()), Some(command));
        let request = StartRunRequest { intent: intent_sent, command, hold: false };
        let events = self.exec().start_run(request).await?.into_inner();
        Ok(Live { events, intent, caller: self.clone(), ran: Ran::default() })
    }

    /// Speaks to the agent about runs.
    #[must_use]
    pub fn exec(&self) -> ExecServiceClient<Channel> {
        ExecServiceClient::new(self.channel.clone())
    }

    /// Speaks to the agent about files.
    #[must_use]
    pub fn files(&self) -> FileServiceClient<Channel> {
        FileServiceClient::new(self.channel.clone()).max_decoding_message_size(32 << 20)
    }

    /// A signed intent for an action, good for a minute.
    #[must_use]
    pub fn signed<M: prost::Message + prost::Name>(&self, action: &M) -> SignedIntent {
        let now = SystemTime::now();
        let intent = Intent {
            run_id: Uuid::new_v4().to_string(),
            subject: Some(Subject { user: self.user.clone(), ..Subject::default() }),
            project: "test".to_owned(),
            host: "test".to_owned(),
            session: self.session.clone(),
            tool: "test".to_owned(),
            action_digest: action_digest(action).to_vec(),
            grant: Some(self.grant.clone()),
            policy_digest: vec![1; 32],
            gateway_record_hash: vec![2; 32],
            gateway_record_sequence: 3,
            nonce: Uuid::new_v4().into_bytes().to_vec(),
            issued_at: Some(stamp(now)),
            expires_at: Some(stamp(now + Duration::from_mins(1))),
            gateway: GATEWAY.to_owned(),
            ..Intent::default()
        };
        sign_intent(&self.keys.signing, &intent)
    }
}

/// A shell line as a command.
#[must_use]
pub fn sh(line: &str) -> Command {
    command(&["/bin/sh", "-c", line])
}

/// A Python script as a command.
#[must_use]
pub fn python(script: &str) -> Command {
    command(&["/usr/bin/python3", "-c", script])
}

/// A program with its arguments.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().expect("a program");
    Command {
        program: program.as_bytes().to_vec(),
        arguments: arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect(),
        ..Command::default()
    }
}

/// The stable reason of a refusal.
#[must_use]
pub fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn stamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
    }
}
