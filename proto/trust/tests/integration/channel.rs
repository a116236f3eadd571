//! A tonic service behind the listener, called through the connector.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use cofferdam_trust::{Peer, TlsListener, client_config, connect, server_config};
use tonic::codegen::InterceptedService;
use tonic::transport::Server;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::parties::{Office, client, name, past};

#[tokio::test]
async fn an_rpc_carries_the_callers_name_and_a_renewed_certificate_is_used_at_once() {
    let office = Office::new();
    let expired = office.identity_for("agent/one", past());
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = TlsListener::bind(any, server_config(&expired).unwrap()).await.unwrap();
    let address = listener.local_addr().to_string();
    let config = listener.config();

    let callers = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&callers);
    let note = move |request: Request<()>| -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<Peer>().expect("no peer in the extensions");
        record.lock().unwrap().push(peer.clone());
        Ok(request)
    };
    let (_reporter, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .add_service(InterceptedService::new(health, note))
        .serve_with_incoming(listener);
    let server = tokio::spawn(server);

    let gateway = office.identity("gateway/main");
    let channel = connect(&address, client(&gateway, "agent/one")).unwrap();
    let mut health = HealthClient::new(channel);
    let refused = health.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(callers.lock().unwrap().is_empty());

    config.replace(server_config(&office.identity("agent/one")).unwrap());
    health.check(HealthCheckRequest::default()).await.unwrap();
    let peers = callers.lock().unwrap().clone();
    assert_eq!(peers, [gateway.own().clone()]);
    assert!(peers[0].is_current(SystemTime::now()));
    assert!(!peers[0].is_current(peers[0].not_after));
    server.abort();
}

#[tokio::test]
async fn a_peer_that_is_down_shows_at_the_first_call() {
    let office = Office::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = client_config(&office.identity("gateway/main"), &name("agent/one")).unwrap();
    let channel = connect(&free.to_string(), config).unwrap();
    let status = HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn what_is_not_host_and_port_is_no_address() {
    let office = Office::new();
    let config = client(&office.identity("gateway/main"), "agent/one");
    for wrong in ["", "host", "host:port", "http://host:1", "host:1/path", "host:99999", "a b:1"] {
        assert!(connect(wrong, Arc::clone(&config)).is_err(), "{wrong}");
    }
    for right in ["host.example:8461", "10.0.0.7:8461", "[::1]:8461"] {
        assert!(connect(right, Arc::clone(&config)).is_ok(), "{right}");
    }
}
