//! A host for tests: mutual TLS, signed intents in, signed receipts out, like an
//! agent's; but every run ends as it was told beforehand. It runs nothing.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cofferdam_proto::exec::v1::exec_service_server::{ExecService, ExecServiceServer};
use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::exec::v1::run_event::Event;
use cofferdam_proto::exec::v1::{
    AttachRunRequest, AttachRunResponse, CancelRunRequest, CancelRunResponse, CloseSessionRequest,
    CloseSessionResponse, Command, DescribeRunRequest, DescribeRunResponse, Exited,
    FindProgramRequest, FindProgramResponse, Finished, KeepRunRequest, KeepRunResponse, Layer,
    ListRunsRequest, ListRunsResponse, Outcome, Output, ResizeRunRequest, ResizeRunResponse,
    RunEvent, RunState, Sandbox, SessionClosed, SignalRunRequest, SignalRunResponse,
    StartRunRequest, StartRunResponse, Started, Stream, Usage, WriteRunRequest, WriteRunResponse,
};
use cofferdam_proto::intent::v1::{Intent, Receipt, SignedIntent, SignedReceipt};
use cofferdam_trust::{
    Authority, Identity, Lifetime, PeerName, SigningKey, TlsListener, TrustedKeys, VerifyingKey,
    server_config, sha256, sign_receipt, verify_intent,
};
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status};

/// The host's name, as the gateway's configuration has it.
const NAME: &str = "down";

/// How each run ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    pub(crate) stdout: &'static str,
    pub(crate) code: u32,
    /// How it ends, if not by itself with that code.
    pub(crate) ending: Option<Ending>,
    /// What it shows for it.
    pub(crate) proof: Proof,
    /// It ends only for whoever asks again.
    pub(crate) goes_on: bool,
    /// It ends for nobody.
    pub(crate) never_ends: bool,
    pub(crate) layers: Vec<Layer>,
    pub(crate) sandbox: Option<Sandbox>,
}

/// What a host shows for what it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A receipt that is right.
    #[default]
    Right,
    /// None.
    Missing,
    /// That of another run.
    OtherRun,
    /// One over other output.
    OtherOutput,
    /// One that somebody else signed.
    Strangers,
}

/// A host that serves.
pub(crate) struct TestHost {
    pub(crate) address: String,
    /// What its receipts are signed with.
    pub(crate) key: VerifyingKey,
    asked: Asked,
    closed: Closed,
}

/// What was asked, in order.
type Asked = Arc<Mutex<Vec<(Intent, Command)>>>;

/// Sessions that were closed.
type Closed = Arc<Mutex<Vec<String>>>;

struct Exec {
    /// Its URI name.
    name: String,
    script: Script,
    gateways: TrustedKeys,
    key: SigningKey,
    asked: Asked,
    closed: Closed,
    /// The newest run, to be asked for again.
    last: Mutex<Option<(String, SignedIntent)>>,
}

impl TestHost {
    /// Starts it with a certificate of the authority in `directory`.
    pub(crate) async fn start(directory: &Path, script: Script) -> Self {
        Self::start_as(NAME, directory, script).await
    }

    /// The same, of another name.
    pub(crate) async fn start_as(own: &str, directory: &Path, script: Script) -> Self {
        Self::start_signing(own, directory, script, SigningKey::generate().unwrap()).await
    }

    /// The same with this key, by which it signs its receipts.
    pub(crate) async fn start_signing(
        own: &str,
        directory: &Path,
        script: Script,
        signing: SigningKey,
    ) -> Self {
        let uri = format!("spiffe://cofferdam/agent/{own}");
        let name: PeerName = uri.parse().unwrap();
        let lifetime = Lifetime::from_now(Duration::from_hours(1));
        let issued = Authority::open(directory).unwrap().issue(&name, lifetime).unwrap();
        issued.write(directory).unwrap();
        let file = |name: &str| directory.join(name);
        let identity = Identity::load(
            &file(&format!("{own}.crt")),
            &file(&format!("{own}.key")),
            &file("ca.crt"),
        );
        let loopback = "127.0.0.1:0".parse().unwrap();
        let listener =
            TlsListener::bind(loopback, server_config(&identity.unwrap()).unwrap()).await.unwrap();
        let address = listener.local_addr().to_string();
        let (asked, closed) = (Asked::default(), Closed::default());
        let key = signing.public_key();
        let gateway = SigningKey::load(&file("signing.key")).unwrap().public_key();
        let exec = Exec {
            name: uri,
            script,
            gateways: TrustedKeys::from_iter([gateway]),
            key: signing,
            asked: Arc::clone(&asked),
            closed: Arc::clone(&closed),
            last: Mutex::default(),
        };
        let server = tonic::transport::Server::builder().add_service(ExecServiceServer::new(exec));
        tokio::spawn(server.serve_with_incoming(listener));
        Self { address, key, asked, closed }
    }

    /// The sessions that were closed so far.
    pub(crate) fn closed(&self) -> Vec<String> {
        self.closed.lock().unwrap().clone()
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<(Intent, Command)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Exec {
    fn receipt(&self, run_id: &str, intent: &SignedIntent) -> Option<SignedReceipt> {
        let both = [sha256(self.script.stdout.as_bytes()), sha256(b"")].concat();
        let stranger = SigningKey::generate().unwrap();
        let receipt = |run_id: &str, output| self.receipt_of(run_id, intent, output);
        Some(match self.script.proof {
            Proof::Right => receipt(run_id, sha256(&both)),
            Proof::Missing => return None,
            Proof::OtherRun => receipt("00000000-0000-4000-8000-000000000000", sha256(&both)),
            Proof::OtherOutput => receipt(run_id, sha256(b"other")),
            Proof::Strangers => SignedReceipt {
                signature: sign_receipt(&stranger, &Receipt::default()).signature,
                ..receipt(run_id, sha256(&both))
            },
        })
    }

    fn receipt_of(&self, run_id: &str, intent: &SignedIntent, output: [u8; 32]) -> SignedReceipt {
        let receipt = Receipt {
            run_id: run_id.to_owned(),
            host: self.name.clone(),
            intent_digest: sha256(&intent.intent).to_vec(),
            agent_intent_hash: vec![1; 32],
            agent_outcome_hash: vec![2; 32],
            output_digest: output.to_vec(),
            issued_at: None,
        };
        sign_receipt(&self.key, &receipt)
    }

    /// The whole life of a run.
    fn events(&self, run_id: &str, intent: &SignedIntent) -> Vec<Event> {
        let Script { stdout, layers, .. } = self.script.clone();
        let stream = Stream::Stdout.into();
        vec![
            Event::Started(Started { run_id: run_id.to_owned(), started_at: None, layers }),
            Event::Output(Output { stream, offset: 0, data: stdout.into() }),
            self.end(run_id, intent),
        ]
    }

    fn end(&self, run_id: &str, intent: &SignedIntent) -> Event {
        let Script { stdout, code, ending, sandbox, .. } = self.script.clone();
        let ending = ending.unwrap_or(Ending::Exited(Exited { code }));
        Event::Finished(Finished {
            outcome: Some(Outcome { ending: Some(ending) }),
            usage: Some(Usage::default()),
            receipt: self.receipt(run_id, intent),
            stdout_bytes: stdout.len() as u64,
            stderr_bytes: 0,
            sandbox,
        })
    }
}

type Told<T> = Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ExecService for Exec {
    type StartRunStream = Told<StartRunResponse>;
    type AttachRunStream = Told<AttachRunResponse>;

    async fn start_run(
        &self,
        request: Request<StartRunRequest>,
    ) -> Result<Response<Self::StartRunStream>, Status> {
        let StartRunRequest { intent, command, hold: _ } = request.into_inner();
        let (signed, command) = (intent.unwrap(), command.unwrap());
        let intent = verify_intent(&self.gateways, &signed).unwrap();
        assert_eq!(intent.action_digest, cofferdam_trust::action_digest(&command));
        let mut events = self.events(&intent.run_id, &signed);
        *self.last.lock().unwrap() = Some((intent.run_id.clone(), signed));
        self.asked.lock().unwrap().push((intent, command));
        let told = |event| StartRunResponse { event: Some(RunEvent { event: Some(event) }) };
        if self.script.goes_on {
            events.pop();
        }
        let told: Vec<_> = events.into_iter().map(|event| Ok(told(event))).collect();
        let told = tokio_stream::iter(told);
        if self.script.goes_on {
            return Ok(Response::new(Box::pin(told.chain(tokio_stream::pending()))));
        }
        Ok(Response::new(Box::pin(told)))
    }

    async fn attach_run(
        &self,
        _: Request<AttachRunRequest>,
    ) -> Result<Response<Self::AttachRunStream>, Status> {
        let last = self.last.lock().unwrap().clone();
        let (run_id, intent) = last.ok_or_else(|| Status::not_found("there was no run"))?;
        if self.script.never_ends {
            return Ok(Response::new(Box::pin(tokio_stream::pending())));
        }
        let event = Some(RunEvent { event: Some(self.end(&run_id, &intent)) });
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(AttachRunResponse { event })))))
    }

    async fn keep_run(
        &self,
        _: Request<KeepRunRequest>,
    ) -> Result<Response<KeepRunResponse>, Status> {
        let state = if self.script.goes_on { RunState::Running } else { RunState::Ended };
        Ok(Response::new(KeepRunResponse { state: state.into() }))
    }

    async fn write_run(
        &self,
        _: Request<WriteRunRequest>,
    ) -> Result<Response<WriteRunResponse>, Status> {
        Err(Status::unimplemented("every run of this host has ended"))
    }

    async fn resize_run(
        &self,
        _: Request<ResizeRunRequest>,
    ) -> Result<Response<ResizeRunResponse>, Status> {
        Err(Status::unimplemented("every run of this host has ended"))
    }

    async fn signal_run(
        &self,
        _: Request<SignalRunRequest>,
    ) -> Result<Response<SignalRunResponse>, Status> {
        Err(Status::unimplemented("every run of this host has ended"))
    }

    async fn cancel_run(
        &self,
        _: Request<CancelRunRequest>,
    ) -> Result<Response<CancelRunResponse>, Status> {
        Err(Status::unimplemented("every run of this host has ended"))
    }

    async fn close_session(
        &self,
        request: Request<CloseSessionRequest>,
    ) -> Result<Response<CloseSessionResponse>, Status> {
        let CloseSessionRequest { intent, closing } = request.into_inner();
        let (signed, closing) = (intent.unwrap(), closing.unwrap());
        let intent = verify_intent(&self.gateways, &signed).unwrap();
        assert_eq!(intent.action_digest, cofferdam_trust::action_digest(&closing));
        assert_eq!(intent.session, closing.session);
        let closed = SessionClosed { runs: 1, cells: 1 };
        let output = sha256(&prost::Message::encode_to_vec(&closed));
        let receipt = self.receipt_of(&intent.run_id, &signed, output);
        self.closed.lock().unwrap().push(closing.session);
        Ok(Response::new(CloseSessionResponse { closed: Some(closed), receipt: Some(receipt) }))
    }

    async fn describe_run(
        &self,
        _: Request<DescribeRunRequest>,
    ) -> Result<Response<DescribeRunResponse>, Status> {
        Err(Status::unimplemented("nobody asks this host"))
    }

    async fn list_runs(
        &self,
        _: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        Err(Status::unimplemented("nobody asks this host"))
    }

    async fn find_program(
        &self,
        _: Request<FindProgramRequest>,
    ) -> Result<Response<FindProgramResponse>, Status> {
        Err(Status::unimplemented("nobody asks this host"))
    }
}
