//! Units are told of only as far as the ceiling names them, and each question
//! leaves its records, answered or not. What a bus and a journal say is tried in
//! `tests/journey/services.rs`.

use std::path::Path;

use cofferdam_proto::host::v1::{
    JournalQuery, ReadServiceRequest, ReadServiceResponse, ServiceQuery, ServiceReading,
};
use cofferdam_proto::intent::v1::Intent;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::gateway::{Gateway, reason};
use crate::host::Host;

/// Appends to the ceiling; bus and journal are where nothing is.
fn with(services: &str) -> impl FnOnce(&Path) {
    move |directory| {
        let add = |name: &str, more: &str| {
            let path = directory.join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, format!("{text}\n{more}\n")).unwrap();
        };
        add("host/ceiling.toml", services);
        add("agent/agent.toml", "[services]\nbus = 'no-bus'\njournals = ['no-journal']");
    }
}

fn query(what: ServiceReading, unit: &str) -> ServiceQuery {
    ServiceQuery { what: what.into(), unit: unit.to_owned(), journal: None }
}

async fn ask(
    gateway: &Gateway,
    query: ServiceQuery,
    change: impl FnOnce(&mut Intent),
) -> Result<ReadServiceResponse, Status> {
    let intent = Some(gateway.signed(&query, change));
    let request = ReadServiceRequest { intent, query: Some(query) };
    gateway.hosts().read_service(request).await.map(tonic::Response::into_inner)
}

fn rule(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.and_then(|info| info.metadata.get("rule").cloned()).unwrap_or_default()
}

#[tokio::test]
async fn a_host_whose_ceiling_names_no_services_shows_none_whatever_is_signed() {
    let host = Host::start_with(with(""));
    let gateway = Gateway::of(&host);
    for (what, unit) in [
        (ServiceReading::List, "*"),
        (ServiceReading::Status, "nginx.service"),
        (ServiceReading::Journal, "nginx.service"),
    ] {
        let refused = ask(&gateway, query(what, unit), |_| {}).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::PermissionDenied, "ABOVE_CEILING")
        );
        assert_eq!(rule(&refused), "ceiling.services");
    }
    host.expect_records("denial", 3);
    host.expect_records("intent", 0);
}

#[tokio::test]
async fn units_and_journals_that_the_ceiling_does_not_name_are_refused_with_its_key() {
    let host = Host::start_with(with("[services]\nshow = ['nginx.service']"));
    let gateway = Gateway::of(&host);
    let refused = ask(&gateway, query(ServiceReading::Status, "ssh.service"), |_| {}).await;
    assert_eq!(rule(&refused.unwrap_err()), "ceiling.services.show");
    let refused = ask(&gateway, query(ServiceReading::Journal, "nginx.service"), |_| {}).await;
    assert_eq!(rule(&refused.unwrap_err()), "ceiling.services.journal");
    host.expect_records("denial", 2);
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_says_what_is_missing_and_has_an_end_on_record() {
    let host = Host::start_with(with("[services]\nshow = ['nginx.service']\njournal = true"));
    let gateway = Gateway::of(&host);
    let failed = ask(&gateway, query(ServiceReading::Status, "nginx.service"), |_| {}).await;
    let failed = failed.unwrap_err();
    assert_eq!(reason(&failed), "UNITS_UNREADABLE");
    assert!(failed.message().contains("system bus"), "{}", failed.message());
    let failed = ask(&gateway, query(ServiceReading::Journal, "nginx.service"), |_| {}).await;
    assert_eq!(reason(&failed.unwrap_err()), "UNIT_JOURNAL_UNREADABLE");
    host.expect_records("intent", 2);
    host.expect_records("outcome", 2);
}

#[tokio::test]
async fn an_intent_counts_for_its_question_and_once() {
    let host = Host::start_with(with("[services]\nshow = ['*.service']\njournal = true"));
    let gateway = Gateway::of(&host);
    // Signed for the state, sent for the journal.
    let signed = gateway.signed(&query(ServiceReading::Status, "nginx.service"), |_| {});
    let other = query(ServiceReading::Journal, "nginx.service");
    let request = ReadServiceRequest { intent: Some(signed.clone()), query: Some(other) };
    let refused = gateway.hosts().read_service(request).await.unwrap_err();
    assert_eq!(reason(&refused), "INTENT_OTHER_ACTION");
    let status = query(ServiceReading::Status, "nginx.service");
    let request = ReadServiceRequest { intent: Some(signed), query: Some(status) };
    let first = gateway.hosts().read_service(request.clone()).await.unwrap_err();
    assert_eq!(reason(&first), "UNITS_UNREADABLE");
    let again = gateway.hosts().read_service(request).await.unwrap_err();
    assert_eq!(reason(&again), "RUN_EXISTS");
    host.expect_records("intent", 1);
}

#[tokio::test]
async fn what_is_too_much_or_no_unit_is_refused_with_the_field() {
    let host = Host::start_with(with("[services]\nshow = ['*']\njournal = true"));
    let gateway = Gateway::of(&host);
    let journal = |journal: JournalQuery| ServiceQuery {
        journal: Some(journal),
        ..query(ServiceReading::Journal, "nginx.service")
    };
    for query in [
        query(ServiceReading::Status, "../nginx.service"),
        query(ServiceReading::Status, "nginx.service\n"),
        query(ServiceReading::List, "[a-z]*"),
        query(ServiceReading::Unspecified, "nginx.service"),
        journal(JournalQuery { lines: 100_000, ..JournalQuery::default() }),
        journal(JournalQuery { grep: "(".repeat(500), ..JournalQuery::default() }),
        journal(JournalQuery { before: "x".to_owned(), ..JournalQuery::default() }),
    ] {
        let refused = ask(&gateway, query.clone(), |_| {}).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::InvalidArgument, "INVALID_FIELD")
        );
        let fields = refused.get_details_bad_request().unwrap().field_violations;
        assert!(fields[0].field.starts_with("query."), "{query:?}");
    }
    host.expect_records("failure", 7);
    host.expect_records("intent", 0);
}
