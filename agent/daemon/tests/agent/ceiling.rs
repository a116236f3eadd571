//! What the ceiling says of callers, of the gateways' rules and of how many:
//! each refusal names its key, leaves a record, and starts nothing.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use cofferdam_proto::exec::v1::{CancelRunRequest, StartRunResponse};
use cofferdam_proto::intent::v1::{Intent, Subject};
use cofferdam_trust::{SigningKey, sign_policy};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::gateway::{Followed, Gateway, reason, sh};
use crate::host::Host;

/// Appends to the ceiling of a host that is to start.
fn with(more: &str) -> impl FnOnce(&Path) {
    move |directory| add(&directory.join("host/ceiling.toml"), more)
}

fn add(ceiling: &Path, more: &str) {
    let text = fs::read_to_string(ceiling).unwrap();
    fs::write(ceiling, format!("{text}\n{more}\n")).unwrap();
}

fn rule(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.and_then(|info| info.metadata.get("rule").cloned()).unwrap_or_default()
}

async fn refused(gateway: &Gateway, change: impl FnOnce(&mut Intent)) -> Status {
    let refused = gateway.run(gateway.request(sh("touch made"), change)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    refused
}

fn subject(user: &str, groups: &[&str], tenant: &str) -> impl FnOnce(&mut Intent) {
    let groups = groups.iter().map(ToString::to_string).collect();
    let (user, tenant) = (user.to_owned(), tenant.to_owned());
    move |intent| intent.subject = Some(Subject { user, groups, tenant, client: String::new() })
}

#[tokio::test]
async fn a_host_acts_only_for_the_callers_that_its_ceiling_names() {
    let table = "[callers]\nusers = ['alice', 'ci-*']\ngroups = ['dev']\ntenants = ['acme']\n\
                 deny_users = ['ci-evil']";
    let host = Host::start_with(with(table));
    let gateway = Gateway::of(&host);
    for (user, groups) in [("alice", &[][..]), ("ci-7", &[]), ("bob", &["dev"])] {
        let request = gateway.request(sh("true"), subject(user, groups, "acme"));
        assert_eq!(gateway.run(request).await.unwrap().code(), 0, "{user}");
    }
    for (user, groups, tenant, key, words) in [
        ("bob", &["ops"][..], "acme", "ceiling.callers", "would write `users = [\"bob\"]`"),
        ("ci-evil", &["dev"], "acme", "ceiling.callers.deny_users", "has `ci-*`"),
        ("alice", &[], "other", "ceiling.callers.tenants", "users of the tenant `other`"),
        ("alice", &[], "", "ceiling.callers.tenants", "users without a tenant"),
        ("", &["dev"], "acme", "ceiling.callers", "the gateway names none"),
    ] {
        let status = refused(&gateway, subject(user, groups, tenant)).await;
        assert_eq!(reason(&status), "CALLER_NOT_ALLOWED", "{user}");
        assert_eq!(rule(&status), key, "{user}");
        let words = words.replace("ci-*", "ci-evil");
        assert!(status.message().contains(&words), "{}", status.message());
    }
    assert!(!host.workspace.join("made").exists());
    host.expect_records("denial", 5);
    host.expect_records("intent", 3);
    assert!(host.journal().contains("ceiling.callers.deny_users"));
}

#[tokio::test]
async fn an_empty_list_of_callers_is_nobody_and_an_edit_counts_at_the_next_call() {
    let host = Host::start();
    let gateway = Gateway::of(&host);
    assert_eq!(gateway.sh("true").await.code(), 0);
    add(&host.directory.path().join("host/ceiling.toml"), "[callers]\nusers = []");
    assert_eq!(reason(&refused(&gateway, |_| {}).await), "CALLER_NOT_ALLOWED");
}

/// The gateway's rules are these, as `key` says.
fn policy(key: &SigningKey, version: u64, digest: u8) -> impl FnOnce(&mut Intent) {
    let policy = sign_policy(key, [digest; 32], version, SystemTime::now());
    move |intent| {
        intent.policy_digest = vec![digest; 32];
        intent.policy = Some(policy);
    }
}

#[tokio::test]
async fn a_host_can_require_signed_rules_that_never_go_back() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let table = format!(
        "[policy]\nrequire_signed = true\nkeys = ['{}']\nminimum_version = 2",
        key.public_key()
    );
    let mut host = Host::start_with(with(&table));
    let gateway = Gateway::of(&host);
    assert_eq!(reason(&refused(&gateway, |_| {}).await), "POLICY_UNSIGNED");
    let stranger = refused(&gateway, policy(&other, 2, 1)).await;
    assert_eq!(reason(&stranger), "POLICY_SIGNATURE");
    assert_eq!(rule(&stranger), "ceiling.policy.keys");
    let other_rules = refused(&gateway, |intent| {
        policy(&key, 2, 1)(intent);
        intent.policy_digest = vec![9; 32];
    });
    assert_eq!(reason(&other_rules.await), "POLICY_SIGNATURE");
    let old = refused(&gateway, policy(&key, 1, 1)).await;
    assert_eq!(rule(&old), "ceiling.policy.minimum_version");
    let run = async |gateway: &Gateway, version, digest| {
        let request = gateway.request(sh("true"), policy(&key, version, digest));
        gateway.run(request).await.map(|ran| ran.code())
    };
    assert_eq!(run(&gateway, 2, 1).await.unwrap(), 0);
    assert_eq!(run(&gateway, 4, 2).await.unwrap(), 0);
    assert_eq!(reason(&run(&gateway, 4, 3).await.unwrap_err()), "POLICY_VERSION_REUSED");
    // A crash loses refusals of the last moment, not what was seen.
    host.expect_records("denial", 5);
    host.crash_and_restart();
    let gateway = Gateway::of(&host);
    let back = run(&gateway, 2, 1).await.unwrap_err();
    assert_eq!(reason(&back), "POLICY_TOO_OLD");
    assert!(back.message().contains("version 4 was taken here already"), "{}", back.message());
    assert_eq!(run(&gateway, 4, 2).await.unwrap(), 0);
    assert!(!host.workspace.join("made").exists());
    host.expect_records("denial", 6);
}

/// A run that goes on until it is cancelled.
struct Sleeping {
    run_id: String,
    events: Streaming<StartRunResponse>,
}

impl Sleeping {
    async fn end(mut self, gateway: &Gateway) {
        let request = CancelRunRequest { run_id: self.run_id };
        gateway.exec().cancel_run(request).await.unwrap();
        while self.events.message().await.unwrap().is_some() {}
    }
}

/// Starts a run of `user` in one of their sessions.
async fn sleeping(gateway: &Gateway, user: &str, session: &str) -> Sleeping {
    let mut run_id = String::new();
    let request = gateway.request(sh("echo begun; sleep 60"), |intent| {
        subject(user, &[], "")(intent);
        session.clone_into(&mut intent.session);
        run_id.clone_from(&intent.run_id);
    });
    let mut events = gateway.exec().start_run(request).await.unwrap().into_inner();
    let mut followed = Followed::default();
    while followed.stdout.is_empty() {
        followed.take(events.message().await.unwrap().unwrap().event.unwrap());
    }
    Sleeping { run_id, events }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_are_capped_for_the_host_and_for_each_user() {
    let host = Host::start_with(|directory| {
        let ceiling = directory.join("host/ceiling.toml");
        let text = fs::read_to_string(&ceiling).unwrap();
        let limits = "[limits]\nruns = 3\nruns_per_user = 2";
        fs::write(&ceiling, text.replace("[limits]", limits)).unwrap();
    });
    let gateway = Gateway::of(&host);
    let first = sleeping(&gateway, "alice", "1").await;
    let _second = sleeping(&gateway, "alice", "2").await;
    let call = async |user: &str| {
        gateway.run(gateway.request(sh("touch made"), subject(user, &[], ""))).await
    };
    let refused = call("alice").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert_eq!(rule(&refused), "ceiling.limits.runs_per_user");
    let _third = sleeping(&gateway, "bob", "1").await;
    let refused = call("carol").await.unwrap_err();
    assert_eq!(rule(&refused), "ceiling.limits.runs");
    assert!(refused.message().contains("its owner raises it"), "{}", refused.message());
    assert!(!host.workspace.join("made").exists());
    first.end(&gateway).await;
    assert_eq!(call("carol").await.unwrap().code(), 0);
    host.expect_records("failure", 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_cells_are_capped_and_idle_ones_make_room() {
    let host = Host::start_with(|directory| {
        let ceiling = directory.join("host/ceiling.toml");
        let text = fs::read_to_string(&ceiling).unwrap();
        fs::write(&ceiling, text.replace("[limits]", "[limits]\ncells_per_user = 1")).unwrap();
    });
    let gateway = Gateway::of(&host);
    let call = async |user: &str, session: &str| {
        let request = gateway.request(sh("true"), |intent| {
            subject(user, &[], "")(intent);
            session.clone_into(&mut intent.session);
        });
        gateway.run(request).await.unwrap()
    };
    for session in ["1", "2", "1"] {
        assert_eq!(call("alice", session).await.code(), 0, "an idle cell makes room");
    }
    let busy = sleeping(&gateway, "alice", "1").await;
    let refused = format!("{:?}", call("alice", "2").await.ending());
    assert!(refused.contains("`limits.cells_per_user` of its ceiling"), "{refused}");
    assert_eq!(call("bob", "1").await.code(), 0, "others have their own");
    busy.end(&gateway).await;
    assert_eq!(call("alice", "2").await.code(), 0);
}
