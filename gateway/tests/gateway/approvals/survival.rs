//! Callers that leave, gateways that stop, rules and credentials that change.

use std::time::Instant;

use super::*;

#[tokio::test]
async fn a_caller_that_is_left_alone_finds_the_result_by_id_and_nobody_else_does() {
    let scene = Scene::start(1).await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let error = failed(&run(&client, "push").await).clone();
    assert_eq!(error["reason"], "APPROVAL_PENDING");
    let id = error["approval"].as_str().unwrap().to_owned();
    assert!(error["message"].as_str().unwrap().contains("check_approval"), "{error:#}");
    // The same call again waits for the same, and is not asked twice.
    assert_eq!(failed(&run(&client, "push").await)["approval"], id);
    assert_eq!(done(&check(&client, &id, 0).await)["state"], "pending");
    let twin = scene.client_as(&scene.token(Purpose::Client, "ada", &["developers"], "")).await;
    assert_eq!(failed(&check(&twin, &id, 0).await)["reason"], "UNKNOWN_APPROVAL");
    let request = bob.get(&id).await.unwrap();
    let (result, _) = tokio::join!(check(&client, &id, 20), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        agree(&bob, &request).await
    });
    let told = done(&result);
    assert_eq!((&told["state"], &told["result"]["stdout"]), (&json!("used"), &json!("done\n")));
    assert!(format!("{:?}", result.content).contains("done"), "{result:#?}");
    assert_eq!(failed(&check(&twin, &id, 0).await)["reason"], "UNKNOWN_APPROVAL");
    assert_eq!(scene.runs(), 1);
}

#[tokio::test]
async fn what_a_caller_who_went_away_asked_for_is_done_once_agreed() {
    let scene = Scene::start(20).await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let request = {
        let call = run(&client, "push");
        tokio::pin!(call);
        tokio::select! {
            result = &mut call => panic!("{result:#?}"),
            request = waiting(&bob) => request,
        }
        // Here the call is dropped, and with it its stream.
    };
    client.close().await;
    agree(&bob, &request).await;
    let back = scene.client().await;
    let result = check(&back, &request.id, 20).await;
    assert_eq!(done(&result)["result"]["stdout"], "done\n");
    assert_eq!(scene.runs(), 1);
}

#[tokio::test]
async fn a_request_and_an_agreement_survive_a_restart_and_the_agreement_is_used_once() {
    let scene = Scene::start(1).await;
    let id = failed(&run(&scene.client().await, "push").await)["approval"].clone();
    let id = id.as_str().unwrap();
    let scene = scene.restart().await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let request = bob.get(id).await.unwrap();
    assert_eq!(request.state, State::Pending);
    agree(&bob, &request).await;
    let scene = scene.restart().await;
    drop(client);
    let client = scene.client().await;
    // Nobody works on it any more, and that is said instead of waited for.
    let begun = Instant::now();
    let told = check(&client, id, 20).await;
    assert_eq!(done(&told)["state"], "approved");
    assert!(format!("{:?}", told.content).contains("make the same call again"), "{told:#?}");
    assert!(begun.elapsed() < LONG / 2);
    done(&run(&client, "push").await);
    let another = failed(&run(&client, "push").await).clone();
    assert_eq!(another["reason"], "APPROVAL_PENDING");
    assert_ne!(another["approval"], id);
    assert_eq!(scene.runs(), 1);
}

#[tokio::test]
async fn a_gateway_stops_promptly_while_calls_wait_and_keeps_their_requests() {
    let mut scene = Scene::start(20).await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let call = client.call("execute_command", arguments(json!({ "program": "push" })));
    let stop = async {
        let id = waiting(&bob).await.id;
        let begun = Instant::now();
        scene.served.stop().await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        id
    };
    let (result, id) = tokio::join!(call, stop);
    // The connection may end before the answer is through.
    if let Ok(result) = result {
        assert_eq!(failed(&result)["reason"], "STOPPING");
    }
    let scene = scene.restart().await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    assert_eq!(bob.get(&id).await.unwrap().state, State::Pending);
    let told = check(&client, &id, 0).await;
    assert!(done(&told)["result"].is_null(), "{told:#?}");
}

#[tokio::test]
async fn an_agreement_under_other_rules_counts_for_nothing() {
    let scene = Scene::start(1).await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let id = failed(&run(&client, "push").await)["approval"].clone();
    let path = scene.served.directory.path().join("rules.toml");
    std::fs::write(path, format!("{RULES}\n# another version\n")).unwrap();
    let scene = scene.restart().await;
    let (client, bob) = (scene.client().await, {
        drop((client, bob));
        scene.approver("bob")
    });
    agree(&bob, &bob.get(id.as_str().unwrap()).await.unwrap()).await;
    let error = failed(&run(&client, "push").await).clone();
    assert_eq!(error["reason"], "APPROVAL_PENDING");
    assert_ne!(error["approval"], id);
    assert_eq!(scene.runs(), 0);
}

#[tokio::test]
async fn a_token_that_was_revoked_while_its_call_waited_does_nothing_any_more() {
    let scene = Scene::start(1).await;
    let token = scene.token(Purpose::Client, "dan", &["developers"], "");
    let (client, bob) = (scene.client_as(&token).await, scene.approver("bob"));
    let id = failed(&run(&client, "push").await)["approval"].clone();
    let name = |user: &str| {
        let all = scene.served.tokens().list().unwrap();
        all.into_iter().find(|token| token.user == user).unwrap().name
    };
    assert!(scene.served.tokens().revoke(&name("dan")).unwrap());
    agree(&bob, &bob.get(id.as_str().unwrap()).await.unwrap()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(scene.runs(), 0);
}

#[tokio::test]
async fn what_was_agreed_to_with_a_credential_that_was_revoked_since_counts_for_nothing() {
    let scene = Scene::start(1).await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let answers = async {
        let request = waiting(&bob).await;
        say(&bob, &request, Verdict::Approve, Scope::Session).await.unwrap()
    };
    done(&tokio::join!(run(&client, "push"), answers).0);
    let all = scene.served.tokens().list().unwrap();
    let bobs = all.into_iter().find(|token| token.user == "bob").unwrap();
    assert!(scene.served.tokens().revoke(&bobs.id).unwrap());
    assert_eq!(failed(&run(&client, "push").await)["reason"], "APPROVAL_PENDING");
    assert_eq!(scene.runs(), 1);
}

#[tokio::test]
async fn who_asked_can_take_it_back() {
    let scene = Scene::start(1).await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let id = failed(&run(&client, "push").await)["approval"].as_str().unwrap().to_owned();
    let back = arguments(json!({ "approval": id, "withdraw": true }));
    let told = client.call("check_approval", back.clone()).await.unwrap();
    assert_eq!(done(&told)["state"], "withdrawn");
    let request = bob.get(&id).await.unwrap();
    assert_eq!(reason(say(&bob, &request, Verdict::Approve, Scope::Once).await), "APPROVAL_OVER");
    let again = client.call("check_approval", back).await.unwrap();
    assert_eq!(again.is_error, Some(true));
    assert_eq!(scene.runs(), 0);
}

#[tokio::test]
async fn of_two_identical_calls_one_waits_and_one_run_comes_of_one_agreement() {
    let scene = Scene::start(20).await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let answers = async {
        let request = waiting(&bob).await;
        // The other call has been told to look later before anybody agrees.
        tokio::time::sleep(Duration::from_millis(300)).await;
        agree(&bob, &request).await
    };
    let (one, two, _) = tokio::join!(run(&client, "push"), run(&client, "push"), answers);
    let (waited, told) = if one.is_error == Some(false) { (one, two) } else { (two, one) };
    done(&waited);
    assert_eq!(failed(&told)["reason"], "APPROVAL_PENDING");
    assert_eq!(scene.runs(), 1);
}

#[tokio::test]
async fn one_user_can_keep_people_busy_only_so_far() {
    let scene = Scene::start_with("patience_seconds = 1\nopen_requests_per_user = 2").await;
    let client = scene.client().await;
    let call = |turn: u32| {
        let given = json!({ "program": "push", "arguments": [turn.to_string()] });
        client.call("execute_command", arguments(given))
    };
    let (one, two, three) = tokio::join!(call(1), call(2), call(3));
    let mut reasons = [one, two, three].map(|result| failed(&result.unwrap())["reason"].clone());
    reasons.sort_by_key(Value::to_string);
    assert_eq!(reasons, ["APPROVAL_PENDING", "APPROVAL_PENDING", "TOO_MANY_APPROVALS"]);
    // Others are not hindered.
    let other = scene.client_as(&scene.token(Purpose::Client, "dan", &[], "")).await;
    assert_eq!(failed(&run(&other, "push").await)["reason"], "APPROVAL_PENDING");
}
