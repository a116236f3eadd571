//! How many descriptors this process may have open, and how many connections that
//! leaves room for.
//!
//! Each connection is a descriptor, and so are hosts, databases and the journal's
//! files: those must never lack one because strangers hold them all. Called once,
//! before the socket is bound. Source: getrlimit(2).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything but connections: hosts, databases, journal, names.
const OWN: usize = 256;

/// The fewest connections that are worth a start.
const FEWEST: usize = 64;

/// The process may have too few descriptors open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may have {limit} descriptors open, and needs {least}; raise the limit \
     (`LimitNOFILE=` in its unit, `ulimit -Hn` in a shell)"
)]
pub struct TooFewDescriptors {
    /// The hard limit.
    pub limit: usize,
    /// What is needed at least.
    pub least: usize,
}

/// Raises the limit as far as it may be, and gives how many connections may be
/// open: at most `wanted`, beside those that are set aside for hosts.
pub(crate) fn room_for(wanted: usize, hosts: usize) -> Result<usize, TooFewDescriptors> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    if current != maximum && setrlimit(Resource::Nofile, raised).is_err() {
        tracing::warn!(?current, ?maximum, "the limit of open descriptors cannot be raised");
    }
    // `None` is no limit.
    let limit = getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let room = within(limit, wanted, OWN.saturating_add(hosts))?;
    if room < wanted {
        tracing::warn!(limit, wanted, room, "fewer connections than configured are taken");
    }
    Ok(room)
}

/// How many connections fit beside `own` descriptors.
fn within(limit: usize, wanted: usize, own: usize) -> Result<usize, TooFewDescriptors> {
    let least = own.saturating_add(FEWEST.min(wanted));
    if limit < least {
        return Err(TooFewDescriptors { limit, least });
    }
    Ok(wanted.min(limit - own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_gateway_its_own_descriptors() {
        assert_eq!(within(1024, 4096, OWN), Ok(768));
        assert_eq!(within(524_288, 4096, OWN), Ok(4096));
        assert_eq!(within(usize::MAX, 4096, OWN), Ok(4096));
        assert_eq!(within(257, 1, OWN), Ok(1));
    }

    #[test]
    fn with_too_few_descriptors_it_does_not_start_and_says_how_many_it_needs() {
        let refused = within(319, 4096, OWN).unwrap_err();
        assert_eq!(refused, TooFewDescriptors { limit: 319, least: 320 });
        assert!(refused.to_string().contains("LimitNOFILE"), "{refused}");
        assert!(within(256, 1, OWN).is_err());
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        assert!(room_for(64, 0).is_ok());
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
    }
}
