//! Every RPC of the authority refuses who proves nothing, by enumeration: the methods
//! come from the descriptors, so that a new one is tried from the day it exists.

use cofferdam_proto::join::v1::{EnrolRequest, EnrolResponse};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;
use tonic_prost::ProstCodec;

use crate::office::{Guest, Office};

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_refuses_who_proves_nothing() {
    let office = Office::open(|_| {}).await;
    let guest = Guest::with(&office.invite("web-1"));
    let set = FileDescriptorSet::decode(cofferdam_proto::DESCRIPTORS).unwrap();
    let file = set.file.iter().find(|file| file.package() == "cofferdam.join.v1").unwrap();
    let service = &file.service[0];
    assert_eq!((file.service.len(), service.name()), (1, "JoinService"));
    assert!(!service.method.is_empty());
    for method in &service.method {
        let path = format!("/cofferdam.join.v1.{}/{}", service.name(), method.name());
        let mut grpc = tonic::client::Grpc::new(office.channel(guest.recognise()));
        grpc.ready().await.unwrap();
        // An empty message of any type is no byte at all.
        let codec = ProstCodec::<EnrolRequest, EnrolResponse>::default();
        let request = tonic::Request::new(EnrolRequest::default());
        let answer = grpc.unary(request, path.parse().unwrap(), codec).await;
        let status = answer.unwrap_err();
        let refused = [Code::InvalidArgument, Code::Unauthenticated];
        assert!(refused.contains(&status.code()), "{path}: {status}");
    }
    assert!(office.steps("").is_empty());
}
