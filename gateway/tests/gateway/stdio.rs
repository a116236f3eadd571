//! The client that the person's command uses, and the bridge from stdio.

use std::io;

use cofferdam_gateway::client::{Client, ClientError, Endpoint, bridge};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

use crate::service::Served;

fn endpoint(served: &Served) -> Endpoint {
    Endpoint { url: served.url.clone(), token: served.token.clone().into(), authorities: None }
}

#[tokio::test]
async fn the_built_in_client_lists_and_calls_tools() {
    let served = Served::start().await;
    let client = Client::connect(&endpoint(&served), |_| {}).await.unwrap();
    assert_eq!(client.tools().await.unwrap().len(), 29);
    let result = client.call("list_hosts", serde_json::Map::new()).await.unwrap();
    assert_eq!(result.structured_content.unwrap()["hosts"][0]["name"], "down");
    client.close().await;
}

#[tokio::test]
async fn a_wrong_token_and_a_gateway_that_is_not_there_are_told_apart() {
    let mut served = Served::start().await;
    let wrong = Endpoint { token: "cfd_wrong".to_owned().into(), ..endpoint(&served) };
    let refused = Client::connect(&wrong, |_| {}).await.err().unwrap();
    assert!(matches!(refused, ClientError::Unauthenticated(_)), "{refused}");
    let gone = endpoint(&served);
    served.stop().await;
    let refused = Client::connect(&gone, |_| {}).await.err().unwrap();
    assert!(matches!(refused, ClientError::Connect { .. }), "{refused}");
}

struct Stdio {
    input: DuplexStream,
    output: tokio::io::Lines<BufReader<DuplexStream>>,
}

impl Stdio {
    fn open(endpoint: Endpoint) -> Self {
        let (input, theirs_in) = tokio::io::duplex(1 << 20);
        let (theirs_out, output) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move { bridge(&endpoint, theirs_in, theirs_out).await });
        Self { input, output: BufReader::new(output).lines() }
    }

    async fn send(&mut self, message: Value) -> io::Result<()> {
        self.input.write_all(format!("{message}\n").as_bytes()).await
    }

    async fn receive(&mut self) -> Value {
        serde_json::from_str(&self.output.next_line().await.unwrap().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_stdio_client_with_a_handshake_works_through_the_bridge() {
    let served = Served::start().await;
    let mut stdio = Stdio::open(endpoint(&served));
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "stdio client", "version": "1" },
    });
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    stdio.send(initialize).await.unwrap();
    assert_eq!(stdio.receive().await["result"]["protocolVersion"], "2025-06-18");
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    stdio.send(ready).await.unwrap();
    let call = json!({
        "jsonrpc": "2.0", "id": "a", "method": "tools/call",
        "params": { "name": "execute_command", "arguments": { "program": "true" } },
    });
    stdio.send(call).await.unwrap();
    let answer = stdio.receive().await;
    assert_eq!(answer["id"], "a");
    assert_eq!(crate::refusal(&answer)["reason"], "HOST_UNREACHABLE");
}

#[tokio::test]
async fn a_stdio_client_of_the_stateless_era_works_through_the_bridge() {
    let served = Served::start().await;
    let mut stdio = Stdio::open(endpoint(&served));
    let params = json!({ "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "stdio client", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    } });
    for (id, method) in [(1, "server/discover"), (2, "tools/list")] {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        stdio.send(request).await.unwrap();
        let answer = stdio.receive().await;
        assert_eq!(answer["id"], id);
        assert!(answer["result"].is_object(), "{answer:#}");
    }
}

#[tokio::test]
async fn resources_prompts_and_completion_work_over_stdio_in_both_eras() {
    let served = Served::start().await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "stdio client", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let completed = json!({
        "ref": { "type": "ref/prompt", "name": "run_tests" },
        "argument": { "name": "host", "value": "d" },
    });
    let asked = [
        ("resources/list", json!({}), "/resources/0/uri"),
        ("resources/templates/list", json!({}), "/resourceTemplates/0/uriTemplate"),
        ("prompts/list", json!({}), "/prompts/0/name"),
        ("prompts/get", json!({ "name": "run_tests" }), "/messages/0/content/text"),
        ("completion/complete", completed, "/completion/values/0"),
    ];
    for is_stateless in [true, false] {
        let mut stdio = Stdio::open(endpoint(&served));
        if !is_stateless {
            let params = json!({
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "stdio client", "version": "1" },
            });
            stdio
                .send(
                    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }),
                )
                .await
                .unwrap();
            let told = stdio.receive().await;
            assert_eq!(told["result"]["capabilities"]["resources"]["subscribe"], true, "{told:#}");
            let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            stdio.send(ready).await.unwrap();
        }
        for (id, (method, params, found)) in (1..).zip(&asked) {
            let mut params = params.clone();
            if is_stateless {
                params["_meta"] = meta.clone();
            }
            let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
            stdio.send(request).await.unwrap();
            let answer = stdio.receive().await;
            assert_eq!(answer["id"], id, "{answer:#}");
            assert!(answer["result"].pointer(found).is_some(), "{method}: {answer:#}");
        }
    }
}

#[tokio::test]
async fn a_stdio_client_learns_that_the_gateway_is_not_there() {
    let mut served = Served::start().await;
    let endpoint = endpoint(&served);
    served.stop().await;
    let mut stdio = Stdio::open(endpoint);
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "stdio client", "version": "1" },
    });
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    stdio.send(initialize).await.unwrap();
    let answer = stdio.receive().await;
    assert!(
        answer["error"]["message"].as_str().unwrap().contains("could not be asked"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_stateless_client_that_begins_with_a_call_learns_it_too() {
    let mut served = Served::start().await;
    let endpoint = endpoint(&served);
    served.stop().await;
    let mut stdio = Stdio::open(endpoint);
    let params = json!({ "name": "list_hosts", "arguments": {}, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "stdio client", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    } });
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    stdio.send(call).await.unwrap();
    let answer = stdio.receive().await;
    assert_eq!(answer["id"], 7, "{answer}");
    let told = answer["error"]["message"].as_str().unwrap();
    assert!(told.contains("could not be asked"), "{answer}");
}
