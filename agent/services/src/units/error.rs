//! Why systemd's states could not be had, for the person who has to see to it.

use std::io;
use std::path::PathBuf;

/// No answer about units.
#[derive(Debug, thiserror::Error)]
pub enum UnitsError {
    /// Nobody listens, or not for us.
    #[error(
        "cannot connect to the system bus at {socket}: {source}; units can be asked for only \
         where systemd and a D-Bus daemon run (`systemctl status dbus.socket`), and where the \
         agent may reach that socket"
    )]
    Connect {
        /// Where it was looked for.
        socket: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the system bus at {socket} ended the conversation while {doing}: {source}")]
    Broken {
        /// Where the bus listens.
        socket: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It took too long.
    #[error(
        "the system bus at {socket} did not answer within {seconds} s ({doing}); the host may be \
         overloaded: try again, and look whether `systemctl` answers there"
    )]
    TooLate {
        /// Where the bus listens.
        socket: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The time limit.
        seconds: f64,
    },
    /// The bus did not let us in.
    #[error(
        "the system bus at {socket} refused to authenticate this process: it answered {answer}"
    )]
    NotAuthenticated {
        /// Where the bus listens.
        socket: PathBuf,
        /// Its line.
        answer: String,
    },
    /// An answer that is not D-Bus, not what the method gives, or larger than allowed.
    #[error("the system bus at {socket} sent what cannot be used ({doing}): {reason}")]
    Answer {
        /// Where the bus listens.
        socket: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// systemd, or the bus for it, said no.
    #[error("systemd refused {doing}: {name}: {message}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The error's name.
        name: String,
        /// What it says.
        message: String,
    },
    /// Too many patterns or states, or one that is too long or no word.
    #[error("the filter cannot be asked for: {0}")]
    Filter(String),
}
