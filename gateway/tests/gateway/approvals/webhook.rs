//! Who is told of requests, and how they know that it is true.

use aws_lc_rs::hmac;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// One message as it was received.
struct Message {
    head: String,
    body: String,
}

impl Message {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name} in {}", self.head))
    }
}

/// Takes one message, and answers with this status.
async fn take(listener: &TcpListener, status: &str) -> Message {
    tokio::time::timeout(LONG, receive(listener, status)).await.unwrap()
}

async fn receive(listener: &TcpListener, status: &str) -> Message {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "it ends too early");
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let message = Message { head: head.to_lowercase(), body: body.to_owned() };
        if message.body.len() == message.header("content-length").parse::<usize>().unwrap() {
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            return message;
        }
    }
}

#[tokio::test]
async fn each_step_is_told_signed_without_secrets_and_again_where_it_was_not_taken() {
    use std::os::unix::fs::PermissionsExt;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = tempfile::tempdir().unwrap();
    let secret = place.path().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let scene = Scene::start_with(&format!(
        "patience_seconds = 1\nwebhook = {{ url = \"http://{}/hook\", secret = \"{}\" }}",
        listener.local_addr().unwrap(),
        secret.display(),
    ))
    .await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let leak = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
    let call = json!({ "program": "push", "arguments": [leak], "environment": { "API_TOKEN": "hunter2-hunter2" } });
    let call = client.call("execute_command", arguments(call));
    let (result, first) = tokio::join!(call, take(&listener, "500 Oh"));
    let id = failed(&result.unwrap())["approval"].clone();
    let again = take(&listener, "200 OK").await;
    assert_eq!(first.body, again.body);
    for message in [&first, &again] {
        let signed = format!("{}.{}", message.header("cofferdam-timestamp"), message.body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = hmac::sign(&key, signed.as_bytes());
        let expected = format!("v1={}", cofferdam_trust::hex(tag.as_ref()));
        assert_eq!(message.header("cofferdam-signature"), expected);
        assert!(
            !message.body.contains(leak) && !message.body.contains("hunter2"),
            "{}",
            message.body
        );
    }
    let told: Value = serde_json::from_str(&first.body).unwrap();
    assert_eq!((&told["event"], &told["approval"]["id"]), (&json!("requested"), &id));
    assert_eq!(told["approval"]["binding"].as_str().unwrap().len(), 64);
    let request = bob.get(id.as_str().unwrap()).await.unwrap();
    let (_, message) = tokio::join!(agree(&bob, &request), take(&listener, "204 No Content"));
    let told: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(told["event"], "approved");
}
