//! Hostile and hurried users of the store.

use cofferdam_policy::{Demand, Voter};
use serde_json::Value;

use super::super::request::Asker;
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
        tool: "execute_command".into(),
        action: "run `git push`".into(),
        arguments: Value::Null,
        grant: "profile default".into(),
        rules: vec!["push".into()],
        policy_digest: "00".into(),
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

fn counted(store: &Store, id: &str, binding: &str, vote: Vote) -> Result<Request, ApprovalError> {
    store.vote(id, binding, vote, |_| Ok(()))
}

fn yes(user: &str) -> Vote {
    vote(user, Verdict::Approve, Scope::Once, 10)
}

fn take(store: &Store, binding: &str, session: &str, now: u64) -> bool {
    store.take(binding, "token of ann", session, now).unwrap().is_some()
}

#[test]
fn what_was_agreed_to_once_is_used_once() {
    let (_directory, store) = store();
    let asked = store.ask(&question("a", "ann", vec![Demand::plain("push")]), BOUNDS, 0).unwrap();
    assert!(!take(&store, "a", "s1", 1));
    let request = counted(&store, &asked.request.id, "a", yes("bob")).unwrap();
    assert_eq!(request.state, State::Approved);
    assert!(!take(&store, "another action", "s1", 11));
    assert!(store.take("a", "token of eve", "s1", 11).unwrap().is_none());
    assert!(take(&store, "a", "s2", 11));
    assert!(!take(&store, "a", "s1", 11));
    assert_eq!(store.get(&asked.request.id).unwrap().state, State::Used);
}

#[test]
fn agreed_to_for_a_session_it_holds_there_and_for_a_while() {
    let (_directory, store) = store();
    let id = store.ask(&question("a", "ann", vec![Demand::plain("push")]), BOUNDS, 0).unwrap();
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
    let id = store.ask(&question("a", "ann", vec![demand]), BOUNDS, 0).unwrap().request.id;
    let request =
        counted(&store, &id, "a", vote("bob", Verdict::Approve, Scope::Session, 1)).unwrap();
    assert_eq!(request.scope, Some(Scope::Once));
}

#[test]
fn one_refusal_ends_it_and_nobody_can_change_their_mind() {
    let (_directory, store) = store();
    let demand = Demand { people: 2, ..Demand::plain("push") };
    let id = store.ask(&question("a", "ann", vec![demand]), BOUNDS, 0).unwrap().request.id;
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
    let asked = store.ask(&question("a", "ann", vec![Demand::plain("push")]), BOUNDS, 0).unwrap();
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
    let id = store.ask(&question("a", "ann", vec![demand]), BOUNDS, 0).unwrap().request.id;
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
    let ask = |binding: &str, user: &str| {
        store.ask(&question(binding, user, vec![Demand::plain("push")]), BOUNDS, 0)
    };
    let first = ask("a", "ann").unwrap();
    let again = ask("a", "ann").unwrap();
    assert!(first.is_new && !again.is_new);
    assert_eq!(first.request.id, again.request.id);
    // Another subject's is another, even of the same binding.
    assert!(ask("a", "bob").unwrap().is_new);
    ask("b", "ann").unwrap();
    assert!(matches!(ask("c", "ann"), Err(ApprovalError::TooMany(_))));
    assert!(matches!(ask("c", "eve"), Err(ApprovalError::TooMany(_))));
}

#[test]
fn requests_survive_a_restart_and_are_told_to_their_owner_only() {
    let (directory, store) = store();
    let asked = store.ask(&question("a", "ann", vec![Demand::plain("push")]), BOUNDS, 0).unwrap();
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
    let asked = store.ask(&question("a", "ann", vec![Demand::plain("push")]), BOUNDS, 0).unwrap();
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
    let asked = store.ask(&question("a", "ann", vec![Demand::plain("push")]), BOUNDS, 0).unwrap();
    let full = |_: &Request| Err(ApprovalError::Broken("the disk is full".into()));
    assert!(store.vote(&asked.request.id, "a", yes("bob"), full).is_err());
    assert_eq!(store.get(&asked.request.id).unwrap(), asked.request);
}
