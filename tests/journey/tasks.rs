//! Calls that are answered with a task, for clients that declare the extension: what
//! stands for them is a run on its host, or a request for approval.

use std::path::Path;
use std::time::{Duration, Instant};

use cofferdam_tests::dev::{Dev, until};
use cofferdam_tests::host::Host;
use serde_json::{Value, json};

use crate::gateways::Gateway;
use crate::stdio::{STATELESS, Stdio};

const UNKNOWN: i64 = -32602;
const UNDECLARED: i64 = -32021;

fn client(dev: &Dev) -> Stdio {
    Stdio::of(dev.told("mcp_url"), dev.told("token"))
}

fn of(gateway: &Gateway, user: &str) -> Stdio {
    with(gateway, &gateway.token(user))
}

fn with(gateway: &Gateway, token: &str) -> Stdio {
    let text = std::fs::read_to_string(gateway.place.join("gateway.toml")).unwrap();
    let listen = text.lines().find_map(|line| line.strip_prefix("listen = ")).unwrap();
    Stdio::of(&format!("http://{}/mcp", listen.trim_matches('"')), token)
}

#[test]
fn a_command_that_takes_its_time_is_a_task_and_comes_to_the_calls_own_result() {
    let dev = Dev::start();
    let mut client = client(&dev);
    let quick = client.call("execute_command", &json!({ "command": "echo quick" }));
    assert_eq!(quick["result"]["resultType"], "complete", "{quick:#}");
    let began = Instant::now();
    let line = "echo begun; sleep 8; echo done; exit 3";
    let task = client.task("execute_command", &json!({ "command": line }));
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    assert_eq!(task["status"], "working", "{task:#}");
    assert!(task["ttlMs"].as_u64().unwrap() >= 3_600_000, "{task:#}");
    assert!(task["pollIntervalMs"].as_u64().unwrap() > 0 && task.get("result").is_none());
    let working = client.get(&task["taskId"])["result"].clone();
    assert_eq!(
        (&working["status"], &working["resultType"]),
        (&json!("working"), &json!("complete"))
    );
    assert!(working["statusMessage"].as_str().unwrap().ends_with("s: begun"), "{working:#}");
    assert_eq!(working["createdAt"], task["createdAt"]);
    let ended = client.ended(&task["taskId"]);
    assert_eq!(ended["status"], "completed", "{ended:#}");
    let result = &ended["result"]["structuredContent"];
    assert_eq!(result["outcome"], json!({ "kind": "exited", "code": 3 }), "{ended:#}");
    assert_eq!(result["stdout"], "begun\ndone\n", "{ended:#}");
    assert_eq!(ended["result"]["isError"], false, "{ended:#}");
    assert_eq!(client.get(&task["taskId"])["result"], ended, "it stays what it is");
}

#[test]
fn who_says_how_long_they_wait_gets_what_there_is_by_then() {
    let dev = Dev::start();
    let mut client = client(&dev);
    let line = "echo begun; sleep 60";
    let moment = json!({ "command": line, "wait_seconds": 1 });
    let at_once = client.call("execute_command", &moment);
    assert_eq!(at_once["result"]["structuredContent"]["outcome"]["kind"], "running");
    let longer = json!({ "command": line, "wait_seconds": 6 });
    let task = client.task("execute_command", &longer);
    let ended = client.ended(&task["taskId"]);
    let result = &ended["result"]["structuredContent"];
    assert_eq!(
        (&ended["status"], &result["outcome"]["kind"]),
        (&json!("completed"), &json!("running"))
    );
    assert_eq!(result["stdout"], "begun\n", "{ended:#}");
    assert!(result["read_on"].is_string(), "{ended:#}");
}

#[test]
fn who_does_not_declare_the_extension_gets_no_task_and_may_ask_for_none() {
    let dev = Dev::start();
    let mut client = client(&dev);
    let slow = json!({ "command": "sleep 5" });
    let task = client.task("execute_command", &slow);
    client.capabilities = json!({});
    let answer = client.call("execute_command", &slow);
    assert_eq!(answer["result"]["structuredContent"]["outcome"]["kind"], "exited", "{answer:#}");
    for (method, more) in [
        ("tasks/get", json!({})),
        ("tasks/cancel", json!({})),
        ("tasks/update", json!({ "inputResponses": {} })),
    ] {
        let mut params = more;
        params["taskId"] = task["taskId"].clone();
        let error = client.ask(method, params)["error"].clone();
        assert_eq!(error["code"], UNDECLARED, "{error:#}");
        let wanted = &error["data"]["requiredCapabilities"]["extensions"];
        assert!(wanted["io.modelcontextprotocol/tasks"].is_object(), "{error:#}");
    }
    // There are no such methods.
    for method in ["tasks/list", "tasks/result"] {
        let error = client.ask(method, json!({ "taskId": task["taskId"] }))["error"].clone();
        assert_eq!(error["code"], -32601, "{error:#}");
    }
    // A session of an earlier revision gets answers, whatever it declares.
    let initialize = json!({ "protocolVersion": "2025-11-25",
        "capabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
        "clientInfo": { "name": "old", "version": "1" } });
    let mut old = Stdio::of(dev.told("mcp_url"), dev.told("token"));
    old.write(
        &json!({ "jsonrpc": "2.0", "id": "i", "method": "initialize", "params": initialize }),
    );
    old.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let call = json!({ "name": "execute_command", "arguments": slow });
    old.write(&json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": call }));
    let answer = old.answer(9);
    assert_eq!(answer["result"]["structuredContent"]["outcome"]["kind"], "exited", "{answer:#}");
}

#[test]
fn a_cancelled_task_ends_its_run_with_the_whole_tree() {
    let dev = Dev::start();
    let mut client = client(&dev);
    // A number that no other sleep on this machine has.
    let seconds = format!("86{}", std::process::id());
    let line = format!("setsid sleep {seconds} & sleep {seconds} & trap '' TERM; wait");
    let task = client.task("execute_command", &json!({ "command": line, "timeout_seconds": 600 }));
    until("both sleep", || sleepers(&seconds) == 2);
    let cancel = json!({ "taskId": task["taskId"] });
    let answer = client.ask("tasks/cancel", cancel.clone());
    assert_eq!(answer["result"], json!({ "resultType": "complete" }), "{answer:#}");
    let ended = client.ended(&task["taskId"]);
    assert_eq!(ended["status"], "cancelled", "{ended:#}");
    until("nothing is left", || sleepers(&seconds) == 0);
    let again = client.ask("tasks/cancel", cancel);
    assert_eq!(again["result"], json!({ "resultType": "complete" }), "{again:#}");
}

/// How many processes sleep for so long.
fn sleepers(seconds: &str) -> usize {
    let wanted = format!("sleep\0{seconds}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    lines.filter(|line| line.as_slice() == wanted.as_bytes()).count()
}

#[test]
fn forged_ids_and_those_of_others_are_answered_as_none() {
    let host = Host::start();
    let gateway = Gateway::of(&host, "one");
    let (mut ann, mut bob) = (of(&gateway, "ann"), of(&gateway, "bob"));
    let arguments = json!({ "command": "sleep 30", "project": "shop" });
    let task = ann.task("execute_command", &arguments)["taskId"].as_str().unwrap().to_owned();
    let (head, rest) = task.split_once('/').unwrap();
    let (_, tail) = rest.split_once(':').unwrap();
    let forged = [
        task.clone(),
        format!("{head}/00000000-0000-4000-8000-000000000000:{tail}"),
        format!("run:nowhere/{rest}"),
        format!("{task}0"),
        task.replace(":end", ":18446744073709551616"),
        "approval:ap-000000000000".to_owned(),
        "approval:' OR 1=1 --".to_owned(),
        "../../etc/passwd".to_owned(),
        "run:".to_owned(),
        "x".repeat(4000),
    ];
    let mut said = std::collections::BTreeSet::new();
    for id in forged {
        for (method, more) in [
            ("tasks/get", json!({})),
            ("tasks/update", json!({ "inputResponses": { "agree": { "action": "accept" } } })),
            ("tasks/cancel", json!({})),
        ] {
            let mut params = more;
            params["taskId"] = json!(id);
            let answer = bob.ask(method, params);
            assert_eq!(answer["error"]["code"], UNKNOWN, "{method} {id}: {answer:#}");
            let message = answer["error"]["message"].as_str().unwrap();
            let shown: String = id.chars().take(200).collect();
            said.insert(message.replace(&shown, ""));
        }
    }
    assert_eq!(said.len(), 1, "{said:?}");
    // Nothing of that touched it.
    assert_eq!(ann.get(&json!(task))["result"]["status"], "working");
    let update = json!({ "taskId": task, "inputResponses": { "nobody": "asked" } });
    assert_eq!(ann.ask("tasks/update", update)["result"], json!({ "resultType": "complete" }));
}

#[test]
fn a_gateway_that_was_killed_and_another_one_find_a_task() {
    let host = Host::start();
    let (mut one, other) = (Gateway::of(&host, "one"), Gateway::of(&host, "other"));
    let (token, others) = (one.token("ann"), other.token("ann"));
    let arguments = json!({ "command": "sleep 12; echo done", "project": "shop" });
    let task = with(&one, &token).task("execute_command", &arguments)["taskId"].clone();
    one.kill();
    assert_eq!(with(&other, &others).get(&task)["result"]["status"], "working");
    one.start();
    let ended = with(&one, &token).ended(&task);
    assert_eq!(ended["result"]["structuredContent"]["stdout"], "done\n", "{ended:#}");
    let there = with(&other, &others).ended(&task);
    assert_eq!(there["result"]["structuredContent"]["outcome"]["code"], 0, "{there:#}");
}

/// Dev that asks before `touch`, and the file with its approver's credential.
fn asking() -> (Dev, String) {
    let prepare = |workspace: &Path| std::fs::create_dir(workspace).unwrap();
    let dev = Dev::start_with(prepare, &["--ask", "touch"]);
    let credential = dev.told("approver_file").to_owned();
    (dev, credential)
}

#[test]
fn a_call_that_waits_for_people_is_a_task_until_they_agree_refuse_or_it_is_taken_back() {
    let (dev, credential) = asking();
    let mut client = client(&dev);
    let touch = |name: &str| json!({ "program": "touch", "arguments": [name] });
    let answer = |id: &str, arguments: &[&str]| {
        let approve = ["approve", "--credential-file", &credential, id];
        let said = dev.cofferdam(&[&approve[..], arguments].concat());
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    };
    let id_of = |task: &Value| {
        let id = task["taskId"].as_str().unwrap().strip_prefix("approval:").unwrap();
        id.to_owned()
    };
    let agreed = client.task("execute_command", &touch("agreed"));
    let working = client.get(&agreed["taskId"])["result"].clone();
    assert_eq!(working["status"], "working", "{working:#}");
    assert!(working["statusMessage"].as_str().unwrap().contains("1 more to agree"), "{working:#}");
    answer(&id_of(&agreed), &["--yes"]);
    let ended = client.ended(&agreed["taskId"]);
    assert_eq!(ended["result"]["structuredContent"]["outcome"]["code"], 0, "{ended:#}");
    assert!(dev.workspace.join("agreed").exists());

    let refused = client.task("execute_command", &touch("refused"));
    answer(&id_of(&refused), &["--refuse"]);
    let ended = client.ended(&refused["taskId"]);
    assert_eq!(
        (&ended["status"], &ended["result"]["isError"]),
        (&json!("completed"), &json!(true))
    );
    let error = &ended["result"]["structuredContent"]["error"];
    assert_eq!(error["reason"], "APPROVAL_REFUSED", "{ended:#}");

    let withdrawn = client.task("execute_command", &touch("withdrawn"));
    client.ask("tasks/cancel", json!({ "taskId": withdrawn["taskId"] }));
    assert_eq!(client.ended(&withdrawn["taskId"])["status"], "cancelled");
    assert!(!dev.workspace.join("refused").exists() && !dev.workspace.join("withdrawn").exists());
}

#[test]
fn tasks_are_asked_for_over_http_with_their_id_in_a_header() {
    let dev = Dev::start();
    let task = client(&dev).task("execute_command", &json!({ "command": "sleep 4; echo it" }));
    let id = task["taskId"].as_str().unwrap();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientCapabilities":
            { "extensions": { "io.modelcontextprotocol/tasks": {} } },
    });
    let params = json!({ "taskId": id, "_meta": meta });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": params });
    let ask = |name: &str| {
        let headers = format!(
            "Authorization: Bearer {}\r\nMCP-Protocol-Version: {STATELESS}\r\n\
             Mcp-Method: tasks/get\r\nMcp-Name: {name}\r\n",
            dev.told("token")
        );
        dev.post_with(&body.to_string(), &headers)
    };
    let (status, answer) = ask(id);
    assert_eq!((status, &answer["result"]["taskId"]), (200, &json!(id)), "{answer:#}");
    let (status, answer) = ask("another");
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32020)), "{answer:#}");
}
