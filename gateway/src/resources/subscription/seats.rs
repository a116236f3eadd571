//! How much may be watched: of each user, and of all.
//!
//! A watched file takes one of the sixteen places that a file worker has for waiting, a
//! run a question each second; so files have the smaller share, and calls of
//! `watch_files` always find room beside them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::fault::Fault;
use crate::input::BadInput;

/// Files and directories that are watched for one user.
const FILES: usize = 8;
/// Runs that are watched for one user.
const RUNS: usize = 24;
/// All that a gateway watches.
const ALL: usize = 512;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Run,
}

/// Who watches how much.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<HashMap<String, [usize; 2]>>>);

/// The right to watch one thing, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    user: String,
    kind: Kind,
}

/// There is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error(
        "you have {0} files and directories watched, which is the limit for one user; end a subscription first"
    )]
    Files(usize),
    #[error(
        "you have {0} processes watched, which is the limit for one user; end a subscription first"
    )]
    Runs(usize),
    #[error("the gateway watches {0} resources, which is its limit; try again later")]
    All(usize),
}

impl Seats {
    pub(super) fn take(&self, user: &str, kind: Kind) -> Result<Seat, Full> {
        let mut all = self.lock();
        if all.values().flatten().sum::<usize>() >= ALL {
            return Err(Full::All(ALL));
        }
        let own = all.get(user).map_or(0, |own| own[kind.index()]);
        match kind {
            Kind::File if own >= FILES => return Err(Full::Files(FILES)),
            Kind::Run if own >= RUNS => return Err(Full::Runs(RUNS)),
            Kind::File | Kind::Run => {}
        }
        all.entry(user.to_owned()).or_default()[kind.index()] += 1;
        Ok(Seat { seats: self.clone(), user: user.to_owned(), kind })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, [usize; 2]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    fn index(self) -> usize {
        match self {
            Self::File => 0,
            Self::Run => 1,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut all = self.seats.lock();
        if let Some(own) = all.get_mut(&self.user) {
            own[self.kind.index()] -= 1;
            if *own == [0, 0] {
                all.remove(&self.user);
            }
        }
    }
}

impl From<Full> for Fault {
    fn from(full: Full) -> Self {
        let (field, message) = ("uri".to_owned(), full.to_string());
        BadInput { reason: "TOO_MANY_SUBSCRIPTIONS", field, message }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_some_seats_of_each_kind_and_they_come_back() {
        let seats = Seats::default();
        let mut files: Vec<_> =
            (0..FILES).map(|_| seats.take("ann", Kind::File).unwrap()).collect();
        assert_eq!(seats.take("ann", Kind::File).unwrap_err(), Full::Files(FILES));
        let run = seats.take("ann", Kind::Run).unwrap();
        let other = seats.take("bob", Kind::File).unwrap();
        files.pop();
        drop(seats.take("ann", Kind::File).unwrap());
        drop((files, run, other));
        assert!(seats.lock().is_empty());
    }

    #[test]
    fn the_gateway_has_a_limit_over_all_users() {
        let seats = Seats::default();
        let taken: Vec<_> =
            (0..ALL).map(|user| seats.take(&user.to_string(), Kind::Run).unwrap()).collect();
        assert_eq!(seats.take("eve", Kind::Run).unwrap_err(), Full::All(ALL));
        drop(taken);
        assert!(seats.take("eve", Kind::Run).is_ok());
    }
}
