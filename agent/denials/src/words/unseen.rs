//! Why a host's denials cannot be seen.

/// Why nothing, or not all, is told of what was refused. Goes into the outcome
/// instead of denials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unseen {
    /// No warden that is root.
    #[error("denials cannot be seen: without root nobody may read the kernel's audit records")]
    Rootless,
    /// The warden could not open the socket.
    #[error("denials cannot be seen: the kernel has no audit, or the warden lacks CAP_AUDIT_READ")]
    NoAudit,
    /// `enabled` is 0.
    #[error(
        "denials cannot be seen: audit is off on this host; its owner can switch it on (`auditctl -e 1`)"
    )]
    Off,
    /// `failure` is 2.
    #[error(
        "denials cannot be seen: audit is set to panic when a record is lost (`auditctl -f 1` changes it)"
    )]
    WouldPanic,
    /// Before Linux 6.15.
    #[error("denials by Landlock cannot be seen: the kernel tells them from Linux 6.15 on")]
    OldKernel,
}
