//! People who sit at the client that asks: only where the rules take that
//! client's word for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, Implementation,
};
use rmcp::service::{RequestContext, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ErrorData, ServiceExt};

use crate::records::bodies;

use super::*;

mod again;

const RULES: &str = r#"
version = 1
profiles = ["readonly", "build"]

[[rule]]
id = "work"
effect = "allow"
tools = ["execute_command"]
programs = [{ any = true }]
grant = { profile = "build", workspace_access = "write" }

[[rule]]
id = "push"
effect = "ask"
reason = "what is pushed is public"
programs = [{ names = ["push", "both"] }]
approval = { own = true, attended = ["desk *"] }

[[rule]]
id = "both"
effect = "ask"
programs = [{ names = ["both"] }]
approval = { own = true }
"#;

/// A client that answers whatever it is asked.
#[derive(Clone)]
struct Answering {
    name: &'static str,
    answer: ElicitResult,
    declares: bool,
    asked: Arc<AtomicUsize>,
}

impl ClientHandler for Answering {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.client_info = Implementation::new(self.name, "1");
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = self.declares.then(ElicitationCapability::default);
        info.capabilities = capabilities;
        info
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = request else {
            panic!("it asks for a form");
        };
        assert!(message.contains("project site, host down"), "{message}");
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answer.clone())
    }
}

type Session = RunningService<RoleClient, Answering>;

async fn scene() -> Scene {
    let script = Script { stdout: "done\n", ..Script::default() };
    let more = "[approvals]\npatience_seconds = 2";
    let (served, host) = Served::start_with_host_and(Some(RULES), script, more).await;
    Scene { served, host }
}

fn answering(name: &'static str, answer: ElicitResult) -> Answering {
    Answering { name, answer, declares: true, asked: Arc::default() }
}

async fn connect(scene: &Scene, client: &Answering) -> Session {
    let config = StreamableHttpClientTransportConfig::with_uri(scene.served.url.as_str())
        .auth_header(scene.served.token.as_str());
    let http = scene.served.client().clone();
    let session = client.clone().serve(StreamableHttpClientTransport::with_client(http, config));
    let session = session.await.unwrap();
    // The stream that the server asks by opens a moment later.
    tokio::time::sleep(Duration::from_millis(300)).await;
    session
}

async fn run(session: &Session, program: &str) -> CallToolResult {
    let params = CallToolRequestParams::new("execute_command")
        .with_arguments(arguments(json!({ "program": program })));
    session.call_tool(params).await.unwrap()
}

fn accept() -> ElicitResult {
    ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "agree": true }))
}

#[tokio::test]
async fn an_attended_client_is_asked_and_its_person_agrees() {
    let mut scene = scene().await;
    let client = answering("desk app", accept());
    let session = connect(&scene, &client).await;
    assert_eq!(done(&run(&session, "push").await)["stdout"], "done\n");
    assert_eq!(client.asked.load(Ordering::SeqCst), 1);
    let approval = scene.host.asked().pop().unwrap().0.approval.unwrap();
    assert_eq!(approval.people, ["ada"]);
    scene.served.stop().await;
    let steps = bodies(&scene.served, "approval");
    let approved = steps.iter().find(|step| step["step"] == "approved").unwrap();
    assert_eq!(
        (&approved["through"], &approved["by"]["user"]),
        (&json!("elicitation"), &json!("ada"))
    );
}

#[tokio::test]
async fn who_declines_there_refuses_and_who_cancels_or_answers_nothing_leaves_it_open() {
    let scene = scene().await;
    let decline = answering("desk app", ElicitResult::new(ElicitationAction::Decline));
    let session = connect(&scene, &decline).await;
    assert_eq!(failed(&run(&session, "push").await)["reason"], "APPROVAL_REFUSED");
    for answer in [
        ElicitResult::new(ElicitationAction::Cancel),
        ElicitResult::new(ElicitationAction::Accept),
        ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "agree": "yes" })),
    ] {
        let client = answering("desk app", answer);
        let session = connect(&scene, &client).await;
        let other = json!({ "program": "push", "arguments": [format!("{:?}", client.answer)] });
        let params = CallToolRequestParams::new("execute_command").with_arguments(arguments(other));
        let result = session.call_tool(params).await.unwrap();
        assert_eq!(failed(&result)["reason"], "APPROVAL_PENDING");
        assert_eq!(client.asked.load(Ordering::SeqCst), 1);
    }
    assert_eq!(scene.runs(), 0);
}

#[tokio::test]
async fn whoever_is_not_named_is_asked_nothing_whatever_they_would_answer() {
    let scene = scene().await;
    let unnamed = answering("headless", accept());
    let silent = Answering { declares: false, ..answering("desk app", accept()) };
    for client in [&unnamed, &silent] {
        let session = connect(&scene, client).await;
        assert_eq!(failed(&run(&session, "push").await)["reason"], "APPROVAL_PENDING");
    }
    // One of the two rules names no client.
    let named = answering("desk app", accept());
    let session = connect(&scene, &named).await;
    assert_eq!(failed(&run(&session, "both").await)["reason"], "APPROVAL_PENDING");
    for client in [unnamed, silent, named] {
        assert_eq!(client.asked.load(Ordering::SeqCst), 0, "{}", client.name);
    }
    assert_eq!(scene.runs(), 0);
}

#[tokio::test]
async fn while_a_client_is_asked_approvers_can_answer_too() {
    let scene = scene().await;
    let client = answering("desk app", ElicitResult::new(ElicitationAction::Cancel));
    let session = connect(&scene, &client).await;
    let bob = scene.approver("bob");
    let answers = async {
        let request = waiting(&bob).await;
        agree(&bob, &request).await
    };
    done(&tokio::join!(run(&session, "push"), answers).0);
}
