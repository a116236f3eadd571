//! Runs through the agent, as the gateway asks for them: gRPC over mutual TLS,
//! each with an intent of its own that the gateway's key signed.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use cofferdam_proto::exec::v1::exec_service_client::ExecServiceClient;
use cofferdam_proto::exec::v1::{
    Command, Exited, StartRunRequest, StartRunResponse, outcome, run_event,
};
use cofferdam_proto::intent::v1::{
    Grant, Intent, Limits, Receipt, SignedIntent, SignedReceipt, Subject, WorkspaceAccess,
};
use cofferdam_tests::dev::Dev;
use cofferdam_tests::measure::spawn::TRUE;
use cofferdam_tests::wire::Wire;
use cofferdam_trust::{
    SigningKey, TrustedKeys, action_digest, connect, receipt_matches, sign_intent, verify_receipt,
};
use tokio::runtime::Runtime;
use tonic::Streaming;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::mcp::Seen;

/// How long the agent takes a signed intent.
const LIFETIME: Duration = Duration::from_mins(1);

/// As much output as the ceiling allows.
const ANY_OUTPUT: Limits = Limits {
    output_bytes: u64::MAX,
    memory_bytes: 0,
    processes: 0,
    cpu_millis: 0,
    wall_millis: 0,
    file_size_bytes: 0,
    open_files: 0,
};

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
            template: template(dev, &wire, seen),
            command,
        })
    }

    /// A run with a cell of its own, from signing the intent to the verified
    /// receipt.
    pub(crate) fn run(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let command = self.command.clone();
        self.follow(&command, Limits::default()).map(drop)?;
        Ok(began.elapsed())
    }

    /// A run that prints `bytes`, from signing the intent until all of it came.
    pub(crate) fn print(&mut self, command: &Command, bytes: u64) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let printed = self.follow(command, ANY_OUTPUT)?;
        ensure!(printed == bytes, "{printed} of {bytes} bytes came");
        Ok(began.elapsed())
    }

    /// So many runs whose output nobody reads, on the same connection as all others.
    /// They end when what is given back is dropped.
    pub(crate) fn stall(
        &mut self,
        command: &Command,
        runs: usize,
    ) -> anyhow::Result<Vec<Streaming<StartRunResponse>>> {
        let requests: Vec<_> = (0..runs).map(|_| self.request(command, ANY_OUTPUT)).collect();
        let Self { runtime, runs, .. } = self;
        runtime.block_on(async {
            let mut stalled = Vec::new();
            for (request, _) in requests {
                stalled.push(runs.start_run(request).await?.into_inner());
            }
            // Until their buffers are full.
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(stalled)
        })
    }

    /// Follows a run to its verified receipt; gives how much it printed.
    fn follow(&mut self, command: &Command, limits: Limits) -> anyhow::Result<u64> {
        let (request, signed) = self.request(command, limits);
        let Self { runtime, runs, receipts, .. } = self;
        let (printed, receipt) = runtime.block_on(follow(runs, request))?;
        let receipt: Receipt = verify_receipt(receipts, &receipt)?;
        ensure!(receipt_matches(&receipt, &signed), "the receipt is for another intent");
        Ok(printed)
    }

    fn request(&self, command: &Command, limits: Limits) -> (StartRunRequest, SignedIntent) {
        let mut intent = self.template.clone();
        let now = SystemTime::now();
        intent.action_digest = action_digest(command).to_vec();
        intent.run_id = Uuid::now_v7().to_string();
        intent.nonce = Uuid::new_v4().as_bytes().to_vec();
        intent.issued_at = Some(now.into());
        intent.expires_at = Some((now + LIFETIME).into());
        if let Some(grant) = &mut intent.grant {
            grant.limits = Some(limits);
        }
        let signed = sign_intent(&self.key, &intent);
        let (intent, command) = (Some(signed.clone()), Some(command.clone()));
        let request = StartRunRequest { intent, command, hold: false };
        (request, signed)
    }
}

/// Waits for the end of a run, which must be an exit with 0.
async fn follow(
    runs: &mut ExecServiceClient<Channel>,
    request: StartRunRequest,
) -> anyhow::Result<(u64, SignedReceipt)> {
    let mut printed = 0;
    let mut events = runs.start_run(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        let finished = match event.event.and_then(|it| it.event) {
            Some(run_event::Event::Finished(finished)) => finished,
            Some(run_event::Event::Output(output)) => {
                printed += output.data.len() as u64;
                continue;
            }
            _ => continue,
        };
        let ending = finished.outcome.and_then(|outcome| outcome.ending);
        let Some(outcome::Ending::Exited(Exited { code: 0 })) = ending else {
            bail!("it ended with {ending:?}");
        };
        return Ok((printed, finished.receipt.context("the run has no receipt")?));
    }
    bail!("the stream ended before the run")
}

/// All of an intent but what is each call's own.
fn template(dev: &Dev, wire: &Wire, seen: &Seen) -> Intent {
    Intent {
        subject: Some(Subject { user: "bench".to_owned(), ..Subject::default() }),
        project: seen.project.clone(),
        host: wire.host.clone(),
        tool: "execute_command".to_owned(),
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
