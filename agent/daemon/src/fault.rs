//! Every way a call can fail, and its face outside: one gRPC status with a
//! stable reason, the rule that decided, and the field that is wrong.
//!
//! The only file that maps errors to statuses.

use std::collections::HashMap;

use cofferdam_ceiling::LoadError;
use cofferdam_journal::AppendError;
use cofferdam_proto::file::v1::{FileError, FileErrorKind};
use cofferdam_proto::intent::v1::SignedReceipt;
use cofferdam_trust::PolicyVersionError;
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::cap::{CapError, NetworkError};
use crate::ceiling::{CallerError, PolicyError};
use crate::cell::{BuildError, StartError};
use crate::enrolment::TakeError;
use crate::freeze::Frozen;
use crate::input::InputError;
use crate::intent::IntentError;
use crate::peers::PeerError;
use crate::pipeline::TransferError;
use crate::planner::PlanError;
use crate::record::Unrecorded;
use crate::registry::{RegistryError, SteerError};
use crate::replay::ReplayError;
use crate::services::ReadError;
use crate::validate::InvalidField;
use crate::warden::WardenError;

/// The domain of every reason.
const DOMAIN: &str = "cofferdam";
/// Where a failed call's receipt travels, encoded.
pub const RECEIPT_METADATA: &str = "cofferdam-receipt-bin";

/// A call that the agent could not or would not carry out.
#[derive(Debug, Clone)]
pub struct Fault(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: Code,
    reason: &'static str,
    message: String,
    /// The ceiling's key that decided.
    rule: &'static str,
    /// The request's field that is wrong.
    field: String,
    /// Bytes that are there of an upload which broke off.
    kept: Option<u64>,
    receipt: Option<SignedReceipt>,
}

impl Fault {
    fn new(code: Code, reason: &'static str, error: &(impl ToString + ?Sized)) -> Self {
        let message = error.to_string();
        let (rule, field, kept, receipt) = ("", String::new(), None, None);
        Self(Box::new(Parts { code, reason, message, rule, field, kept, receipt }))
    }

    /// The same, with the ceiling's key that decided.
    fn by(mut self, rule: &'static str) -> Self {
        self.0.rule = rule;
        self
    }

    /// The same, with the request's field that is wrong.
    fn at(mut self, field: String) -> Self {
        self.0.field = field;
        self
    }

    /// The same, with the receipt for what was recorded.
    #[must_use]
    pub fn with_receipt(mut self, receipt: Option<SignedReceipt>) -> Self {
        self.0.receipt = receipt;
        self
    }

    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.0.reason
    }

    /// In words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The ceiling's key that decided; empty where none did.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.0.rule
    }

    /// Whether this is somebody's decision rather than a mishap.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        matches!(self.0.code, Code::PermissionDenied | Code::Unauthenticated)
    }

    /// As gRPC says it.
    #[must_use]
    pub fn into_status(self) -> Status {
        let Parts { code, reason, message, rule, field, kept, receipt } = *self.0;
        let mut details = ErrorDetails::new();
        let mut metadata = HashMap::new();
        if !rule.is_empty() {
            metadata.insert("rule".to_owned(), rule.to_owned());
        }
        if let Some(kept) = kept {
            metadata.insert("kept".to_owned(), kept.to_string());
        }
        details.set_error_info(reason, DOMAIN, metadata);
        if !field.is_empty() {
            details.add_bad_request_violation(field, message.clone());
        }
        let mut status = Status::with_error_details(code, message, details);
        if let Some(receipt) = receipt {
            let value = MetadataValue::from_bytes(&receipt.encode_to_vec());
            status.metadata_mut().insert_bin(RECEIPT_METADATA, value);
        }
        status
    }
}

impl From<LoadError> for Fault {
    fn from(error: LoadError) -> Self {
        Self::new(Code::FailedPrecondition, "CEILING_UNUSABLE", &error)
    }
}

impl From<Frozen> for Fault {
    fn from(error: Frozen) -> Self {
        Self::new(Code::FailedPrecondition, "HOST_FROZEN", &error)
    }
}

impl From<PeerError> for Fault {
    fn from(error: PeerError) -> Self {
        let (code, reason) = match error {
            PeerError::Anonymous => (Code::Unauthenticated, "PEER_ANONYMOUS"),
            PeerError::Expired(_) => (Code::Unauthenticated, "CERTIFICATE_EXPIRED"),
            PeerError::Lapsed(_) => (Code::Unavailable, "CERTIFICATE_LAPSED"),
            PeerError::Revoked(_) => (Code::PermissionDenied, "PEER_REVOKED"),
            PeerError::NotAGateway(_) => (Code::PermissionDenied, "PEER_NOT_A_GATEWAY"),
            PeerError::NotAllowed(_) => {
                let fault = Self::new(Code::PermissionDenied, "PEER_NOT_ALLOWED", &error);
                return fault.by("ceiling.peers.gateways");
            }
        };
        Self::new(code, reason, &error)
    }
}

impl From<TakeError> for Fault {
    fn from(error: TakeError) -> Self {
        let (code, reason) = match error {
            TakeError::NotEnrolled => (Code::FailedPrecondition, "NOT_ENROLLED"),
            TakeError::Rollback(..) => (Code::FailedPrecondition, "TRUST_LIST_OLD"),
            TakeError::List(_) | TakeError::Domain(_) => {
                (Code::PermissionDenied, "TRUST_LIST_NOT_BELIEVED")
            }
            TakeError::Identity(_) | TakeError::Tls(_) => (Code::InvalidArgument, "TRUST_LIST"),
        };
        Self::new(code, reason, &error)
    }
}

impl From<IntentError> for Fault {
    fn from(error: IntentError) -> Self {
        let (code, reason) = match error {
            IntentError::Missing => (Code::InvalidArgument, "INTENT_MISSING"),
            IntentError::Field { .. } => (Code::InvalidArgument, "INTENT_MALFORMED"),
            IntentError::Signature(_) => (Code::PermissionDenied, "INTENT_SIGNATURE"),
            IntentError::OtherHost { .. } => (Code::PermissionDenied, "INTENT_OTHER_HOST"),
            IntentError::OtherGateway { .. } => (Code::PermissionDenied, "INTENT_OTHER_GATEWAY"),
            IntentError::Time(_) => (Code::PermissionDenied, "INTENT_TIME"),
            IntentError::OtherAction => (Code::PermissionDenied, "INTENT_OTHER_ACTION"),
        };
        let field = match &error {
            IntentError::Missing => "intent".to_owned(),
            IntentError::Field { field, .. } => format!("intent.{field}"),
            _ => String::new(),
        };
        Self::new(code, reason, &error).at(field)
    }
}

impl From<ReplayError> for Fault {
    fn from(error: ReplayError) -> Self {
        let (code, reason) = match error {
            ReplayError::SameRun => (Code::AlreadyExists, "RUN_EXISTS"),
            ReplayError::OtherAction => (Code::AlreadyExists, "RUN_ID_USED"),
            ReplayError::Nonce => (Code::PermissionDenied, "INTENT_REPLAYED"),
            ReplayError::Full => (Code::ResourceExhausted, "TOO_MANY_INTENTS"),
        };
        Self::new(code, reason, &error)
    }
}

impl From<CallerError> for Fault {
    fn from(error: CallerError) -> Self {
        let rule = match error {
            CallerError::Denied { .. } => "ceiling.callers.deny_users",
            CallerError::Unknown { .. } | CallerError::Nobody => "ceiling.callers",
            CallerError::Tenant { .. } => "ceiling.callers.tenants",
        };
        Self::new(Code::PermissionDenied, "CALLER_NOT_ALLOWED", &error).by(rule)
    }
}

impl From<PolicyError> for Fault {
    fn from(error: PolicyError) -> Self {
        let (reason, rule) = match error {
            PolicyError::Unsigned => ("POLICY_UNSIGNED", "ceiling.policy.require_signed"),
            PolicyError::Signature(_) => ("POLICY_SIGNATURE", "ceiling.policy.keys"),
            PolicyError::OtherRules => ("POLICY_SIGNATURE", "ceiling.policy.require_signed"),
            PolicyError::Old { .. } => ("POLICY_TOO_OLD", "ceiling.policy.minimum_version"),
        };
        Self::new(Code::PermissionDenied, reason, &error).by(rule)
    }
}

impl From<PolicyVersionError> for Fault {
    fn from(error: PolicyVersionError) -> Self {
        let (code, reason) = match error {
            PolicyVersionError::Rollback { .. } => (Code::PermissionDenied, "POLICY_TOO_OLD"),
            PolicyVersionError::Reused(_) => (Code::PermissionDenied, "POLICY_VERSION_REUSED"),
            PolicyVersionError::File { .. } => (Code::Unavailable, "POLICY_VERSION_UNKNOWN"),
        };
        Self::new(code, reason, &error).by("ceiling.policy.require_signed")
    }
}

impl From<CapError> for Fault {
    fn from(error: CapError) -> Self {
        let rule = error.rule();
        let (code, reason) = match error {
            CapError::UnknownProfile { .. } => (Code::PermissionDenied, "PROFILE_UNKNOWN"),
            CapError::WorkspacePath { .. }
            | CapError::Access
            | CapError::Program(_)
            | CapError::TooManyPrograms(_)
            | CapError::Network(NetworkError::Destination { .. } | NetworkError::TooMany(..)) => {
                (Code::InvalidArgument, "GRANT_MALFORMED")
            }
            CapError::Network(NetworkError::Ceiling { .. }) => {
                (Code::FailedPrecondition, "CEILING_INVALID")
            }
            CapError::Layer(_) => (Code::FailedPrecondition, "LAYER_UNKNOWN"),
            CapError::ReadOnly(_) => (Code::PermissionDenied, "WORKSPACE_READ_ONLY"),
            CapError::Profile(_)
            | CapError::Workspace { .. }
            | CapError::NoProgram
            | CapError::Limit(_) => (Code::PermissionDenied, "ABOVE_CEILING"),
        };
        Self::new(code, reason, &error).by(rule)
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        let (code, reason) = match error {
            ReadError::Ceiling(_) => (Code::PermissionDenied, "ABOVE_CEILING"),
            ReadError::Alias { .. } => (Code::FailedPrecondition, "UNIT_ALIAS"),
            ReadError::Busy => (Code::ResourceExhausted, "TOO_MANY_READERS"),
            ReadError::Late => (Code::DeadlineExceeded, "SERVICES_LATE"),
            ReadError::Vanished(_) => (Code::Internal, "SERVICES_FAILED"),
            ReadError::Units(_) => (Code::Unavailable, "UNITS_UNREADABLE"),
            ReadError::Journal(_) => (Code::FailedPrecondition, "UNIT_JOURNAL_UNREADABLE"),
        };
        Self::new(code, reason, &error).by(error.rule())
    }
}

impl From<InvalidField> for Fault {
    fn from(error: InvalidField) -> Self {
        Self::new(Code::InvalidArgument, "INVALID_FIELD", &error).at(error.path)
    }
}

impl From<AppendError> for Fault {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::TooLong(_) => Self::new(Code::InvalidArgument, "RECORD_TOO_LONG", &error),
            AppendError::Failed(_) | AppendError::Closed | AppendError::Unwritable(_) => {
                Self::new(Code::Unavailable, "JOURNAL_UNAVAILABLE", &error)
            }
        }
    }
}

impl From<Unrecorded> for Fault {
    fn from(error: Unrecorded) -> Self {
        Self::new(Code::Unavailable, "OUTCOME_LOST", &error)
    }
}

impl From<RegistryError> for Fault {
    fn from(error: RegistryError) -> Self {
        let rule = match error {
            RegistryError::Crowded(_) => "ceiling.limits.runs",
            RegistryError::CrowdedByUser(_) => "ceiling.limits.runs_per_user",
            _ => "",
        };
        let (code, reason) = match error {
            RegistryError::OtherAction => (Code::AlreadyExists, "RUN_ID_USED"),
            RegistryError::Unknown => (Code::NotFound, "RUN_UNKNOWN"),
            RegistryError::Busy(_)
            | RegistryError::Crowded(_)
            | RegistryError::CrowdedByUser(_) => (Code::ResourceExhausted, "TOO_MANY_RUNS"),
            RegistryError::SessionClosed => (Code::FailedPrecondition, "SESSION_CLOSED"),
            RegistryError::Stopping => (Code::Unavailable, "AGENT_STOPPING"),
        };
        Self::new(code, reason, &error).by(rule)
    }
}

impl From<InputError> for Fault {
    fn from(error: InputError) -> Self {
        let (code, reason) = match error {
            InputError::Closed => (Code::FailedPrecondition, "INPUT_CLOSED"),
            InputError::Ended => (Code::FailedPrecondition, "INPUT_ENDED"),
            InputError::Broken => (Code::FailedPrecondition, "INPUT_BROKEN"),
            InputError::Ahead { .. } => (Code::OutOfRange, "INPUT_AHEAD"),
        };
        Self::new(code, reason, &error)
    }
}

impl From<SteerError> for Fault {
    fn from(error: SteerError) -> Self {
        let (code, reason) = match error {
            SteerError::Starting => (Code::FailedPrecondition, "RUN_STARTING"),
            SteerError::Ended => (Code::FailedPrecondition, "RUN_ENDED"),
            SteerError::NoTerminal => (Code::FailedPrecondition, "NO_TERMINAL"),
            SteerError::Terminal(_) => (Code::Internal, "TERMINAL_FAILED"),
            SteerError::Busy => (Code::ResourceExhausted, "TOO_MANY_SIGNALS"),
        };
        Self::new(code, reason, &error)
    }
}

impl From<PlanError> for Fault {
    fn from(error: PlanError) -> Self {
        let rule = match error {
            PlanError::Worker(_) => "ceiling.programs.execute",
            PlanError::Filter(_) | PlanError::TooMany { .. } | PlanError::Programs(_) => "",
        };
        Self::new(Code::FailedPrecondition, "NO_PLAN", &error).by(rule)
    }
}

impl From<BuildError> for Fault {
    fn from(error: BuildError) -> Self {
        let (code, reason) = match error {
            BuildError::Warden(WardenError::Refused { .. }) => {
                (Code::FailedPrecondition, "WARDEN_REFUSED")
            }
            BuildError::Warden(_) => (Code::Unavailable, "WARDEN_UNAVAILABLE"),
            BuildError::TooMany(_) => {
                let fault = Self::new(Code::ResourceExhausted, "TOO_MANY_CELLS", &error);
                return fault.by("ceiling.limits.cells_per_user");
            }
            BuildError::Weaker { .. } => (Code::FailedPrecondition, "LAYER_WEAKER"),
            BuildError::Failed { .. } | BuildError::Sockets(_) | BuildError::SocketsUnseen(_) => {
                (Code::FailedPrecondition, "CELL_NOT_BUILT")
            }
            BuildError::Socket(_) | BuildError::Vanished | BuildError::Late => {
                (Code::Internal, "CELL_NOT_BUILT")
            }
        };
        Self::new(code, reason, &error)
    }
}

impl From<StartError> for Fault {
    fn from(error: StartError) -> Self {
        Self::new(Code::Internal, "WORKER_NOT_STARTED", &error)
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        let (code, reason) = match error.kind() {
            FileErrorKind::NotFound => (Code::NotFound, "FILE_NOT_FOUND"),
            FileErrorKind::PermissionDenied => (Code::PermissionDenied, "FILE_PERMISSION_DENIED"),
            FileErrorKind::WrongKind => (Code::FailedPrecondition, "FILE_WRONG_KIND"),
            FileErrorKind::PreconditionFailed => (Code::Aborted, "FILE_PRECONDITION_FAILED"),
            FileErrorKind::Unmatched => (Code::FailedPrecondition, "FILE_EDIT_UNMATCHED"),
            FileErrorKind::TooLarge => (Code::OutOfRange, "FILE_TOO_LARGE"),
            FileErrorKind::NoSpace => (Code::ResourceExhausted, "FILE_NO_SPACE"),
            FileErrorKind::Invalid => (Code::InvalidArgument, "FILE_INVALID"),
            FileErrorKind::Io | FileErrorKind::Unspecified => (Code::Internal, "FILE_IO"),
        };
        Self::new(code, reason, &error.message)
    }
}

impl From<TransferError> for Fault {
    fn from(error: TransferError) -> Self {
        let (code, reason) = match error {
            TransferError::Above { .. } => {
                let fault = Self::new(Code::OutOfRange, "FILE_TOO_LARGE", &error);
                return fault.by("ceiling.limits.file_size");
            }
            TransferError::Incomplete { kept, .. } => {
                let mut fault = Self::new(Code::Aborted, "UPLOAD_INCOMPLETE", &error);
                fault.0.kept = Some(kept);
                return fault;
            }
            TransferError::Part(_) => (Code::InvalidArgument, "INVALID_PART"),
            TransferError::Stalled => (Code::DeadlineExceeded, "TRANSFER_STALLED"),
            TransferError::Late(_) => (Code::DeadlineExceeded, "TRANSFER_LATE"),
        };
        Self::new(code, reason, &error)
    }
}

/// The worker ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the file worker gave no answer: {0}")]
pub struct NoAnswer(pub String);

impl From<std::io::Error> for NoAnswer {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<NoAnswer> for Fault {
    fn from(error: NoAnswer) -> Self {
        Self::new(Code::Internal, "WORKER_FAILED", &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_carries_reason_rule_and_field() {
        let denied = Fault::from(CapError::Profile("root".to_owned())).into_status();
        assert_eq!(denied.code(), Code::PermissionDenied);
        let info = denied.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("ABOVE_CEILING", "cofferdam"));
        assert_eq!(info.metadata["rule"], "ceiling.profiles.allow");
        let field = InvalidField { path: "command.program".to_owned(), problem: "is empty".into() };
        let invalid = Fault::from(field).into_status();
        assert_eq!(invalid.code(), Code::InvalidArgument);
        let violations = invalid.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "command.program");
    }

    #[test]
    fn a_receipt_travels_with_a_failure() {
        let receipt = SignedReceipt { key_id: "k".to_owned(), ..SignedReceipt::default() };
        let fault = Fault::from(NoAnswer("it died".to_owned())).with_receipt(Some(receipt.clone()));
        let status = fault.into_status();
        let bytes = status.metadata().get_bin(RECEIPT_METADATA).unwrap().to_bytes().unwrap();
        assert_eq!(SignedReceipt::decode(bytes).unwrap(), receipt);
    }
}
