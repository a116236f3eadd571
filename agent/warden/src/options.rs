//! The command line. Parsed by hand: so few options are not worth a parser crate
//! in a program that is root.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use crate::lease::LeaseRange;

/// Follows a mistake; the man page has the rest.
const USAGE: &str = "usage: cofferdam-warden --ceiling FILE --agent-uid UID \
    (--listening-fd FD | --connected-fd FD) [--leases FIRST-LAST] [--cgroup PATH]";

/// The command line, checked.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) ceiling: PathBuf,
    pub(crate) agent_uid: u32,
    /// An inherited socket: connected to the agent, or one that the agent connects to.
    pub(crate) socket: RawFd,
    pub(crate) leases: LeaseRange,
    /// The cgroup to make cells in, relative to each hierarchy's mount: a unit's, where
    /// those of an earlier warden are found again, or one that nobody comes back to.
    pub(crate) cgroup: PathBuf,
}

/// A command line that means nothing.
#[derive(Debug, thiserror::Error)]
#[error("{0}\n{USAGE}")]
pub(crate) struct UsageError(String);

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, UsageError> {
        let (mut ceiling, mut agent_uid, mut socket) = (None, None, None);
        let own = format!("cofferdam-{}", std::process::id());
        let (mut leases, mut cgroup) = (LeaseRange::DEFAULT, PathBuf::from(own));
        while let Some(name) = arguments.next() {
            let name = name.to_string_lossy().into_owned();
            let value =
                arguments.next().ok_or_else(|| UsageError(format!("`{name}` needs a value")))?;
            let text = value.to_string_lossy();
            let wrong = || UsageError(format!("`{text}` is not a value for `{name}`"));
            match name.as_str() {
                "--ceiling" => ceiling = Some(PathBuf::from(&value)),
                "--agent-uid" => agent_uid = Some(text.parse().map_err(|_| wrong())?),
                // Which of them it is, the kernel knows.
                "--connected-fd" | "--listening-fd" => {
                    socket = Some(text.parse().map_err(|_| wrong())?);
                }
                "--leases" => leases = LeaseRange::parse(&text).ok_or_else(wrong)?,
                "--cgroup" => cgroup = PathBuf::from(&value),
                _ => return Err(UsageError(format!("`{name}` is not an option"))),
            }
        }
        let missing = |name: &str| UsageError(format!("`{name}` is missing"));
        Ok(Self {
            ceiling: ceiling.ok_or_else(|| missing("--ceiling"))?,
            agent_uid: agent_uid.ok_or_else(|| missing("--agent-uid"))?,
            socket: socket.ok_or_else(|| missing("--connected-fd"))?,
            leases,
            cgroup,
        })
    }
}
