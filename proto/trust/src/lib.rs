//! Who is who on the wire, and who said what.
//!
//! Words used here:
//!
//! - A **peer** is a gateway or an agent. Its [`PeerName`] is a SPIFFE-style
//!   URI, the only subject alternative name that counts in its certificate.
//! - An **authority** is our own certificate authority: it issues the short
//!   certificates that both ends of every connection show each other. A
//!   [`JoinToken`] lets a host ask for its first one.
//! - An **identity** is a peer's certificate chain, its key, and the authorities
//!   it believes.
//! - A **signing key** is a separate, long-lived Ed25519 key. A gateway signs
//!   intents with it, an agent receipts, and both their journals' checkpoints, so
//!   that each side can later prove what the other said.
//!
//! TLS proves who is connected now; signatures prove afterwards who said what.
//! Neither replaces the other. The gateway, the agent and the `cofferdam`
//! command use this crate; nothing in it runs as root.

#![forbid(unsafe_code)]

mod acceptor;
mod authority;
mod claim;
mod connection;
mod connector;
mod digest;
mod identity;
mod join;
mod lapse;
mod name;
mod peer;
mod policy;
mod preface;
mod private_file;
mod request;
mod signed;
mod signing;
mod tls;
mod trust_list;
mod versions;

pub use acceptor::{Handshakes, ServerConfigHandle, TlsListener};
pub use authority::{
    Authority, AuthorityError, CLOCK_SKEW, CertificateFiles, IssuedCertificate, Lifetime,
};
pub use claim::{Claim, ClaimError, MAX_CLAIM, sign_enrolment, sign_renewal, sign_watching};
pub use connection::{Beside, Connection, PeerConnection};
pub use connector::{
    AddressError, channel, channel_for_streams, check_address, connect, connect_for_streams,
};
pub use digest::{action_digest, hex, sha256};
pub use identity::{Identity, IdentityError};
pub use join::{JoinToken, JoinTokenError};
pub use lapse::{Lapse, Outlook, span_in_words};
pub use name::{DEFAULT_TRUST_DOMAIN, NameError, PeerName, Role};
pub use peer::{Peer, PeerError};
pub use policy::{PolicyWord, PolicyWordError, sign_policy, verify_policy};
pub use preface::{MAX_PREFACE, Preface, PrefaceError};
pub use private_file::{PrivateFileError, read_private_file};
pub use request::{PeerKey, PeerKeyError};
pub use signed::{
    MAX_SIGNED, SignatureError, receipt_matches, sign_intent, sign_receipt, verify_intent,
    verify_receipt,
};
pub use signing::{KeyError, Purpose, SigningKey, TrustedKeys, VerifyingKey};
pub use tls::{
    JoiningFailure, Recognise, TlsError, client_config, joining_client_config, joining_failure,
    joining_server_config, server_config,
};
pub use trust_list::{GatewayKeys, MAX_TRUST_LIST, TrustList, TrustListError};
pub use versions::{PolicyVersionError, PolicyVersions};
