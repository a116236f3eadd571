//! Hostile and hurried users of the store.

use cofferdam_policy::{Demand, Uncounted, Voter};
use serde_json::Value;

use super::super::request::{Asker, Question, Scope, Verdict, Vote};
use super::*;

const BOUNDS: Bounds = Bounds { all: 3, each: 2 };

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("approvals.sqlite")).unwrap();
    (directory, store)
}

fn question(binding: &str, user: &str, demands: Vec<Demand>) -> Question {
    Question {
        binding: binding.into(),
        asker: Asker {
            user: user.into(),
            groups: Vec::new(),
            tenant: String::new(),
            claims: cofferdam_policy::Claims::default(),
            client: "test 1".into(),
            token_id: format!("token of {user}"),
            session: "s1".into(),
        },
        run_id: "run".into(),
        project: "shop".into(),
        host: "web-1".into(),
        workspace: "/srv/site".into(),
        tool: "execute_command".into(),
        action: "run `git push`".into(),
        arguments: Value::Null,
        cut_from_bytes: None,
        grant: "profile default".into(),
        profile: "default".into(),
        workspace_access: "read".into(),
        rules: vec!["push".into()],
        policy_digest: "00".into(),
        policy_version: None,
        signed_version: None,
        reasons: vec!["public".into()],
        demands,
    }
}

fn vote(user: &str, verdict: Verdict, scope: Scope, at: u64) -> Vote {
    Vote {
        voter: Voter { user: user.into(), groups: Vec::new() },
        through: "credential".into(),
        verdict,
        scope,
        note: String::new(),
        at,
    }
}

fn ask(store: &Store, question: &Question, now: u64) -> Result<Asked, ApprovalError> {
    store.ask(question, BOUNDS, now, |_| Ok(()))
}

fn counted(store: &Store, id: &str, binding: &str, vote: Vote) -> Result<Request, ApprovalError> {
    store.vote(id, binding, vote, |_| Ok(()))
}

fn yes(user: &str) -> Vote {
    vote(user, Verdict::Approve, Scope::Once, 10)
}

fn take(store: &Store, binding: &str, session: &str, now: u64) -> bool {
    store.take(binding, "token of ann", session, now, |_| true).unwrap().is_some()
}

#[test]
fn what_was_agreed_to_once_is_used_once() {
    let (_directory, store) = store();
    let asked = ask(&store, &question("a", "ann", vec![Demand::plain("push")]), 0).unwrap();
    assert!(!take(&store, "a", "s1", 1));
    let request = counted(&store, &asked.request.id, "a", yes("bob")).unwrap();
    assert_eq!(request.state, State::Approved);
    assert!(!take(&store, "another action", "s1", 11));
    assert!(store.take("a", "token of eve", "s1", 11, |_| true).unwrap().is_none());
    assert!(take(&store, "a", "s2", 11));
    assert!(!take(&store, "a", "s1", 11));
    assert_eq!(store.get(&asked.request.id).unwrap().state, State::Used);
}

#[test]
fn agreed_to_for_a_session_it_holds_there_and_for_a_while() {
    let (_directory, store) = store();
    let id = ask(&store, &question("a", "ann", vec![Demand::plain("push")]), 0).unwrap();
    let id = id.request.id;
    counted(&store, &id, "a", vote("bob", Verdict::Approve, Scope::Session, 10)).unwrap();
    assert!(take(&store, "a", "s1", 11) && take(&store, "a", "s1", 12));
    assert!(!take(&store, "a", "s2", 12));
    assert!(!take(&store, "a", "s1", 10 + SESSION_SECONDS));
    store.withdraw(&id, "token of ann").unwrap();
    assert!(!take(&store, "a", "s1", 13));
}

#[test]
fn a_rule_can_allow_no_more_than_once() {
    let (_directory, store) = store();
    let demand = Demand { session: false, ..Demand::plain("push") };
    let id = ask(&store, &question("a", "ann", vec![demand]), 0).unwrap().request.id;
    let request =
        counted(&store, &id, "a", vote("bob", Verdict::Approve, Scope::Session, 1)).unwrap();
    assert_eq!(request.scope, Some(Scope::Once));
}

#[test]
fn one_refusal_ends_it_and_nobody_can_change_their_mind() {
    let (_directory, store) = store();
    let demand = Demand { people: 2, ..Demand::plain("push") };
    let id = ask(&store, &question("a", "ann", vec![demand]), 0).unwrap().request.id;
    assert_eq!(counted(&store, &id, "a", yes("bob")).unwrap().state, State::Pending);
    assert!(matches!(counted(&store, &id, "a", yes("bob")), Err(ApprovalError::Twice { .. })));
    let no = vote("eve", Verdict::Refuse, Scope::Once, 10);
    assert_eq!(counted(&store, &id, "a", no).unwrap().state, State::Refused);
    assert!(matches!(counted(&store, &id, "a", yes("dan")), Err(ApprovalError::Over { .. })));
    assert!(!take(&store, "a", "s1", 11));
}

#[test]
fn who_asks_has_no_say_not_even_to_refuse() {
    let (_directory, store) = store();
    let asked = ask(&store, &question("a", "ann", vec![Demand::plain("push")]), 0).unwrap();
    for verdict in [Verdict::Approve, Verdict::Refuse] {
        let own = vote("ann", verdict, Scope::Once, 10);
        let error = counted(&store, &asked.request.id, "a", own).unwrap_err();
        assert!(matches!(error, ApprovalError::Uncounted(Uncounted::Own { .. })), "{error}");
    }
}

#[test]
fn an_answer_is_to_what_was_shown_and_in_time() {
    let (_directory, store) = store();
    let demand = Demand { open_seconds: 60, ..Demand::plain("push") };
    let id = ask(&store, &question("a", "ann", vec![demand]), 0).unwrap().request.id;
    let error = counted(&store, &id, "b", yes("bob")).unwrap_err();
    assert!(matches!(error, ApprovalError::AnotherAction(_)), "{error}");
    let late = vote("bob", Verdict::Approve, Scope::Once, 60);
    assert!(matches!(counted(&store, &id, "a", late), Err(ApprovalError::Over { .. })));
    assert_eq!(store.expire(60).unwrap().len(), 1);
    assert_eq!(store.get(&id).unwrap().state, State::Expired);
    assert!(store.expire(60).unwrap().is_empty());
}

#[test]
fn the_same_question_is_asked_once_and_requests_are_bounded() {
    let (_directory, store) = store();
    let asked = |binding: &str, user: &str| {
        ask(&store, &question(binding, user, vec![Demand::plain("push")]), 0)
    };
    let first = asked("a", "ann").unwrap();
    let again = asked("a", "ann").unwrap();
    assert!(first.is_new && !again.is_new);
    assert_eq!(first.request.id, again.request.id);
    // Another subject's is another, even of the same binding.
    assert!(asked("a", "bob").unwrap().is_new);
    asked("b", "ann").unwrap();
    assert!(matches!(asked("c", "ann"), Err(ApprovalError::TooMany(_))));
    assert!(matches!(asked("c", "eve"), Err(ApprovalError::TooMany(_))));
}

#[test]
fn requests_survive_a_restart_and_are_told_to_their_owner_only() {
    let (directory, store) = store();
    let asked = ask(&store, &question("a", "ann", vec![Demand::plain("push")]), 0).unwrap();
    let id = asked.request.id.clone();
    store.keep_result(&id, "{}").unwrap();
    drop(store);
    let store = Store::open(&directory.path().join("approvals.sqlite")).unwrap();
    let (request, result) = store.own(&id, "token of ann").unwrap();
    assert_eq!((request, result.as_deref()), (asked.request, Some("{}")));
    let (theirs, none) = (store.own(&id, "token of eve"), store.own("ap-none", "token of eve"));
    assert!(matches!(theirs, Err(ApprovalError::Unknown(_))));
    assert!(matches!(none, Err(ApprovalError::Unknown(_))));
    assert!(matches!(store.withdraw(&id, "token of eve"), Err(ApprovalError::Unknown(_))));
}

#[test]
fn of_many_calls_at_once_one_uses_it() {
    let (_directory, store) = store();
    let asked = ask(&store, &question("a", "ann", vec![Demand::plain("push")]), 0).unwrap();
    counted(&store, &asked.request.id, "a", yes("bob")).unwrap();
    let used = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..8).map(|_| scope.spawn(|| take(&store, "a", "s1", 11))).collect();
        takers.into_iter().map(|taker| taker.join().unwrap()).filter(|it| *it).count()
    });
    assert_eq!(used, 1);
}

#[test]
fn an_answer_that_cannot_be_recorded_is_not_counted() {
    let (_directory, store) = store();
    let asked = ask(&store, &question("a", "ann", vec![Demand::plain("push")]), 0).unwrap();
    let full = |_: &Request| Err(ApprovalError::Broken("the disk is full".into()));
    assert!(store.vote(&asked.request.id, "a", yes("bob"), full).is_err());
    assert_eq!(store.get(&asked.request.id).unwrap(), asked.request);
}

#[test]
fn a_question_that_cannot_be_recorded_is_not_asked() {
    let (_directory, store) = store();
    let full = |_: &Request| Err(ApprovalError::Broken("the disk is full".into()));
    let question = question("a", "ann", vec![Demand::plain("push")]);
    assert!(store.ask(&question, BOUNDS, 0, full).is_err());
    assert!(store.list(None, None, 10).unwrap().is_empty());
}

#[test]
fn what_was_refused_is_not_asked_again_until_it_would_have_expired() {
    let (_directory, store) = store();
    let question = question("a", "ann", vec![Demand::plain("push")]);
    let first = ask(&store, &question, 0).unwrap().request;
    counted(&store, &first.id, "a", vote("bob", Verdict::Refuse, Scope::Once, 10)).unwrap();
    let again = ask(&store, &question, 11).unwrap();
    assert!(!again.is_new);
    assert_eq!((again.request.id, again.request.state), (first.id.clone(), State::Refused));
    let later = ask(&store, &question, first.expires_at).unwrap();
    assert!(later.is_new && later.request.id != first.id);
}

#[test]
fn what_was_agreed_to_can_be_refused_while_it_is_not_used_up() {
    let (_directory, store) = store();
    let question = question("a", "ann", vec![Demand::plain("push")]);
    let id = ask(&store, &question, 0).unwrap().request.id;
    counted(&store, &id, "a", vote("bob", Verdict::Approve, Scope::Session, 10)).unwrap();
    assert!(take(&store, "a", "s1", 11));
    let refused = counted(&store, &id, "a", vote("bob", Verdict::Refuse, Scope::Once, 12)).unwrap();
    assert_eq!(refused.state, State::Refused);
    assert!(!take(&store, "a", "s1", 13));
    // It is refused for as long as people have to answer, not for the session.
    assert!(ask(&store, &question, refused.expires_at).unwrap().is_new);
    assert!(refused.expires_at < SESSION_SECONDS);
    let again = counted(&store, &id, "a", vote("eve", Verdict::Refuse, Scope::Once, 14));
    assert!(matches!(again, Err(ApprovalError::Over { .. })));
}

#[test]
fn asking_and_taking_back_in_turn_is_bounded_too() {
    const NOON: u64 = 12 * 60 * 60;
    let (_directory, store) = store();
    for turn in 0..BOUNDS.each {
        let question = question(&format!("{turn}"), "ann", vec![Demand::plain("push")]);
        let id = ask(&store, &question, NOON).unwrap().request.id;
        store.withdraw(&id, "token of ann").unwrap();
    }
    let more = question("more", "ann", vec![Demand::plain("push")]);
    assert!(matches!(ask(&store, &more, NOON + 1), Err(ApprovalError::TooMany(_))));
    assert!(ask(&store, &more, 2 * NOON).unwrap().is_new);
}

#[test]
fn what_is_not_usable_is_not_used_up() {
    let (_directory, store) = store();
    let id = ask(&store, &question("a", "ann", vec![Demand::plain("push")]), 0).unwrap().request.id;
    counted(&store, &id, "a", yes("bob")).unwrap();
    assert!(store.take("a", "token of ann", "s1", 11, |_| false).unwrap().is_none());
    assert!(take(&store, "a", "s1", 12));
}

#[test]
fn results_are_forgotten_before_requests_are() {
    let (_directory, store) = store();
    let question = question("a", "ann", vec![Demand::plain("push")]);
    let request = ask(&store, &question, 0).unwrap().request;
    store.keep_result(&request.id, "{}").unwrap();
    store.withdraw(&request.id, "token of ann").unwrap();
    let result = || store.own(&request.id, "token of ann").map(|(_, result)| result);
    store.forget(request.expires_at + RESULT_KEPT).unwrap();
    assert_eq!(result().unwrap().as_deref(), Some("{}"));
    store.forget(request.expires_at + RESULT_KEPT + 1).unwrap();
    assert_eq!(result().unwrap(), None);
    store.forget(request.expires_at + KEPT + 1).unwrap();
    assert!(matches!(result(), Err(ApprovalError::Unknown(_))));
}

#[test]
fn a_list_can_be_of_one_tenant() {
    let (_directory, store) = store();
    let mut question = question("a", "ann", vec![Demand::plain("push")]);
    question.asker.tenant = "shop".into();
    ask(&store, &question, 0).unwrap();
    let count = |state, tenant| store.list(state, tenant, 10).unwrap().len();
    assert_eq!((count(None, None), count(Some(State::Pending), Some("shop"))), (1, 1));
    assert_eq!((count(None, Some("bank")), count(Some(State::Used), None)), (0, 0));
}
