//! Clients of 2026-07-28 that listen for changes, since they have no session.

use std::time::Duration;

use cofferdam_gateway::tokens::{NewToken, Purpose};
use rmcp::model::{ClientConfig, ProtocolVersion, ServerNotification, SubscriptionFilter};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use crate::service::{STATELESS, Served};

/// Long enough for everybody, and never waited out where all is well.
pub(crate) const LONG: Duration = Duration::from_secs(20);

type Client = RunningService<RoleClient, ClientConfig>;

pub(crate) async fn connect(served: &Served, token: &str) -> Client {
    let config = StreamableHttpClientTransportConfig::with_uri(served.url.as_str())
        .auth_header(token.to_owned());
    let http = served.client().clone();
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let mode = ClientLifecycleMode::Discover { preferred_versions };
    ClientConfig::default().serve_with_lifecycle(transport, mode).await.unwrap()
}

fn tools() -> SubscriptionFilter {
    SubscriptionFilter::builder().tools_list_changed().build()
}

/// Has the gateway take other rules.
pub(crate) fn change_rules(served: &Served) {
    let path = served.directory.path().join("rules.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let more = "\n[[rule]]\nid = \"more\"\neffect = \"deny\"\ntools = [\"get_system_info\"]\n";
    std::fs::write(&path, format!("{text}{more}")).unwrap();
    kill_process(getpid(), Signal::HUP).unwrap();
}

fn new_token(served: &Served, name: &str) -> String {
    let new = NewToken {
        purpose: Purpose::Client,
        name: name.into(),
        user: "bob".into(),
        groups: Vec::new(),
        tenant: String::new(),
        claims: cofferdam_policy::Claims::default(),
        expires_at: None,
    };
    served.tokens().create(&new).unwrap().0.reveal().to_owned()
}

#[tokio::test]
async fn who_listens_hears_that_their_tools_are_others_now() {
    let served = Served::start().await;
    let client = connect(&served, &served.token).await;
    let mut stream = client.listen(tools()).await.unwrap();
    assert_eq!(stream.acknowledged().tools_list_changed, Some(true));
    change_rules(&served);
    let told = tokio::time::timeout(LONG, stream.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(told, ServerNotification::ToolListChangedNotification(_)), "{told:?}");
    let names = client.list_all_tools().await.unwrap();
    assert!(names.iter().all(|tool| tool.name != "get_system_info"));
    stream.cancel().await.unwrap();
}

#[tokio::test]
async fn what_can_be_listened_to_is_declared_and_nothing_that_is_not_there_is_accepted() {
    let served = Served::start().await;
    let (_, discovered) = served.request("server/discover", json!({})).await;
    let capabilities = &discovered["result"]["capabilities"];
    assert_eq!(capabilities["tools"], json!({ "listChanged": true }));
    assert_eq!(capabilities["prompts"], json!({ "listChanged": true }));
    assert_eq!(capabilities["resources"], json!({ "listChanged": true, "subscribe": true }));
    assert_eq!(capabilities["completions"], json!({}));
    let client = connect(&served, &served.token).await;
    let wanted = SubscriptionFilter::builder()
        .tools_list_changed()
        .prompts_list_changed()
        .resource_subscription("file:///etc/passwd")
        .resource_subscription("cofferdam://down/files/site/there")
        .build();
    let stream = client.listen(wanted).await.unwrap();
    // The one is no resource here, and the other's host does not answer.
    let heard = SubscriptionFilter::builder().tools_list_changed().prompts_list_changed().build();
    assert_eq!(stream.acknowledged(), &heard);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_told_nothing_and_its_stream_ends() {
    let served = Served::start().await;
    let token = new_token(&served, "leaver");
    let client = connect(&served, &token).await;
    let mut stream = client.listen(tools()).await.unwrap();
    assert!(served.tokens().revoke("leaver").unwrap());
    change_rules(&served);
    let told = tokio::time::timeout(LONG, stream.next()).await.unwrap().unwrap();
    assert!(told.is_none(), "{told:?}");
}

#[tokio::test]
async fn a_stream_ends_in_order_when_the_gateway_stops() {
    let mut served = Served::start().await;
    let client = connect(&served, &served.token).await;
    let mut stream = client.listen(tools()).await.unwrap();
    let ended = tokio::join!(tokio::time::timeout(LONG, stream.next()), served.stop()).0;
    // Whether its last word comes through depends on which side is faster.
    assert!(!matches!(ended.unwrap(), Ok(Some(_))));
}

#[tokio::test]
async fn streams_are_bounded_for_each_user_and_free_again_once_closed() {
    let served = Served::start().await;
    let mut open = Vec::new();
    let refused = loop {
        let response = listen_raw(&served, &served.token).await;
        if response.status() != 200 {
            break response;
        }
        open.push(response);
        assert!(open.len() <= 32);
    };
    assert_eq!((open.len(), refused.status().as_u16()), (32, 429));
    let told: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(told["error"]["data"]["reason"], "TOO_MANY_STREAMS");
    // Others are not in their way, and calls take no place from streams.
    assert_eq!(listen_raw(&served, &new_token(&served, "other")).await.status(), 200);
    assert_eq!(served.request("tools/list", json!({})).await.0, 200);
    drop(open);
    tokio::time::timeout(LONG, async {
        while listen_raw(&served, &served.token).await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
}

async fn listen_raw(served: &Served, token: &str) -> reqwest::Response {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "_meta": meta, "notifications": { "toolsListChanged": true } });
    let method = "subscriptions/listen";
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = served.client().post(&served.url).bearer_auth(token);
    let request = request
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", STATELESS)
        .header("mcp-method", method);
    request.body(body.to_string()).send().await.unwrap()
}
