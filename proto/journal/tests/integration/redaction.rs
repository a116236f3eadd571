//! Secrets that were planted in a call must not stand in a journal.

use cofferdam_journal::{Entry, Intent, read, redact_text, redact_value};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::desk::{Desk, call, keep};

const SECRET: &str = "hunter2Zq9xK4vLmN8pR";

#[test]
fn every_row_of_the_table_loses_its_secret_and_keeps_the_rest() {
    for (text, kept) in [
        ("export API_TOKEN=SECRET; make", "; make"),
        ("PGPASSWORD='SECRET' psql -h db", "psql -h db"),
        ("mysql --password=SECRET -u root", "mysql --password="),
        ("mysql --password SECRET db", "mysql --password "),
        ("curl -H 'Authorization: Bearer SECRET' https://x.example/", "https://x.example/"),
        ("curl -H \"X-Api-Key: SECRET\" https://x.example/", "https://x.example/"),
        ("curl --cookie 'Cookie: sid=SECRET'", "curl --cookie"),
        ("curl -u ada:SECRET https://x.example/", "-u ada:"),
        ("git clone https://ada:SECRET@git.example/a.git", "@git.example/a.git"),
        ("git clone https://SECRET@git.example/a.git", "@git.example/a.git"),
        ("postgres://app:p@SECRET@db/prod", "@db/prod"),
        ("{\"client_secret\": \"SECRET\", \"a\": 1}", "\"a\": 1}"),
        ("aws_secret_access_key = SECRET", "aws_secret_access_key = "),
        ("STRIPE_KEY=SECRET", "STRIPE_KEY="),
        ("use ghp_SECRETSECRET now", " now"),
        ("key sk-proj-SECRET-SECRET", "key "),
        ("id AKIA0SECRET00000000", "id "),
        ("-----BEGIN RSA PRIVATE KEY-----\nSECRET\n-----END RSA PRIVATE KEY-----\nrest", "\nrest"),
        ("-----BEGIN PRIVATE KEY-----\nSECRET", ""),
        ("https://x.example/?access_token=SECRET&page=2", "&page=2"),
    ] {
        let upper = text.contains("AKIA");
        let planted = if upper { SECRET.to_uppercase() } else { SECRET.to_owned() };
        let redacted = redact_text(&text.replace("SECRET", &planted));
        assert!(!redacted.contains(&planted), "{text} gave {redacted}");
        assert!(redacted.contains("[redacted sha256-salted:"), "{text} gave {redacted}");
        assert!(redacted.contains(kept), "{text} gave {redacted}");
    }
}

#[test]
fn no_tail_of_a_secret_is_left_wherever_its_word_goes_on() {
    for (text, kept) in [
        ("PGPASSWORD=a,SECRET psql", " psql"),
        ("PGPASSWORD=a}SECRET psql", " psql"),
        ("DB_PASSWORD=ab\"cd SECRET\" run", " run"),
        ("DB_PASSWORD=ab'cd SECRET'ef run", " run"),
        ("DB_PASSWORD=a\\ SECRET run", " run"),
        ("DB_PASSWORD=a\\;SECRET run", " run"),
        ("DB_PASSWORD='a'\\''SECRET' run", " run"),
        ("DB_PASSWORD=ghp_0123456789abcdef0123,SECRET run", " run"),
        ("mysql --password=a,SECRET db", " db"),
        ("mysql --password a,SECRET db", " db"),
        ("curl -u \"ada:a SECRET\" x", " x"),
        ("curl --user='ada:a SECRET' x", " x"),
    ] {
        let redacted = redact_text(&text.replace("SECRET", SECRET));
        assert!(!redacted.contains(SECRET), "{text} gave {redacted}");
        assert!(redacted.ends_with(kept), "{text} gave {redacted}");
    }
}

#[test]
fn tokens_of_this_project_are_secrets() {
    for prefix in ["cfd_", "cfa_"] {
        let token = format!("{prefix}{SECRET}{SECRET}abc");
        let redacted = redact_text(&format!("echo {token} > t"));
        assert!(!redacted.contains(SECRET) && redacted.ends_with(" > t"), "{redacted}");
        assert!(!redact_value(json!({"x": [token]})).to_string().contains(SECRET));
    }
}

#[test]
fn what_is_no_secret_stays_as_it_is() {
    for text in [
        "git status --short",
        "GIT_AUTHOR_NAME=Ada PWD=/home/ada cargo build",
        "grep -rn 'fn main' src/",
        "https://git.example:8443/a/b.git",
        "ssh://git@git.example/a.git",
        "sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "0190a0c6-7d1e-7cc3-98c4-dc0c0c07398f",
    ] {
        assert_eq!(redact_text(text), text);
    }
}

#[test]
fn nested_values_under_secret_names_go_and_their_neighbours_stay() {
    let value = json!({
        "arguments": ["login", "--password", SECRET, "--quiet", "-u", format!("ada:{SECRET}")],
        "environment": [
            {"name": "NPM_TOKEN", "value": SECRET},
            {"name": "LANG", "value": "C.UTF-8"},
        ],
        "options": {"credentials": {"user": SECRET, "pin": [1_234_567_890, {"x": SECRET}]}},
        "working_directory": "/srv/project",
        "ratio": 0.5,
    });
    let redacted = redact_value(value);
    let text = redacted.to_string();
    assert!(!text.contains(SECRET) && !text.contains("1234567890"), "{text}");
    assert_eq!(redacted["arguments"][3], "--quiet");
    assert_eq!(redacted["environment"][1]["value"], "C.UTF-8");
    assert_eq!(redacted["working_directory"], "/srv/project");
    assert_eq!(redacted["ratio"], "0.5");
}

#[test]
fn a_secret_shows_as_the_same_within_a_record_and_as_another_in_the_next() {
    let one = redact_value(json!([format!("token={SECRET}"), format!("token={SECRET}")]));
    assert_eq!(one[0], one[1]);
    let two = redact_value(json!([format!("token={SECRET}")]));
    assert_ne!(one[0], two[0]);
}

#[test]
fn a_content_is_kept_as_a_digest_that_no_other_record_has() {
    let content = json!({"stdin": {"bytes": 8, "sha256": "ab".repeat(32), "head": "hu"}});
    let (one, two) = (redact_value(content.clone()), redact_value(content));
    assert!(!one.to_string().contains("abab"), "{one}");
    assert_eq!((&one["stdin"]["bytes"], &one["stdin"]["head"]), (&json!(8), &json!("hu")));
    assert_ne!(one["stdin"]["sha256-salted"], two["stdin"]["sha256-salted"]);
    assert_eq!(one["stdin"]["sha256-salted"].as_str().unwrap().len(), 32);
    // What a caller says of a file is no content of the call.
    let said = json!({"if_unchanged": {"sha256": "ab".repeat(32)}});
    assert_eq!(redact_value(said.clone()), said);
}

#[test]
fn no_file_of_the_journal_has_the_secret_and_the_record_has_its_salt() {
    let desk = Desk::new();
    let (journal, _) = desk.open();
    let action = json!({"command": format!("curl -H 'Authorization: Bearer {SECRET}' x")});
    let call = cofferdam_journal::Call { action, ..call("run") };
    keep(&journal, Entry::Intent(Intent { call, ..Intent::default() }));
    drop(journal);
    for entry in std::fs::read_dir(desk.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(SECRET));
    }
    let text: Vec<_> = read(&desk.path()).unwrap().map(|it| it.unwrap().to_json()).collect();
    assert!(text.iter().any(|line| line.contains(r#""salt":""#)));
}

/// A secret in one of the clothes that secrets wear.
fn planted() -> impl Strategy<Value = (String, Value)> {
    ("[A-Za-z0-9]{20,40}", 0..10_usize).prop_map(|(secret, dress)| {
        let value = match dress {
            0 => json!(format!("SERVICE_TOKEN={secret}")),
            1 => json!(format!("Authorization: Bearer {secret}")),
            2 => json!(format!("https://user:{secret}@host/")),
            3 => json!({ "db_password": secret }),
            4 => json!({"name": "DEPLOY_KEY", "value": secret}),
            5 => json!(["--api-key", secret]),
            6 => json!(format!("ghp_{secret}")),
            7 => json!(format!("-----BEGIN PRIVATE KEY-----\n{secret}\n")),
            8 => json!({"secrets": {"deep": [[secret]]}}),
            _ => json!(format!("tool --client-secret \"{secret}\" run")),
        };
        (secret, value)
    })
}

/// That value anywhere within harmless ones.
fn buried() -> impl Strategy<Value = (String, Value)> {
    (planted(), prop::collection::vec((any::<bool>(), "[a-z ]{0,12}"), 0..6)).prop_map(
        |((secret, mut value), layers)| {
            for (array, words) in layers {
                value = if array {
                    json!([words, value, words])
                } else {
                    json!({ "a": words, "b": value, "c": 1 })
                };
            }
            (secret, value)
        },
    )
}

proptest! {
    #[test]
    fn no_planted_secret_survives_at_any_depth((secret, value) in buried()) {
        let text = redact_value(value).to_string();
        prop_assert!(!text.contains(&secret), "{text}");
    }

    #[test]
    fn redacting_any_text_neither_fails_nor_grows_without_end(text in "\\PC{0,400}") {
        prop_assert!(redact_text(&text).len() <= text.len() * 40 + 64);
    }
}
