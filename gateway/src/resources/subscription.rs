//! Subscriptions: one caller is told when what a URI names has changed.
//!
//! A file or a directory is watched by calls of `watch_files`, one after the other, each
//! decided and recorded like any; between two of them, and where nothing came in time,
//! what the file is by then is compared with what it was, so that no change stays
//! unseen. Of a run its host is asked how far its output is. What changes all the time is
//! told once a second.
//!
//! Invariants: who may not read what a URI names is told nothing of it, from the moment
//! on at which the rules say so; a token that is no more is told nothing; what one user
//! can have watched is bounded.

mod permitted;
mod seats;
mod teller;

use std::sync::Arc;
use std::time::Duration;

use cofferdam_proto::exec::v1::{Held, RunSummary};
use cofferdam_proto::file::v1::FileInfo;
use rmcp::model::ErrorData;
use serde_json::json;
use tokio::sync::watch;

use super::output::{DescribeRun, has_ended};
use super::raw::{Raw, Told};
use super::uri::{Uri, What};
use super::{call, error};
use crate::call::Origin;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::hosts::HostError;
use crate::pipeline::{ask, looked};
use crate::process::{self, handle};
use crate::tools::{StatFile, WatchFiles};
use permitted::{Not, to_read, to_watch};
pub(crate) use seats::Seats;
use seats::{Kind, Seat};
pub(crate) use teller::Teller;

/// Seconds that one call of `watch_files` waits. A seat is taken that long after its
/// subscriber has left.
const WAIT: u64 = 25;
/// After being told of a change, and between two looks at a run.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks at a run that has printed nothing for a while, at most, and between
/// two at a file that cannot be watched, at first.
const QUIET: Duration = Duration::from_secs(5);
/// Between two looks at a file that cannot be watched, at most.
const LONGEST: Duration = Duration::from_mins(1);

/// A watch for one caller.
pub(crate) struct Subscription {
    /// As its subscriber wrote it.
    text: String,
    uri: Uri,
    origin: Origin,
    seen: Seen,
    seat: Arc<Seat>,
}

/// What was there when it was last looked at.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    /// None: nothing.
    File(Option<Box<FileInfo>>),
    Run {
        /// How far standard output and error were.
        ends: [u64; 2],
        has_ended: bool,
    },
}

/// What became of looking.
enum Looked {
    Seen(Seen),
    /// It cannot be known now.
    Unknown,
    /// It is not the caller's to see any more.
    Refused,
}

impl Subscription {
    /// Subscribes whoever asks for it, where they may read what `text` names and it is
    /// there.
    pub(crate) async fn begin(
        gateway: &Arc<Gateway>,
        origin: &Origin,
        text: &str,
    ) -> Result<Self, ErrorData> {
        let begun = Self::admitted(gateway, origin, text).await;
        begun.map_err(|(fault, run_id)| error::told(&fault, &run_id, text))
    }

    async fn admitted(gateway: &Arc<Gateway>, origin: &Origin, text: &str) -> Result<Self, Not> {
        let of_request = |fault: Fault| {
            gateway.recorder().failure(origin, fault.reason(), &fault.to_string());
            (fault, origin.run_id.clone())
        };
        let uri = Uri::parse(text).map_err(|bad| of_request(bad.into()))?;
        let kind = match uri.what {
            What::File { .. } | What::Directory { .. } => Kind::File,
            What::Output { .. } => Kind::Run,
        };
        let seat = gateway.seats().take(&origin.caller.user, kind);
        let seat = Arc::new(seat.map_err(|full| of_request(full.into()))?);
        let seen = match &uri.what {
            What::File { .. } | What::Directory { .. } => {
                to_watch(gateway, origin, &uri)?;
                let seen = stat(gateway, origin, &uri).await?;
                Seen::File(Some(Box::new(seen)))
            }
            What::Output { run, .. } => {
                let arguments = json!({ "process": handle(&uri.host, run) });
                let call = call(origin, "read_process", arguments, 0, gateway.shutdown());
                let run_id = call.origin.run_id.clone();
                let described = looked::<DescribeRun>(gateway, call).await;
                let Told(summary) = described.map_err(|fault| (fault, run_id))?;
                Seen::of_run(&summary)
            }
        };
        Ok(Self { text: text.to_owned(), uri, origin: origin.clone(), seen, seat })
    }

    /// The URI as its subscriber wrote it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Tells of each change, until there is nobody to tell or nothing more to come.
    pub(crate) async fn follow(mut self, gateway: Arc<Gateway>, teller: Teller) {
        let mut rules = gateway.policies().changes();
        let mut quiet = PAUSE;
        loop {
            let looked = self.look(&gateway, &mut rules, quiet).await;
            if gateway.tokens().still(&self.origin.caller.token_id).is_err() {
                return;
            }
            match looked {
                Looked::Unknown => quiet = (quiet * 2).clamp(QUIET, LONGEST),
                // Who reads it now is told why.
                Looked::Refused => {
                    teller.updated(&self.text).await;
                    return;
                }
                Looked::Seen(seen) if seen == self.seen => quiet = (quiet * 2).min(QUIET),
                Looked::Seen(seen) => {
                    let is_over = matches!(seen, Seen::Run { has_ended: true, .. });
                    self.seen = seen;
                    if !teller.updated(&self.text).await || is_over {
                        return;
                    }
                    quiet = PAUSE;
                    tokio::time::sleep(PAUSE).await;
                }
            }
            if matches!(self.seen, Seen::Run { has_ended: true, .. }) {
                return;
            }
        }
    }

    /// Looks once more, after `quiet` or as soon as something happens.
    async fn look(
        &self,
        gateway: &Arc<Gateway>,
        rules: &mut watch::Receiver<()>,
        quiet: Duration,
    ) -> Looked {
        match &self.uri.what {
            What::Output { run, .. } => {
                tokio::time::sleep(quiet).await;
                self.look_at_run(gateway, run).await
            }
            What::File { .. } | What::Directory { .. } => {
                // What happened while nobody watched.
                let now = self.look_at_file(gateway).await;
                if !matches!(&now, Looked::Seen(seen) if *seen == self.seen) {
                    if matches!(now, Looked::Unknown) {
                        tokio::time::sleep(quiet).await;
                    }
                    return now;
                }
                if self.seen == Seen::File(None) {
                    tokio::time::sleep(quiet.max(QUIET)).await;
                    return now;
                }
                self.watch(gateway, rules).await
            }
        }
    }

    async fn look_at_run(&self, gateway: &Gateway, run: &str) -> Looked {
        let handle = handle(&self.uri.host, run);
        match process::find(gateway, &self.origin.caller, &handle).await {
            Ok(process) if to_read(gateway, &self.origin, &process).is_err() => Looked::Refused,
            Ok(process) => Looked::Seen(Seen::of_run(&process.summary)),
            Err(fault) => Looked::failed(&fault),
        }
    }

    async fn look_at_file(&self, gateway: &Arc<Gateway>) -> Looked {
        match stat(gateway, &self.origin, &self.uri).await {
            Ok(info) => Looked::Seen(Seen::File(Some(Box::new(info)))),
            Err((Fault::Host(HostError::Refused(refused)), _))
                if refused.reason == "FILE_NOT_FOUND" =>
            {
                Looked::Seen(Seen::File(None))
            }
            Err((fault, _)) => Looked::failed(&fault),
        }
    }

    /// Waits for a change of what is there; what comes of it is looked at then.
    async fn watch(&self, gateway: &Arc<Gateway>, rules: &mut watch::Receiver<()>) -> Looked {
        let mut arguments = place_of(&self.uri);
        arguments["recursive"] = json!(false);
        arguments["timeout_seconds"] = json!(WAIT);
        arguments["settle_milliseconds"] = json!(20);
        let call = call(&self.origin, "watch_files", arguments, usize::MAX, gateway.shutdown());
        let (task, seat) = (Arc::clone(gateway), Arc::clone(&self.seat));
        // The host waits to its end, whoever leaves: as long the seat is taken.
        let mut watching = tokio::spawn(async move {
            let watched = ask::<Raw<WatchFiles>>(&task, call).await;
            drop(seat);
            watched
        });
        let watched = loop {
            tokio::select! {
                watched = &mut watching => break watched,
                changed = rules.changed() => {
                    if changed.is_err() || to_watch(gateway, &self.origin, &self.uri).is_err() {
                        return Looked::Refused;
                    }
                }
            }
        };
        match watched {
            Ok(Ok(Told(told))) if told.changes.is_empty() && !told.overflow => {
                Looked::Seen(self.seen.clone())
            }
            Ok(Ok(_)) => match self.look_at_file(gateway).await {
                // Something happened that left no trace: it is told all the same.
                Looked::Seen(seen) if seen == self.seen => Looked::Seen(seen.touched()),
                looked => looked,
            },
            Ok(Err(fault)) => Looked::failed(&fault),
            Err(_) => Looked::Unknown,
        }
    }
}

impl Looked {
    /// A look that failed.
    fn failed(fault: &Fault) -> Self {
        match fault {
            // What is named is not there any more: its host or project left, or the run
            // is not kept. Or it is not the caller's any more.
            Fault::Input(_) | Fault::Refused(_) | Fault::Consent(_) => Self::Refused,
            Fault::Busy(_)
            | Fault::Unrecorded(_)
            | Fault::Undurable(_)
            | Fault::Host(_)
            | Fault::Internal(_) => Self::Unknown,
        }
    }
}

impl Seen {
    fn of_run(summary: &RunSummary) -> Self {
        let end = |held: Option<Held>| held.map_or(0, |held| held.end);
        let ends = [end(summary.stdout), end(summary.stderr)];
        Self::Run { ends, has_ended: has_ended(summary) }
    }

    /// The same as something else, so that the next look finds a change.
    fn touched(self) -> Self {
        match self {
            Self::File(Some(mut info)) => {
                info.modified_at = None;
                Self::File(Some(info))
            }
            other => other,
        }
    }
}

/// Arguments that name a file or a directory.
fn place_of(uri: &Uri) -> serde_json::Value {
    let (project, path) = match &uri.what {
        What::File { project, path, .. } | What::Directory { project, path, .. } => (project, path),
        What::Output { .. } => return json!({}),
    };
    let path = if path.is_empty() { ".".to_owned() } else { crate::tools::path_text(path) };
    json!({ "path": path, "host": uri.host, "project": project })
}

async fn stat(gateway: &Arc<Gateway>, origin: &Origin, uri: &Uri) -> Result<FileInfo, Not> {
    let call = call(origin, "stat_file", place_of(uri), usize::MAX, gateway.shutdown());
    let run_id = call.origin.run_id.clone();
    let told = ask::<Raw<StatFile>>(gateway, call).await;
    told.map(|Told(info)| info).map_err(|fault| (fault, run_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::BadInput;

    #[test]
    fn what_is_named_no_more_is_watched_no_more_and_a_host_that_is_away_is_waited_for() {
        for reason in ["UNKNOWN_HOST", "UNKNOWN_PROJECT", "UNKNOWN_PROCESS"] {
            let (field, message) = (String::new(), String::new());
            let left = Fault::Input(BadInput { reason, field, message });
            assert!(matches!(Looked::failed(&left), Looked::Refused), "{reason}");
        }
        let (host, reason) = ("a".to_owned(), String::new());
        let away = Fault::Host(HostError::Unreachable { host, reason });
        assert!(matches!(Looked::failed(&away), Looked::Unknown));
    }
}
