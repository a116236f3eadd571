//! Every method of every service, from the descriptors.

use std::fmt;

use http::uri::PathAndQuery;
use prost::Message;
use prost_types::FileDescriptorSet;

/// One RPC.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    /// The full name of its service.
    pub(crate) service: String,
    /// What a request names it by.
    pub(crate) path: PathAndQuery,
}

impl Method {
    fn new(service: &str, name: &str) -> Self {
        let path = format!("/{service}/{name}").parse().unwrap();
        Self { service: service.to_owned(), path }
    }

    /// A path that leads to no service.
    pub(crate) fn that_does_not_exist() -> Self {
        Self::new("cofferdam.none.v1.NoService", "DoNothing")
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// What an authority serves, and no agent; gateway/authority tries those.
const OF_AUTHORITIES: &str = "cofferdam.join.v1";

/// The project's own, and the health check's.
pub(crate) fn methods() -> Vec<Method> {
    let sets = [cofferdam_proto::DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET];
    let files = sets.into_iter().flat_map(|set| FileDescriptorSet::decode(set).unwrap().file);
    let mut methods = Vec::new();
    for file in files.filter(|file| file.package() != OF_AUTHORITIES) {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            methods.extend(service.method.iter().map(|method| Method::new(&name, method.name())));
        }
    }
    assert!(!methods.is_empty(), "the descriptors name no method");
    methods
}
