//! The runs of a person's own, on one host or on all of them.
//!
//! A host that does not answer is told of and keeps nothing else from being shown.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::link::{Again, Link, LinkError};
use super::start::{Place, place_arguments};

/// Pages of one host, at most: 200 runs each.
const MOST_PAGES: usize = 50;

/// Runs, and hosts that did not tell theirs.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The newest first.
    pub(crate) runs: Vec<Run>,
    /// Who did not answer, and why.
    pub(crate) failures: Vec<(String, String)>,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// Its handle.
    pub(crate) process: String,
    /// What `list_processes` says of it, with its host and project.
    pub(crate) view: Value,
}

/// Which runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that run.
    Running,
    /// Those that ended and are kept, too.
    All,
}

impl Which {
    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Running => Self::All,
            Self::All => Self::Running,
        }
    }
}

impl Listing {
    /// Asks the host that `place` names, or all hosts.
    pub(crate) async fn fetch(link: &Link, place: &Place, which: Which) -> Result<Self, LinkError> {
        let mut listing = Self::default();
        for asked in places(link, place, &mut listing).await? {
            match of_place(link, &asked, which).await {
                Ok(runs) => listing.runs.extend(runs),
                // What is wrong with the question is wrong everywhere.
                Err(error) if place.host.is_some() || place.within.session.is_some() => {
                    return Err(error);
                }
                Err(error @ LinkError::Refused { .. }) => {
                    let host = asked.get("host").and_then(Value::as_str).unwrap_or("the host");
                    listing.failures.push((host.to_owned(), error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        listing.runs.sort_by(|a, b| {
            b.started_at().cmp(&a.started_at()).then_with(|| a.process.cmp(&b.process))
        });
        Ok(listing)
    }
}

/// The questions to ask: one for each host and project.
async fn places(
    link: &Link,
    place: &Place,
    listing: &mut Listing,
) -> Result<Vec<Map<String, Value>>, LinkError> {
    let given = place_arguments(place);
    if place.host.is_some() || place.within.session.is_some() {
        return Ok(vec![given]);
    }
    let hosts = match link.call("list_hosts", &json!({}), Again::Safe).await {
        Ok(hosts) => hosts,
        // Rules need not tell hosts; the default one can be asked all the same.
        Err(LinkError::Refused { reason, .. }) if reason == "DENIED" => return Ok(vec![given]),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    for host in hosts["hosts"].as_array().into_iter().flatten() {
        let name = host["name"].as_str().unwrap_or_default();
        if host["state"] != "ready" {
            let why = host["detail"].as_str().or(host["state"].as_str()).unwrap_or("not ready");
            listing.failures.push((name.to_owned(), why.to_owned()));
            continue;
        }
        let projects = host["projects"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let wanted =
            |project: &&str| place.within.project.as_deref().is_none_or(|it| it == *project);
        for project in projects.filter(wanted).collect::<BTreeSet<_>>() {
            all.extend(json!({ "host": name, "project": project }).as_object().cloned());
        }
    }
    Ok(all)
}

async fn of_place(
    link: &Link,
    place: &Map<String, Value>,
    which: Which,
) -> Result<Vec<Run>, LinkError> {
    let mut arguments = Value::Object(place.clone());
    arguments["page_size"] = 200.into();
    if which == Which::Running {
        arguments["state"] = "running".into();
    }
    let mut runs = Vec::new();
    for _ in 0..MOST_PAGES {
        let answer = link.call("list_processes", &arguments, Again::Safe).await?;
        for view in answer["processes"].as_array().into_iter().flatten() {
            let mut view = view.clone();
            view["host"] = answer["host"].clone();
            view["project"] = answer["project"].clone();
            let process = view["process"].as_str().unwrap_or_default().to_owned();
            runs.push(Run { process, view });
        }
        match answer["next_page"].as_str() {
            Some(next) => arguments["page"] = next.into(),
            None => break,
        }
    }
    Ok(runs)
}

impl Run {
    /// A text that is told of it; empty: none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.view[key].as_str().unwrap_or_default()
    }

    /// When it started.
    fn started_at(&self) -> Option<Timestamp> {
        self.text("started_at").parse().ok()
    }

    /// Seconds since it started, or how long it took.
    pub(crate) fn age(&self, now: Timestamp) -> Option<i64> {
        let until = self.text("ended_at").parse().unwrap_or(now);
        self.started_at().map(|started| until.as_second() - started.as_second())
    }

    /// Milliseconds of processor time.
    pub(crate) fn cpu_ms(&self) -> Option<u64> {
        let usage = &self.view["usage"];
        Some(usage["cpu_user_ms"].as_u64()?.saturating_add(usage["cpu_system_ms"].as_u64()?))
    }

    /// Bytes of memory: what it has, or the most it had.
    pub(crate) fn memory(&self) -> Option<u64> {
        let most = || self.view["usage"]["peak_memory_bytes"].as_u64().filter(|bytes| *bytes > 0);
        self.view["memory_bytes"].as_u64().or_else(most)
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.text("state") == "ended"
    }

    /// Whether it ended otherwise than with exit code 0.
    pub(crate) fn has_failed(&self) -> bool {
        let outcome = &self.view["outcome"];
        self.has_ended() && !(outcome["kind"] == "exited" && outcome["code"] == 0)
    }

    /// `running`, `exited 3`, `SIGKILL`, `timed out`.
    pub(crate) fn state_in_words(&self) -> String {
        let outcome = &self.view["outcome"];
        match outcome["kind"].as_str() {
            _ if !self.has_ended() => self.text("state").to_owned(),
            Some("exited") => format!("exited {}", outcome["code"]),
            Some("signalled") => outcome["signal"].as_str().unwrap_or("signalled").to_owned(),
            Some(kind) => kind.replace('_', " "),
            None => "ended".to_owned(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run as `list_processes` tells it.
    pub(crate) fn run(view: Value) -> Run {
        Run { process: view["process"].as_str().unwrap_or_default().to_owned(), view }
    }

    #[test]
    fn what_is_told_of_a_run_is_put_in_few_words() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let of = |outcome: Value| {
            run(json!({ "state": "ended", "started_at": "2026-01-01T00:00:00Z",
                        "ended_at": "2026-01-01T00:00:07Z", "outcome": outcome }))
        };
        let failed = of(json!({ "kind": "exited", "code": 3 }));
        assert_eq!((failed.state_in_words().as_str(), failed.age(now)), ("exited 3", Some(7)));
        assert!(failed.has_failed());
        assert!(!of(json!({ "kind": "exited", "code": 0 })).has_failed());
        let killed = of(json!({ "kind": "signalled", "signal": "SIGKILL" }));
        assert_eq!(killed.state_in_words(), "SIGKILL");
        assert_eq!(of(json!({ "kind": "timed_out" })).state_in_words(), "timed out");
        let running = run(json!({ "state": "running", "started_at": "2026-01-01T00:00:00Z",
            "usage": { "cpu_user_ms": 5, "cpu_system_ms": 6, "peak_memory_bytes": 9 },
            "memory_bytes": 7 }));
        assert_eq!((running.age(now), running.cpu_ms()), (Some(60), Some(11)));
        assert_eq!((running.memory(), running.state_in_words().as_str()), (Some(7), "running"));
    }
}
