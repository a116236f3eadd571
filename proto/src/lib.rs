//! The messages between gateway and agent, generated from the `.proto` files in
//! `proto/cofferdam`; nothing else lives here.

/// An encoded `google.protobuf.FileDescriptorSet` of every file: what the
/// coverage tests enumerate the RPCs from.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! package {
    ($doc:literal, $area:ident, $name:literal) => {
        #[doc = $doc]
        pub mod $area {
            #[doc = $doc]
            #[allow(
                missing_docs,
                clippy::pedantic,
                clippy::restriction,
                clippy::large_enum_variant,
                unused_qualifications,
                unreachable_pub,
                rust_2018_idioms,
                reason = "generated code; the documentation stands in the .proto files"
            )]
            pub mod v1 {
                tonic::include_proto!($name);
            }
        }
    };
}

package!("Signed intents and receipts.", intent, "cofferdam.intent.v1");
package!("Runs: commands in cells.", exec, "cofferdam.exec.v1");
package!("Files of a workspace.", file, "cofferdam.file.v1");
package!("The host itself.", host, "cofferdam.host.v1");
package!("Joining: certificates for hosts, and who is trusted.", join, "cofferdam.join.v1");
