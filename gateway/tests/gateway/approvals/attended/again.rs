//! The same for calls of 2026-07-28, which are asked by their result and answer
//! when they are made again; with clients that lie about all that goes through
//! them.

use rmcp::ClientLifecycleMode;
use rmcp::ClientServiceExt;
use rmcp::model::ProtocolVersion;

use crate::service::{STATELESS, answer};

use super::*;

async fn connect_stateless(scene: &Scene, client: &Answering) -> Session {
    let config = StreamableHttpClientTransportConfig::with_uri(scene.served.url.as_str())
        .auth_header(scene.served.token.as_str());
    let http = scene.served.client().clone();
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let mode = ClientLifecycleMode::Discover { preferred_versions };
    client.clone().serve_with_lifecycle(transport, mode).await.unwrap()
}

/// A call with what a client brings along of an earlier turn.
struct Raw<'a> {
    scene: &'a Scene,
    token: String,
    name: &'a str,
    capabilities: Value,
}

impl<'a> Raw<'a> {
    fn of(scene: &'a Scene) -> Self {
        let (token, capabilities) = (scene.served.token.clone(), json!({ "elicitation": {} }));
        Self { scene, token, name: "desk app", capabilities }
    }

    async fn call(&self, arguments: Value, more: Value) -> Value {
        let mut params = json!({ "name": "execute_command", "arguments": arguments });
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": STATELESS,
            "io.modelcontextprotocol/clientInfo": { "name": self.name, "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": self.capabilities,
        });
        for (key, value) in more.as_object().unwrap() {
            params[key] = value.clone();
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let client = self.scene.served.client().post(&self.scene.served.url);
        let request = client
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", STATELESS)
            .header("mcp-method", "tools/call")
            .header("mcp-name", "execute_command")
            .body(body.to_string());
        answer(request.send().await.unwrap()).await.1
    }

    /// The mark of a call that is asked.
    async fn asked(&self, arguments: Value) -> String {
        mark(&self.call(arguments, json!({})).await)
    }
}

fn push(what: &str) -> Value {
    json!({ "program": "push", "arguments": [what] })
}

fn yes(mark: &str) -> Value {
    let agreed = json!({ "action": "accept", "content": { "agree": true } });
    json!({ "requestState": mark, "inputResponses": { "agree": agreed } })
}

/// The mark of a result that asks.
fn mark(answer: &Value) -> String {
    let result = &answer["result"];
    assert_eq!(result["resultType"], "input_required", "{answer:#}");
    let asks = &result["inputRequests"]["agree"];
    assert_eq!(asks["method"], "elicitation/create", "{answer:#}");
    assert!(asks["params"]["message"].as_str().unwrap().contains("project site, host down"));
    result["requestState"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_attended_client_is_asked_by_the_result_and_agrees_with_the_same_call() {
    let mut scene = scene().await;
    let client = answering("desk app", accept());
    let session = connect_stateless(&scene, &client).await;
    assert_eq!(done(&run(&session, "push").await)["stdout"], "done\n");
    assert_eq!(client.asked.load(Ordering::SeqCst), 1);
    assert_eq!(scene.runs(), 1);
    let approval = scene.host.asked().pop().unwrap().0.approval.unwrap();
    assert_eq!(approval.people, ["ada"]);
    scene.served.stop().await;
    let steps = bodies(&scene.served, "approval");
    let told: Vec<&Value> = steps.iter().map(|step| &step["step"]).collect();
    assert_eq!(told, ["requested", "approved", "used"]);
    assert_eq!(steps[1]["through"], "elicitation");
}

#[tokio::test]
async fn who_declines_refuses_and_who_cancels_leaves_it_to_approvers() {
    let scene = scene().await;
    let decline = answering("desk app", ElicitResult::new(ElicitationAction::Decline));
    let session = connect_stateless(&scene, &decline).await;
    assert_eq!(failed(&run(&session, "push").await)["reason"], "APPROVAL_REFUSED");
    // A refusal stands: nobody is asked again until they give in.
    assert_eq!(failed(&run(&session, "push").await)["reason"], "APPROVAL_REFUSED");
    assert_eq!(decline.asked.load(Ordering::SeqCst), 1);
    let raw = Raw::of(&scene);
    let mark = raw.asked(push("x")).await;
    let cancel = json!({ "action": "cancel" });
    let cancelled = json!({ "requestState": mark, "inputResponses": { "agree": cancel } });
    let answer = raw.call(push("x"), cancelled).await;
    let error = &answer["result"]["structuredContent"]["error"];
    assert_eq!(error["reason"], "APPROVAL_PENDING", "{answer:#}");
    assert_eq!(scene.runs(), 0);
}

#[tokio::test]
async fn while_a_client_holds_the_question_approvers_can_answer_it() {
    let scene = scene().await;
    let bob = scene.approver("bob");
    let raw = Raw::of(&scene);
    raw.asked(push("x")).await;
    agree(&bob, &waiting(&bob).await).await;
    let answer = raw.call(push("x"), json!({})).await;
    assert_eq!(answer["result"]["structuredContent"]["stdout"], "done\n", "{answer:#}");
}

#[tokio::test]
async fn an_answer_counts_once_for_exactly_its_call_and_its_caller() {
    let scene = scene().await;
    let raw = Raw::of(&scene);
    let first = raw.asked(push("one")).await;
    let second = raw.asked(push("two")).await;
    // For another call, both ways; without a mark; with one that was made up or changed.
    let (id, binding) = first.split_once('.').unwrap();
    let other = second.split_once('.').unwrap().1;
    let forged =
        [second.clone(), format!("{id}.{other}"), format!("{id}."), id.to_owned(), String::new()];
    for mark_of in &forged {
        assert_eq!(mark(&raw.call(push("one"), yes(mark_of)).await), first, "{mark_of}");
    }
    let unmarked = json!({ "inputResponses": yes("")["inputResponses"] });
    assert_eq!(mark(&raw.call(push("one"), unmarked).await), first);
    assert_eq!(mark(&raw.call(push("two"), yes(&first)).await), second);
    // Of another caller: of the same user, too.
    let token = scene.token(Purpose::Client, "ada", &["developers"], "");
    let theirs = Raw { token, ..Raw::of(&scene) };
    assert_ne!(mark(&theirs.call(push("one"), yes(&first)).await), first);
    assert_eq!(scene.runs(), 0);
    // Where it belongs, once.
    assert!(binding.len() == 64);
    let answer = raw.call(push("one"), yes(&first)).await;
    assert_eq!(answer["result"]["structuredContent"]["stdout"], "done\n", "{answer:#}");
    assert_ne!(mark(&raw.call(push("one"), yes(&first)).await), first, "it is used up");
    assert_eq!(scene.runs(), 1);
}

#[tokio::test]
async fn whoever_is_not_attended_or_cannot_show_a_form_is_asked_nothing() {
    let scene = scene().await;
    let mark = Raw::of(&scene).asked(push("x")).await;
    let unnamed = Raw { name: "headless", ..Raw::of(&scene) };
    let silent = Raw { capabilities: json!({}), ..Raw::of(&scene) };
    let by_url = Raw { capabilities: json!({ "elicitation": { "url": {} } }), ..Raw::of(&scene) };
    for raw in [unnamed, silent, by_url] {
        let answer = raw.call(push("x"), yes(&mark)).await;
        let error = &answer["result"]["structuredContent"]["error"];
        assert_eq!(error["reason"], "APPROVAL_PENDING", "{answer:#}");
    }
    // One of the two rules names no client.
    let both = json!({ "program": "both" });
    let answer = Raw::of(&scene).call(both, json!({})).await;
    assert_eq!(answer["result"]["structuredContent"]["error"]["reason"], "APPROVAL_PENDING");
    assert_eq!(scene.runs(), 0);
}

#[tokio::test]
async fn an_answer_of_no_shape_is_an_error_and_recorded() {
    let mut scene = scene().await;
    let raw = Raw::of(&scene);
    let mark = raw.asked(push("x")).await;
    for odd in [json!(true), json!({}), json!({ "action": "perhaps" }), json!([])] {
        let more = json!({ "requestState": mark, "inputResponses": { "agree": odd } });
        let answer = raw.call(push("x"), more).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer:#}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("inputResponses.agree"));
    }
    scene.served.stop().await;
    let failures = bodies(&scene.served, "failure");
    let odd = failures.iter().filter(|failure| failure["reason"] == "INVALID_REQUEST");
    assert_eq!(odd.count(), 4, "{failures:#?}");
    assert_eq!(scene.runs(), 0);
}
