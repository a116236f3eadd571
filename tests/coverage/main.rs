//! Every RPC is refused to everybody but the gateways of this host, by
//! enumeration: the methods come from the descriptors that the messages were
//! generated from, so that a new one is tried from the day it exists.
//!
//! Three things make the enumeration mean something: it is not empty and names
//! every service that the agent adds to its server; each method answers the
//! right gateway; and a stranger is refused before the path is looked at, so
//! that no service could stand beside the guard.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod ask;
mod methods;
mod strangers;

use std::collections::BTreeSet;

use cofferdam_tests::agent::Agent;
use tonic::Code;

use ask::{Answer, ask};
use methods::{Method, methods};
use strangers::{Refused, Stranger, strangers, the_gateway};

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_is_refused_to_whoever_is_no_gateway_of_this_host() {
    let agent = Agent::start();
    for Stranger { who, channel, refused } in strangers(&agent) {
        for method in methods().into_iter().chain([Method::that_does_not_exist()]) {
            let answer = ask(&channel, &method).await;
            match (&answer, refused) {
                (Answer::NoConnection(why), Refused::AtTheDoor) => println!("{who}: {why}"),
                (Answer::Status(status), Refused::AtTheCall(code)) if status.code() == code => {}
                _ => panic!("{who} calls {method}: {answer:?} instead of {refused:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_answers_a_gateway_of_this_host() {
    let agent = Agent::start();
    let channel = the_gateway(&agent);
    for method in methods() {
        let answer = ask(&channel, &method).await;
        let no_service = [Code::PermissionDenied, Code::Unimplemented, Code::Unavailable];
        match &answer {
            Answer::Message => {}
            // An empty message asks for nothing: the service itself says so.
            Answer::Status(status) if !no_service.contains(&status.code()) => {}
            _ => panic!("{method}: {answer:?}"),
        }
    }
    let nowhere = ask(&channel, &Method::that_does_not_exist()).await;
    let Answer::Status(status) = &nowhere else { panic!("{nowhere:?}") };
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
}

#[test]
fn the_enumeration_names_every_service_that_the_agent_adds() {
    let services: BTreeSet<_> = methods().into_iter().map(|method| method.service).collect();
    for known in ["cofferdam.exec.v1.ExecService", "grpc.health.v1.Health"] {
        assert!(services.contains(known), "{services:?}");
    }
    let source = include_str!("../../agent/daemon/src/serve.rs");
    let added = source.matches(".add_service(").count();
    assert_eq!(added, services.len(), "the agent adds other services than {services:?}");
}
