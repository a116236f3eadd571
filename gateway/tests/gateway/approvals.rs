//! Calls that people have to agree to, from the MCP client that asks to the host
//! that acts, with approvers who answer over HTTP.

mod answers;
mod attended;
mod hostile;
mod reload;
mod survival;
mod webhook;

use std::time::Duration;

use cofferdam_gateway::approvals::{Request, Scope, State, Verdict};
use cofferdam_gateway::client::{
    Answer, Approvals, ApprovalsError, CallToolResult, Client, Endpoint,
};
use cofferdam_gateway::tokens::{NewToken, Purpose};
use serde_json::{Value, json};

use crate::host::{Script, TestHost};
use crate::service::Served;

/// Any program may run; what is named here only once people agree.
const RULES: &str = r#"
version = 1
profiles = ["readonly", "build"]

[[rule]]
id = "work"
effect = "allow"
tools = ["execute_command"]
programs = [{ any = true }]
environment = ["*"]
grant = { profile = "build", workspace_access = "write" }

[[rule]]
id = "push"
effect = "ask"
reason = "what is pushed is public"
programs = [{ names = ["push"] }]

[[rule]]
id = "two"
effect = "ask"
programs = [{ names = ["two"] }]
approval = { people = 2 }

[[rule]]
id = "deploy"
effect = "ask"
programs = [{ names = ["deploy"] }]
approval = { session = false, groups = ["release"] }

[[rule]]
id = "soon"
effect = "ask"
programs = [{ names = ["soon"] }]
approval = { open = "1s" }

[[rule]]
id = "own"
effect = "ask"
programs = [{ names = ["own"] }]
approval = { own = true, users = ["ada"] }

[[rule]]
id = "no-sudo"
effect = "deny"
programs = [{ names = ["sudo"] }]
"#;

/// Long enough for everybody, and never waited out where all is well.
const LONG: Duration = Duration::from_secs(20);

/// A gateway with a host, and people who answer.
struct Scene {
    served: Served,
    host: TestHost,
}

impl Scene {
    /// Callers are left alone after this many seconds.
    async fn start(patience_seconds: u64) -> Self {
        Self::start_with(&format!("patience_seconds = {patience_seconds}")).await
    }

    async fn start_with(approvals: &str) -> Self {
        let script = Script { stdout: "done\n", ..Script::default() };
        let more = format!("[approvals]\n{approvals}");
        let (served, host) = Served::start_with_host_and(Some(RULES), script, &more).await;
        Self { served, host }
    }

    async fn restart(self) -> Self {
        Self { served: self.served.restart().await, host: self.host }
    }

    /// A new token; its text.
    fn token(&self, purpose: Purpose, user: &str, groups: &[&str], tenant: &str) -> String {
        let new = NewToken {
            purpose,
            name: format!("{user}-{}", self.served.tokens().list().unwrap().len()),
            user: user.into(),
            groups: groups.iter().map(|&group| group.into()).collect(),
            tenant: tenant.into(),
            claims: cofferdam_policy::Claims::default(),
            expires_at: None,
        };
        self.served.tokens().create(&new).unwrap().0.reveal().to_owned()
    }

    fn approver(&self, user: &str) -> Approvals {
        self.approver_in(user, &[])
    }

    fn approver_in(&self, user: &str, groups: &[&str]) -> Approvals {
        self.approvals(&self.token(Purpose::Approver, user, groups, ""))
    }

    fn approvals(&self, token: &str) -> Approvals {
        Approvals::new(self.endpoint(token)).unwrap()
    }

    fn endpoint(&self, token: &str) -> Endpoint {
        Endpoint { url: self.served.url.clone(), token: token.to_owned().into(), authorities: None }
    }

    /// A session of its own.
    async fn client(&self) -> Client {
        self.client_as(&self.served.token).await
    }

    async fn client_as(&self, token: &str) -> Client {
        Client::connect(&self.endpoint(token), |_| {}).await.unwrap()
    }

    /// How many runs the host was asked for.
    fn runs(&self) -> usize {
        self.host.asked().len()
    }
}

fn arguments(value: Value) -> cofferdam_gateway::client::JsonObject {
    let Value::Object(arguments) = value else { panic!("an object") };
    arguments
}

async fn run(client: &Client, program: &str) -> CallToolResult {
    client.call("execute_command", arguments(json!({ "program": program }))).await.unwrap()
}

async fn check(client: &Client, id: &str, wait_seconds: u64) -> CallToolResult {
    let asked = json!({ "approval": id, "wait_seconds": wait_seconds });
    client.call("check_approval", arguments(asked)).await.unwrap()
}

/// The structured answer of a call that worked.
fn done(result: &CallToolResult) -> &Value {
    assert_eq!(result.is_error, Some(false), "{result:#?}");
    result.structured_content.as_ref().unwrap()
}

/// The error of a call that did not.
fn failed(result: &CallToolResult) -> &Value {
    assert_eq!(result.is_error, Some(true), "{result:#?}");
    &result.structured_content.as_ref().unwrap()["error"]
}

/// The one request that waits, once there is one.
async fn waiting(approvals: &Approvals) -> Request {
    tokio::time::timeout(LONG, async {
        loop {
            if let Some(request) = approvals.list(false).await.unwrap().pop() {
                return request;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap()
}

async fn say(
    approvals: &Approvals,
    request: &Request,
    verdict: Verdict,
    scope: Scope,
) -> Result<Request, ApprovalsError> {
    let binding = request.question.binding.clone();
    let answer = Answer { verdict, binding, scope, note: "a note".into() };
    approvals.answer(&request.id, &answer).await
}

async fn agree(approvals: &Approvals, request: &Request) -> Request {
    say(approvals, request, Verdict::Approve, Scope::Once).await.unwrap()
}

/// The word for why an answer does not count.
fn reason<T: std::fmt::Debug>(answered: Result<T, ApprovalsError>) -> String {
    match answered.unwrap_err() {
        ApprovalsError::Refused { reason, .. } => reason,
        other => panic!("{other}"),
    }
}
