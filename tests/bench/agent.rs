//! Runs through the agent, as the gateway asks for them: gRPC over mutual TLS,
//! each with an intent of its own that the gateway's key signed.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use cofferdam_proto::exec::v1::exec_service_client::ExecServiceClient;
use cofferdam_proto::exec::v1::{Command, Exited, StartRunRequest, outcome, run_event};
use cofferdam_proto::intent::v1::{
    Grant, Intent, Limits, Receipt, SignedReceipt, Subject, WorkspaceAccess,
};
use cofferdam_tests::dev::Dev;
use cofferdam_tests::measure::spawn::TRUE;
use cofferdam_tests::wire::Wire;
use cofferdam_trust::{
    SigningKey, TrustedKeys, action_digest, connect, receipt_matches, sign_intent, verify_receipt,
};
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::mcp::Seen;

/// How long the agent takes a signed intent.
const LIFETIME: Duration = Duration::from_mins(1);

/// The gateway's place at the agent.
pub(crate) struct Client {
    runtime: Runtime,
    runs: ExecServiceClient<Channel>,
    key: SigningKey,
    receipts: TrustedKeys,
    command: Command,
    template: Intent,
}

impl Client {
    pub(crate) fn connect(dev: &Dev, seen: &Seen) -> anyhow::Result<Self> {
        let wire = Wire::of(dev);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let channel = {
            // The channel's own task lives on the runtime.
            let _entered = runtime.enter();
            connect(&wire.address, wire.tls())?
        };
        let command = Command { program: TRUE.into(), ..Command::default() };
        Ok(Self {
            runtime,
            runs: ExecServiceClient::new(channel),
            key: wire.signing_key(),
            receipts: TrustedKeys::from_iter([wire.receipts]),
            template: template(dev, &wire, seen, &command),
            command,
        })
    }

    /// A run with a cell of its own, from signing the intent to the verified
    /// receipt.
    pub(crate) fn run(&mut self) -> anyhow::Result<Duration> {
        let Self { runtime, runs, key, receipts, command, template } = self;
        let began = Instant::now();
        let mut intent = template.clone();
        let now = SystemTime::now();
        intent.run_id = Uuid::now_v7().to_string();
        intent.nonce = Uuid::new_v4().as_bytes().to_vec();
        intent.issued_at = Some(now.into());
        intent.expires_at = Some((now + LIFETIME).into());
        let signed = sign_intent(key, &intent);
        let request =
            StartRunRequest { intent: Some(signed.clone()), command: Some(command.clone()) };
        let receipt = runtime.block_on(follow(runs, request))?;
        let receipt: Receipt = verify_receipt(receipts, &receipt)?;
        ensure!(receipt_matches(&receipt, &signed), "the receipt is for another intent");
        Ok(began.elapsed())
    }
}

/// Waits for the end of a run, which must be an exit with 0.
async fn follow(
    runs: &mut ExecServiceClient<Channel>,
    request: StartRunRequest,
) -> anyhow::Result<SignedReceipt> {
    let mut events = runs.start_run(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        let Some(run_event::Event::Finished(finished)) = event.event.and_then(|it| it.event) else {
            continue;
        };
        let ending = finished.outcome.and_then(|outcome| outcome.ending);
        let Some(outcome::Ending::Exited(Exited { code: 0 })) = ending else {
            bail!("`{TRUE}` ended with {ending:?}");
        };
        return finished.receipt.context("the run has no receipt");
    }
    bail!("the stream ended before the run")
}

/// All of an intent but what is each call's own.
fn template(dev: &Dev, wire: &Wire, seen: &Seen, command: &Command) -> Intent {
    Intent {
        subject: Some(Subject { user: "bench".to_owned(), ..Subject::default() }),
        project: seen.project.clone(),
        host: wire.host.clone(),
        tool: "execute_command".to_owned(),
        action_digest: action_digest(command).to_vec(),
        grant: Some(Grant {
            profile: seen.profile.clone(),
            workspace: dev.workspace.display().to_string(),
            workspace_access: WorkspaceAccess::Write.into(),
            programs: Vec::new(),
            limits: Some(Limits::default()),
            network: Vec::new(),
            required_layers: Vec::new(),
        }),
        policy_digest: vec![0; 32],
        gateway_record_hash: vec![0; 32],
        gateway: wire.identity().name().to_string(),
        ..Intent::default()
    }
}
