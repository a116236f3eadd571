//! Calls any method with an empty message, and tells what came back first.

use std::error::Error;
use std::time::Duration;

use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::methods::Method;

/// What came back.
#[derive(Debug)]
pub(crate) enum Answer {
    /// There was no connection to ask over, and why.
    NoConnection(String),
    /// The other side refused.
    Status(Status),
    /// The other side answered.
    Message,
}

/// An empty message is one of any type, and whatever comes back can be skipped
/// over as unknown fields. A stream of one message is what a unary call is.
pub(crate) async fn ask(channel: &Channel, method: &Method) -> Answer {
    let asked = async {
        let mut grpc = Grpc::new(channel.clone());
        if let Err(error) = grpc.ready().await {
            return Answer::NoConnection(reasons(&error));
        }
        let codec = ProstCodec::<(), ()>::default();
        let answer = grpc.server_streaming(Request::new(()), method.path.clone(), codec).await;
        match answer {
            Ok(stream) => match stream.into_inner().message().await {
                Ok(_) => Answer::Message,
                Err(status) => refusal(status),
            },
            Err(status) => refusal(status),
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asked).await.expect("an answer in time")
}

/// A status that came over the wire has no cause on this side.
fn refusal(status: Status) -> Answer {
    match status.source() {
        Some(source) => Answer::NoConnection(reasons(source)),
        None => Answer::Status(status),
    }
}

fn reasons(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}
