use cofferdam_journal::{Call, Digest, Shadow};

use crate::desk::{Desk, permitted, run};

fn looked_on(call: Call) -> Call {
    let shadow = Shadow {
        difference: "narrower".to_owned(),
        effect: "deny".to_owned(),
        rules: vec!["no-ls".to_owned()],
        policy_digest: Digest([7; 32]),
    };
    Call { shadow: Some(shadow), ..call }
}

#[test]
fn differences_of_the_same_kind_are_told_together() {
    let desk = Desk::new("");
    desk.record(vec![
        permitted(looked_on(run("one", "ann", &["ls"])), "look"),
        permitted(looked_on(run("two", "ann", &["ls", "-l"])), "look"),
        permitted(run("three", "ann", &["cat"]), "look"),
    ]);
    let said = desk.policy(&["shadow", "--config", "gateway.toml"]);
    assert_eq!(said.code, 1, "{said:?}");
    for text in [
        "2 narrower  ann on web-1 in shop: run `ls`\n  allow by `look`  ->  deny by `no-ls`\n",
        "2 of 3 calls would be decided differently",
    ] {
        assert!(said.out.contains(text), "{text}: {said:?}");
    }
    let found = desk.policy(&["shadow", "--config", "gateway.toml", "--json"]).json();
    assert_eq!((&found["differing"], &found["groups"][0]["count"]), (&2.into(), &2.into()));
}

#[test]
fn without_differences_there_is_nothing_to_report() {
    let desk = Desk::new("");
    desk.record(vec![permitted(run("one", "ann", &["ls"]), "look")]);
    let said = desk.policy(&["shadow", "--config", "gateway.toml"]);
    assert_eq!((said.code, said.out.as_str()), (0, "0 of 1 calls would be decided differently\n"));
}
