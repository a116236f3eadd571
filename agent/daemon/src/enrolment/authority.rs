//! Asking an authority, and telling what can be tried again from what is final.

use std::time::Duration;

use cofferdam_proto::join::v1::join_service_client::JoinServiceClient;
use cofferdam_proto::join::v1::{
    Credentials, EnrolRequest, RenewRequest, RenewResponse, WatchRequest, WatchResponse,
    enrol_response,
};
use cofferdam_trust::{
    AddressError, JoiningFailure, MAX_TRUST_LIST, Recognise, TlsError, connect,
    joining_client_config, joining_failure,
};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::causes;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The largest answer: a trust list, certificates, and what surrounds them.
const MAX_ANSWER: usize = MAX_TRUST_LIST + 128 * 1024;

/// An authority, from here.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    address: String,
    client: JoinServiceClient<Channel>,
}

/// Why an authority gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It cannot be reached, or cannot answer now.
    #[error("the authority at {address} does not answer now: {reason}; trying again may help")]
    Later {
        /// Where it is.
        address: String,
        /// What happened.
        reason: String,
    },
    /// Somebody else answers.
    #[error(
        "whoever answers at {0} is not the authority that this host is to join: compare `--gateway` \
         with where the join token was made, or make a new token there"
    )]
    Stranger(String),
    /// Its certificate does not count at the time that this host has.
    #[error(
        "the certificate of the authority at {address} does not count by this host's clock, which \
         says {now}: set the clock; it may be off by five minutes"
    )]
    Clock {
        /// Where it is.
        address: String,
        /// What this host takes for now.
        now: String,
    },
    /// It said no.
    #[error("the authority at {address} refuses: {message}")]
    Refused {
        /// Where it is.
        address: String,
        /// Why, and what to do.
        message: String,
    },
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// TLS cannot be set up.
    #[error("cannot set TLS up: {0}")]
    Tls(String),
}

impl From<TlsError> for AskError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error.to_string())
    }
}

impl AskError {
    /// Whether asking the same again may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Later { .. })
    }
}

/// What comes of an enrolment.
#[derive(Debug)]
pub(super) enum Enrolled {
    /// The gateway's owner has to approve; to be asked again after so long.
    Pending(Duration),
    /// The host is one.
    Certified(Box<Credentials>),
}

impl Authority {
    /// The one at `address` (HOST:PORT), recognised by `recognise`. It is connected to
    /// when it is asked.
    pub(super) fn at(address: &str, recognise: Recognise) -> Result<Self, AskError> {
        let channel = connect(address, joining_client_config(recognise)?)?;
        let client = JoinServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER);
        Ok(Self { address: address.to_owned(), client })
    }

    /// Asks for a first certificate.
    pub(super) async fn enrol(&mut self, request: EnrolRequest) -> Result<Enrolled, AskError> {
        let answered = within(self.client.enrol(request)).await;
        let answer = answered.map_err(|status| self.failed(&status))?.into_inner().answer;
        match answer {
            Some(enrol_response::Answer::Pending(pending)) => {
                let seconds = pending.retry_after_seconds.clamp(1, 300);
                Ok(Enrolled::Pending(Duration::from_secs(seconds.into())))
            }
            Some(enrol_response::Answer::Credentials(it)) => Ok(Enrolled::Certified(Box::new(it))),
            None => Err(self.nothing()),
        }
    }

    /// Asks for the next certificate.
    pub(super) async fn renew(&mut self, request: RenewRequest) -> Result<Credentials, AskError> {
        let answered = within(self.client.renew(request)).await;
        let RenewResponse { credentials } =
            answered.map_err(|status| self.failed(&status))?.into_inner();
        credentials.ok_or_else(|| self.nothing())
    }

    /// Asks to hear of trust lists.
    pub(super) async fn watch(
        &mut self,
        request: WatchRequest,
    ) -> Result<Streaming<WatchResponse>, AskError> {
        let answered = within(self.client.watch(request)).await;
        Ok(answered.map_err(|status| self.failed(&status))?.into_inner())
    }

    /// What a status means.
    pub(super) fn failed(&self, status: &Status) -> AskError {
        let address = self.address.clone();
        match joining_failure(status) {
            Some(JoiningFailure::Stranger) => return AskError::Stranger(address),
            Some(JoiningFailure::Clock) => {
                let now = crate::clock::now().to_string();
                return AskError::Clock { address, now };
            }
            None => {}
        }
        // What a stranger says is for a person to read, and bounded.
        let message: String =
            status.message().chars().filter(|it| !it.is_control()).take(1024).collect();
        match status.code() {
            Code::Unavailable
            | Code::ResourceExhausted
            | Code::Internal
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown => AskError::Later { address, reason: told(status, message) },
            _ => AskError::Refused { address, message },
        }
    }

    fn nothing(&self) -> AskError {
        let message = "it answers with nothing; it runs another version".to_owned();
        AskError::Refused { address: self.address.clone(), message }
    }
}

/// The status and what is behind it: that a connection failed says little without why.
fn told(status: &Status, message: String) -> String {
    causes::added(message, status).chars().take(1024).collect()
}

async fn within<T>(asked: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded("no answer in time"));
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(late)
}
