//! The gateway's part: signs intents, calls, collects.

use std::time::{Duration, SystemTime};

use cofferdam_proto::exec::v1::exec_service_client::ExecServiceClient;
use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::exec::v1::run_event::Event;
use cofferdam_proto::exec::v1::{Command, Finished, RunEvent, StartRunRequest, Started, Stream};
use cofferdam_proto::file::v1::file_service_client::FileServiceClient;
use cofferdam_proto::host::v1::host_service_client::HostServiceClient;
use cofferdam_proto::intent::v1::{Grant, Intent, Limits, SignedIntent, Subject, WorkspaceAccess};
use cofferdam_trust::{
    Identity, SigningKey, TrustedKeys, action_digest, client_config, connect, receipt_matches,
    sign_intent, verify_receipt,
};
use prost_types::Timestamp;
use tonic::Status;
use tonic::transport::Channel;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::host::{AGENT_NAME, GATEWAY_NAME, Host};

/// A gateway that the host believes.
pub(crate) struct Gateway {
    pub(crate) channel: Channel,
    pub(crate) key: SigningKey,
    pub(crate) receipts: TrustedKeys,
    pub(crate) workspace: String,
}

/// All that a run said.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) started: Option<Started>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) gaps: u64,
    pub(crate) finished: Option<Finished>,
}

impl Gateway {
    pub(crate) fn of(host: &Host) -> Self {
        let at = |name: &str| host.directory.path().join("gateway").join(name);
        let identity = Identity::load(&at("main.crt"), &at("main.key"), &at("ca.crt")).unwrap();
        let config = client_config(&identity, &AGENT_NAME.parse().unwrap()).unwrap();
        let signing = host.directory.path().join("agent/signing.key");
        Self {
            channel: connect(&host.address, config).unwrap(),
            key: SigningKey::load(&at("signing.key")).unwrap(),
            receipts: agent_key(&signing),
            workspace: host.workspace.display().to_string(),
        }
    }

    pub(crate) fn exec(&self) -> ExecServiceClient<Channel> {
        ExecServiceClient::new(self.channel.clone())
    }

    pub(crate) fn files(&self) -> FileServiceClient<Channel> {
        FileServiceClient::new(self.channel.clone()).max_decoding_message_size(32 << 20)
    }

    pub(crate) fn hosts(&self) -> HostServiceClient<Channel> {
        HostServiceClient::new(self.channel.clone())
    }

    /// An intent for the action with this digest, which counts for a minute.
    pub(crate) fn intent(&self, action_digest: [u8; 32]) -> Intent {
        let now = SystemTime::now();
        Intent {
            run_id: Uuid::new_v4().to_string(),
            subject: Some(Subject { user: "alice".to_owned(), ..Subject::default() }),
            project: "test".to_owned(),
            host: "test".to_owned(),
            tool: "test".to_owned(),
            action_digest: action_digest.to_vec(),
            grant: Some(Grant {
                profile: "default".to_owned(),
                workspace: self.workspace.clone(),
                workspace_access: WorkspaceAccess::Write.into(),
                programs: Vec::new(),
                limits: Some(Limits::default()),
                network: Vec::new(),
                required_layers: Vec::new(),
            }),
            policy_digest: vec![1; 32],
            gateway_record_hash: vec![2; 32],
            gateway_record_sequence: 3,
            nonce: Uuid::new_v4().into_bytes().to_vec(),
            issued_at: Some(stamp(now)),
            expires_at: Some(stamp(now + Duration::from_mins(1))),
            gateway: GATEWAY_NAME.to_owned(),
            ..Intent::default()
        }
    }

    pub(crate) fn signed<M: prost::Message + prost::Name>(
        &self,
        action: &M,
        change: impl FnOnce(&mut Intent),
    ) -> SignedIntent {
        let mut intent = self.intent(action_digest(action));
        change(&mut intent);
        sign_intent(&self.key, &intent)
    }

    /// A request to run a command.
    pub(crate) fn request(
        &self,
        command: Command,
        change: impl FnOnce(&mut Intent),
    ) -> StartRunRequest {
        let intent = Some(self.signed(&command, change));
        StartRunRequest { intent, command: Some(command), hold: false }
    }

    /// Starts a run and follows it to its end; its receipt must answer its
    /// intent.
    pub(crate) async fn run(&self, request: StartRunRequest) -> Result<Followed, Status> {
        let signed = request.intent.clone().unwrap();
        let mut events = self.exec().start_run(request).await?.into_inner();
        let mut followed = Followed::default();
        while let Some(response) = events.message().await? {
            followed.take(response.event.unwrap());
        }
        let finished = followed.finished.as_ref().expect("a run finishes");
        let receipt = verify_receipt(&self.receipts, finished.receipt.as_ref().unwrap()).unwrap();
        assert!(receipt_matches(&receipt, &signed));
        Ok(followed)
    }

    /// Runs a shell line.
    pub(crate) async fn sh(&self, line: &str) -> Followed {
        self.run(self.request(sh(line), |_| {})).await.unwrap()
    }
}

fn agent_key(path: &std::path::Path) -> TrustedKeys {
    TrustedKeys::from_iter([SigningKey::load(path).unwrap().public_key()])
}

pub(crate) fn sh(line: &str) -> Command {
    Command {
        program: b"sh".to_vec(),
        arguments: vec![b"-c".to_vec(), line.into()],
        ..Command::default()
    }
}

pub(crate) fn limits(intent: &mut Intent, limits: Limits) {
    intent.grant.as_mut().unwrap().limits = Some(limits);
}

pub(crate) fn profile(intent: &mut Intent, profile: &str) {
    profile.clone_into(&mut intent.grant.as_mut().unwrap().profile);
}

fn stamp(time: SystemTime) -> Timestamp {
    cofferdam_agent::clock::timestamp(time)
}

/// The stable reason of a refusal.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

impl Followed {
    pub(crate) fn take(&mut self, event: RunEvent) {
        match event.event.unwrap() {
            Event::Started(started) => self.started = Some(started),
            Event::Output(output) => {
                let bytes = match output.stream() {
                    Stream::Stdout => &mut self.stdout,
                    _ => &mut self.stderr,
                };
                assert_eq!(output.offset, bytes.len() as u64 + self.gaps, "offsets go on");
                bytes.extend_from_slice(&output.data);
            }
            Event::Gap(gap) => self.gaps += gap.length,
            Event::Finished(finished) => self.finished = Some(finished),
        }
    }

    pub(crate) fn ending(&self) -> Ending {
        self.finished.clone().unwrap().outcome.unwrap().ending.unwrap()
    }

    pub(crate) fn code(&self) -> u32 {
        match self.ending() {
            Ending::Exited(exited) => exited.code,
            other => panic!("no exit: {other:?}: {}", String::from_utf8_lossy(&self.stderr)),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }
}
