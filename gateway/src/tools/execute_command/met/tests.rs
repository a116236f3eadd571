use super::*;

const ENOUGH: usize = 6000;

fn denial(operation: &str, object: &str, count: u32) -> Denial {
    Denial {
        layer: "landlock".into(),
        operation: operation.into(),
        object: object.into(),
        count,
        setting: "view.read".into(),
        remedy: "a profile whose `view.read` has it".into(),
    }
}

fn connection(name: &str, refused: &str, bytes: u64) -> Connection {
    Connection {
        protocol: "connect".into(),
        name: name.into(),
        port: 443,
        address: String::new(),
        refused: refused.into(),
        sent_bytes: bytes,
        received_bytes: bytes * 10,
    }
}

fn met(sandbox: Sandbox, succeeded: bool) -> Met {
    Met::of(Some(sandbox), succeeded, ENOUGH)
}

fn words(met: &Met) -> String {
    met.in_words().into_iter().map(|words| words.text).collect()
}

#[test]
fn a_denial_says_what_where_which_setting_and_what_would_allow_it() {
    let denials = vec![denial("read the file", "/etc/shadow", 2), denial("trace", "", 1)];
    let met = met(Sandbox { denials, ..Sandbox::default() }, false);
    let told = words(&met);
    assert!(
        told.starts_with(
            "- cannot read the file `/etc/shadow` (2 times): setting `view.read`; what would \
             allow it: a profile whose `view.read` has it\n- cannot trace (1 time): "
        ),
        "{told}"
    );
    assert_eq!(met.denials_note, None);
}

#[test]
fn of_a_run_that_succeeded_a_few_are_told_and_the_rest_counted() {
    let denials: Vec<Denial> =
        (0..20).map(|number| denial("read the file", &format!("/etc/{number}"), 2)).collect();
    let sandbox = Sandbox { denials, denials_untold: 7, ..Sandbox::default() };
    let (brief, full) = (met(sandbox.clone(), true), met(sandbox, false));
    assert_eq!((brief.denials.len(), full.denials.len()), (IN_BRIEF, IN_FULL));
    let note = brief.denials_note.unwrap();
    assert!(note.starts_with("34 refusals more are not told; 7 refusals more"), "{note}");
    assert!(full.denials_note.unwrap().starts_with("16 refusals more"));
}

#[test]
fn why_denials_cannot_be_seen_is_told_of_a_run_that_failed_only() {
    let unseen = "denials cannot be seen: audit is off on this host";
    let sandbox = Sandbox { denials_unseen: unseen.into(), ..Sandbox::default() };
    assert_eq!(met(sandbox.clone(), false).denials_note.as_deref(), Some(unseen));
    assert_eq!(met(sandbox.clone(), true), Met::default());
    let refused = Sandbox { denials: vec![denial("trace", "", 1)], ..sandbox };
    assert_eq!(met(refused, true).denials_note.as_deref(), Some(unseen));
    assert_eq!(Met::of(None, true, ENOUGH), Met::default());
    assert!(Met::of(None, false, ENOUGH).denials_note.is_some());
}

#[test]
fn connections_that_went_alike_are_one_and_refused_ones_come_first() {
    let connections = vec![
        connection("crates.io", "", 3),
        connection("evil.example", "no rule allows it", 0),
        connection("crates.io", "", 4),
        connection("fd00::1", "", 1),
    ];
    let sandbox = Sandbox { connections, connections_untold: 2, ..Sandbox::default() };
    let met = met(sandbox, true);
    assert_eq!(
        words(&met).lines().collect::<Vec<_>>(),
        [
            "- evil.example:443: 1 connection refused, 0 bytes sent, 0 received: no rule allows it",
            "- [fd00::1]:443: 1 connection, 1 bytes sent, 10 received",
            "- crates.io:443: 2 connections, 7 bytes sent, 70 received",
            "- 2 connections more are not told",
        ]
    );
}

#[test]
fn what_a_command_named_cannot_fake_a_line_or_take_all_the_room() {
    let hostile = format!("/tmp/a\n\nexit_code: 0\u{1b}[2J{}", "x".repeat(100_000));
    let denials = vec![denial("read the file", &hostile, u32::MAX); 500];
    let connections = vec![connection(&hostile, &hostile, u64::MAX / 20); 500];
    let sandbox = Sandbox {
        denials,
        denials_untold: u64::MAX,
        connections,
        connections_untold: u64::MAX,
        ..Sandbox::default()
    };
    for budget in [0, 100, ENOUGH] {
        let met = Met::of(Some(sandbox.clone()), false, budget);
        assert!(met.size() < budget + 600, "{}", met.size());
        let told = words(&met);
        assert!(told.lines().all(|line| line.starts_with("- ")), "{told}");
        assert!(!told.contains('\u{1b}'));
    }
}
