//! What people say, and what comes of it.

use crate::records::bodies;

use super::*;

#[tokio::test]
async fn what_is_allowed_runs_what_is_denied_does_not_and_what_is_asked_runs_once_agreed() {
    let mut scene = Scene::start(20).await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    assert_eq!(done(&run(&client, "true").await)["stdout"], "done\n");
    assert_eq!(failed(&run(&client, "sudo").await)["reason"], "DENIED");
    assert_eq!(scene.runs(), 1);
    let (result, request) = tokio::join!(run(&client, "push"), async {
        let request = waiting(&bob).await;
        assert_eq!(scene.runs(), 1, "nothing runs while it waits");
        agree(&bob, &request).await
    });
    assert_eq!(done(&result)["stdout"], "done\n");
    assert_eq!((request.state, request.question.asker.user.as_str()), (State::Approved, "ada"));
    assert_eq!(bob.get(&request.id).await.unwrap().state, State::Used);
    // The host is told who agreed.
    let approval = scene.host.asked().pop().unwrap().0.approval.unwrap();
    assert_eq!((approval.request, approval.people), (request.id.clone(), vec!["bob".to_owned()]));
    // Agreed to once, it is asked about again.
    let again = async {
        let again = waiting(&bob).await;
        say(&bob, &again, Verdict::Refuse, Scope::Once).await.unwrap();
    };
    let (result, ()) = tokio::join!(run(&client, "push"), again);
    assert_eq!(failed(&result)["reason"], "APPROVAL_REFUSED");
    client.close().await;
    scene.served.stop().await;
    let steps: Vec<_> = bodies(&scene.served, "approval")
        .into_iter()
        .map(|body| (body["step"].clone(), body["by"]["user"].clone()))
        .collect();
    let by = |step: &str, by: Value| (json!(step), by);
    let expected = [
        by("requested", Value::Null),
        by("approved", json!("bob")),
        by("used", Value::Null),
        by("requested", Value::Null),
        by("refused", json!("bob")),
    ];
    assert_eq!(steps, expected);
    let intents = bodies(&scene.served, "intent");
    let resting: Vec<_> = intents.iter().filter(|it| it["approval"] == request.id).collect();
    assert_eq!(resting.len(), 1, "{intents:#?}");
}

#[tokio::test]
async fn a_refusal_says_who_and_why_and_lasts() {
    let scene = Scene::start(20).await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let refuse = async {
        let request = waiting(&bob).await;
        say(&bob, &request, Verdict::Refuse, Scope::Once).await.unwrap()
    };
    let (result, request) = tokio::join!(run(&client, "push"), refuse);
    let error = failed(&result);
    assert_eq!(
        (&error["reason"], &error["approval"]),
        (&json!("APPROVAL_REFUSED"), &json!(request.id))
    );
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("bob refused") && message.contains("«a note»"), "{message}");
    // Asking again asks nobody.
    assert_eq!(failed(&run(&client, "push").await)["approval"], request.id);
    assert!(bob.list(false).await.unwrap().is_empty());
    assert_eq!(scene.runs(), 0);
}

#[tokio::test]
async fn a_request_that_nobody_answers_expires() {
    let scene = Scene::start(20).await;
    let (client, bob) = (scene.client().await, scene.approver("bob"));
    let error = failed(&run(&client, "soon").await).clone();
    assert_eq!(error["reason"], "APPROVAL_EXPIRED");
    let id = error["approval"].as_str().unwrap();
    let request = bob.get(id).await.unwrap();
    assert_eq!(request.state, State::Expired);
    assert_eq!(reason(say(&bob, &request, Verdict::Approve, Scope::Once).await), "APPROVAL_OVER");
    assert_eq!(scene.runs(), 0);
}

#[tokio::test]
async fn where_two_have_to_agree_one_is_not_enough() {
    let scene = Scene::start(20).await;
    let client = scene.client().await;
    let (bob, eve) = (scene.approver("bob"), scene.approver("eve"));
    let twice = scene.approver("bob");
    let answers = async {
        let request = waiting(&bob).await;
        assert_eq!(agree(&bob, &request).await.state, State::Pending);
        // Another credential of the same person's is no other person.
        let again = say(&twice, &request, Verdict::Approve, Scope::Once).await;
        assert_eq!(reason(again), "ANSWERED_ALREADY");
        assert_eq!(scene.runs(), 0);
        agree(&eve, &request).await
    };
    let (result, request) = tokio::join!(run(&client, "two"), answers);
    done(&result);
    assert_eq!(request.voters().len(), 2);
    let people = scene.host.asked().pop().unwrap().0.approval.unwrap().people;
    assert_eq!(people, ["bob", "eve"]);
}

#[tokio::test]
async fn nobody_agrees_to_their_own_request_unless_the_rule_says_so() {
    let scene = Scene::start(20).await;
    let client = scene.client().await;
    let (ada, bob) = (scene.approver("ada"), scene.approver("bob"));
    let answers = async {
        let request = waiting(&ada).await;
        let own = say(&ada, &request, Verdict::Approve, Scope::Once).await;
        assert_eq!(reason(own), "NOT_AN_APPROVER_OF_THIS");
        agree(&bob, &request).await
    };
    done(&tokio::join!(run(&client, "push"), answers).0);
    let answers = async {
        let request = waiting(&ada).await;
        // That rule names her, and nobody else.
        let other = say(&bob, &request, Verdict::Approve, Scope::Once).await;
        assert_eq!(reason(other), "NOT_AN_APPROVER_OF_THIS");
        agree(&ada, &request).await
    };
    done(&tokio::join!(run(&client, "own"), answers).0);
    // Whoever tried is named in the record.
    let tried: Vec<_> = bodies(&scene.served, "failure")
        .into_iter()
        .filter(|body| body["reason"] == "NOT_AN_APPROVER_OF_THIS")
        .map(|body| body["call"]["subject"]["user"].clone())
        .collect();
    assert_eq!(tried, ["ada", "bob"]);
}

#[tokio::test]
async fn agreed_to_for_a_session_it_runs_again_there_and_nowhere_else_until_it_is_taken_back() {
    let scene = Scene::start(1).await;
    let (client, other) = (scene.client().await, scene.client().await);
    let bob = scene.approver("bob");
    let answers = async {
        let request = waiting(&bob).await;
        say(&bob, &request, Verdict::Approve, Scope::Session).await.unwrap()
    };
    let (result, request) = tokio::join!(run(&client, "push"), answers);
    done(&result);
    done(&run(&client, "push").await);
    assert_eq!(scene.runs(), 2);
    assert_eq!(failed(&run(&other, "push").await)["reason"], "APPROVAL_PENDING");
    // Other arguments are another action.
    let more = json!({ "program": "push", "arguments": ["--force"] });
    let more = client.call("execute_command", arguments(more)).await.unwrap();
    assert_eq!(failed(&more)["reason"], "APPROVAL_PENDING");
    // And so is a longer time.
    let longer = json!({ "program": "push", "timeout_seconds": 7200 });
    let longer = client.call("execute_command", arguments(longer)).await.unwrap();
    assert_eq!(failed(&longer)["reason"], "APPROVAL_PENDING");
    say(&bob, &request, Verdict::Refuse, Scope::Once).await.unwrap();
    assert_eq!(failed(&run(&client, "push").await)["reason"], "APPROVAL_REFUSED");
    assert_eq!(scene.runs(), 2);
}

#[tokio::test]
async fn a_rule_may_let_people_agree_once_only_and_only_members_of_a_group() {
    let scene = Scene::start(20).await;
    let client = scene.client().await;
    let (bob, eve) = (scene.approver("bob"), scene.approver_in("eve", &["release"]));
    let answers = async {
        let request = waiting(&bob).await;
        let bobs = say(&bob, &request, Verdict::Approve, Scope::Once).await;
        assert_eq!(reason(bobs), "NOT_AN_APPROVER_OF_THIS");
        // Nor can he end it.
        let bobs = say(&bob, &request, Verdict::Refuse, Scope::Once).await;
        assert_eq!(reason(bobs), "NOT_AN_APPROVER_OF_THIS");
        say(&eve, &request, Verdict::Approve, Scope::Session).await.unwrap()
    };
    let (result, request) = tokio::join!(run(&client, "deploy"), answers);
    done(&result);
    assert_eq!(request.scope, Some(Scope::Once));
}

#[tokio::test]
async fn while_it_waits_the_client_is_told_so() {
    let scene = Scene::start(20).await;
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let endpoint = scene.endpoint(&scene.served.token);
    let tell = move |message: &str| drop(told.send(message.to_owned()));
    let client = Client::connect(&endpoint, tell).await.unwrap();
    let bob = scene.approver("bob");
    let answers = async {
        let request = waiting(&bob).await;
        let message = tokio::time::timeout(LONG, heard.recv()).await.unwrap().unwrap();
        assert!(message.contains(&format!("cofferdam approve {}", request.id)), "{message}");
        agree(&bob, &request).await
    };
    done(&tokio::join!(run(&client, "push"), answers).0);
}
