//! Why a host does not get what it asks for, and how that looks on the wire.
//!
//! The codes tell an agent what to do: `UNAVAILABLE`, `RESOURCE_EXHAUSTED` and
//! `INTERNAL` pass, so it asks again later; every other one is final until somebody
//! does what the message says.

use cofferdam_trust::{AuthorityError, ClaimError};
use tonic::{Code, Status};

use crate::host::HostError;
use crate::state::StateError;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What it says is not signed, or not by whom it should be.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// What it says cannot be meant.
    #[error("the request says something that cannot be: {0}")]
    Malformed(&'static str),
    /// Its address.
    #[error(transparent)]
    Address(#[from] HostError),
    /// The key for its certificate.
    #[error(transparent)]
    Request(AuthorityError),
    /// Nobody made this token, or for somebody else.
    #[error(
        "the join token is unknown here; ask the gateway's owner for a new one (`cofferdam host \
         invite`)"
    )]
    UnknownToken,
    /// It came too late.
    #[error(
        "the join token expired {0} seconds ago; ask the gateway's owner for a new one (`cofferdam \
         host invite`)"
    )]
    TokenExpired(u64),
    /// There is a newer one.
    #[error(
        "the join token was withdrawn; use the newest one, or ask the gateway's owner for another"
    )]
    TokenWithdrawn,
    /// Two showed it.
    #[error(
        "the join token was shown with two different keys: somebody else has it too; the gateway's \
         owner was told, and has to remove the host and invite it again"
    )]
    TokenTwice,
    /// The name is another host's by now.
    #[error("the host's name is taken; ask the gateway's owner for a token with another name")]
    NameTaken,
    /// The owner said no.
    #[error("the gateway's owner did not let this host in")]
    Refused,
    /// The owner took it back.
    #[error("this host was revoked; the gateway's owner can invite it again")]
    Revoked,
    /// Somebody is to look at it first.
    #[error(
        "nothing is certified for this host: {0}; the gateway's owner has to look at it \
         (`cofferdam host show`, then `cofferdam host trust` or `cofferdam host revoke`)"
    )]
    Alarm(String),
    /// The clocks differ.
    #[error(
        "the host's clock says {theirs} and the authority's {ours}: they may differ by five \
         minutes; set the host's clock (timedatectl(1)) and ask again"
    )]
    Clock {
        /// As the host says.
        theirs: String,
        /// As it is here.
        ours: String,
    },
    /// Nobody of this name joined.
    #[error(
        "no host of this name has joined here; it needs a join token (`cofferdam host invite`)"
    )]
    UnknownHost,
    /// It is meant for somebody else.
    #[error(
        "the request is meant for {asked}, and this is {here}; correct the authority's address"
    )]
    OtherAuthority {
        /// Whom it names.
        asked: String,
        /// Who this is.
        here: String,
    },
    /// It was here before.
    #[error("the request was answered before, and a newer one since; make a new one")]
    Replayed,
    /// Its last certificate lapsed too long ago, or too often.
    #[error(
        "the host's certificate lapsed {0}; the gateway's owner can forgive that (`cofferdam host \
         trust`) or invite the host again (`cofferdam host remove`, `cofferdam host invite`)"
    )]
    Lapsed(&'static str),
    /// It asks all the time.
    #[error("the host renews too often; it may ask again in a while")]
    TooOften,
    /// It watches too often at once.
    #[error("too many watch at the same time; try again in a while")]
    TooMany,
    /// The authority cannot certify.
    #[error("the authority cannot certify: {0}")]
    Certify(AuthorityError),
    /// None of its certificates counts.
    #[error("the authority has no certificate that counts; its owner has to make one")]
    NoAuthority,
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The gateway's journal.
    #[error("it cannot be recorded, and so it does not count yet: {0}; try again in a while")]
    Unrecorded(String),
}

impl Refusal {
    /// Whether it tells of nobody that is known here.
    pub(crate) fn is_of_strangers(&self) -> bool {
        matches!(self.code(), Code::Unauthenticated | Code::InvalidArgument)
    }

    fn code(&self) -> Code {
        match self {
            Self::Claim(ClaimError::Invalid) | Self::UnknownToken | Self::UnknownHost => {
                Code::Unauthenticated
            }
            Self::Claim(_) | Self::Malformed(_) | Self::Address(_) | Self::Request(_) => {
                Code::InvalidArgument
            }
            Self::TokenTwice
            | Self::TokenWithdrawn
            | Self::Refused
            | Self::Revoked
            | Self::Alarm(_) => Code::PermissionDenied,
            Self::TokenExpired(_)
            | Self::Clock { .. }
            | Self::OtherAuthority { .. }
            | Self::Replayed
            | Self::Lapsed(_) => Code::FailedPrecondition,
            Self::NameTaken => Code::AlreadyExists,
            Self::TooOften | Self::TooMany => Code::ResourceExhausted,
            Self::Certify(_) | Self::NoAuthority => Code::Internal,
            Self::State(_) | Self::Unrecorded(_) => Code::Unavailable,
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code(), refusal.to_string())
    }
}
