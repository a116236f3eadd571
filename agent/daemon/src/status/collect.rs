//! Collects a status: from a serving agent, or from what is on the disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use cofferdam_trust::{Outlook, hex};
use rustix::fs::statvfs;
use rustix::process::geteuid;
use uuid::Uuid;

use super::{
    CallerLine, CeilingFile, CellLine, Certificate, Enrolled, JournalPlace, Process, RunLine,
    Status,
};
use crate::ceiling::Current;
use crate::clock;
use crate::config::Config;
use crate::enrolment::{self, Loaded};
use crate::freeze::Freeze;
use crate::lapses;
use crate::metrics;
use crate::pipeline::Agent;
use crate::registry::Run;
use crate::remains;

/// What of a status does not change while an agent serves.
#[derive(Debug)]
pub struct About {
    config: Config,
    since: SystemTime,
}

impl About {
    /// For an agent that begins to serve now.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, since: SystemTime::now() }
    }

    /// What the agent counts and reads, as text.
    ///
    /// # Errors
    /// As [`metrics::of`].
    pub async fn metrics(&self, agent: &Agent) -> Result<String, std::fmt::Error> {
        metrics::of(agent, &self.config).await
    }

    /// What the agent does now.
    pub async fn status(&self, agent: &Agent) -> Status {
        let runs: Vec<RunLine> = agent.registry.under_way().iter().map(|run| line(run)).collect();
        let warden = agent.cells.warden();
        let cells = warden.cells().into_iter().map(|cell| CellLine {
            cell: cell.id.to_string(),
            profile: cell.profile,
            subject: cell.subject,
            workspace: cell.workspace.display().to_string(),
            since: text(cell.since),
            processes: None,
        });
        let process = Process {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            since: text(self.since),
            warden: warden.is_there().await,
        };
        let at_rest = at_rest(&self.config);
        let mut journal = at_rest.journal.clone();
        journal.problem = agent.recorder.failure().or(journal.problem);
        let mut certificate = at_rest.certificate.clone();
        let problems = [certificate.problem.take(), agent.standing.trouble()];
        let problems: Vec<String> = problems.into_iter().flatten().collect();
        certificate.problem = (!problems.is_empty()).then(|| problems.join("; "));
        Status {
            agent: Some(process),
            host: agent.name.clone(),
            certificate,
            journal,
            cells: cells.collect(),
            callers: callers(&runs),
            runs,
            ..at_rest
        }
    }
}

/// What files and cgroups say, where no agent answers.
#[must_use]
pub fn at_rest(config: &Config) -> Status {
    let cells = remains::cells().into_iter().map(|(cell, processes)| CellLine {
        cell: cell.display().to_string(),
        profile: String::new(),
        subject: String::new(),
        workspace: String::new(),
        since: String::new(),
        processes: Some(processes),
    });
    Status {
        host: enrolment::host_name(config),
        agent: None,
        silent: None,
        frozen: Freeze::of(config).check().err().map(|frozen| frozen.to_string()),
        certificate: certificate(config),
        ceiling: ceiling(&config.ceiling),
        journal: journal(config),
        cells: cells.collect(),
        runs: Vec::new(),
        callers: Vec::new(),
    }
}

fn certificate(config: &Config) -> Certificate {
    let loaded = match enrolment::load(config) {
        Ok(loaded) => loaded,
        Err(error) => {
            let problem = Some(error.to_string());
            return Certificate { problem, ..Certificate::default() };
        }
    };
    let (own, now) = (lapses::own(&loaded), SystemTime::now());
    let Loaded { identity, enrolled } = loaded;
    let membership = enrolled.as_ref().map(|(_, membership)| membership);
    let root = lapses::root(config, membership).map(|lapse| ("root", lapse));
    let list = membership.map(|membership| ("trust_list", lapses::list(membership)));
    let all = [Some(("own", own)), list, root];
    let bad = all.into_iter().flatten().filter(|(_, lapse)| lapse.outlook(now) != Outlook::Good);
    let problems: Vec<String> = bad.map(|(what, lapse)| lapses::words(what, &lapse, now)).collect();
    let enrolled = enrolled.map(|(_, membership)| Enrolled {
        authority: membership.authority.to_string(),
        address: membership.address,
        renewed: text(membership.received),
        trust_version: membership.trust.version,
        trust_ends: text(membership.trust.expires_at),
    });
    Certificate {
        name: identity.name().to_string(),
        ends: text(own.ends),
        seconds_left: own.left_seconds(now),
        root_ends: root.map(|(_, lapse)| text(lapse.ends)).unwrap_or_default(),
        enrolled,
        problem: (!problems.is_empty()).then(|| problems.join("; ")),
    }
}

fn ceiling(path: &Path) -> CeilingFile {
    let shown = path.display().to_string();
    match Current::load(path, geteuid().as_raw()) {
        Ok(current) => {
            let enrolled = current.peers.enrolled.then(|| "enrolled".to_owned());
            let peers = current.peers.gateways.iter().cloned().chain(enrolled).collect();
            CeilingFile { path: shown, digest: hex(&current.digest), peers, problem: None }
        }
        Err(error) => {
            let problem = Some(error.to_string());
            CeilingFile { path: shown, digest: String::new(), peers: Vec::new(), problem }
        }
    }
}

fn journal(config: &Config) -> JournalPlace {
    let directory = config.journal.display().to_string();
    match statvfs(&config.journal) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
            JournalPlace { directory, free_mib: Some(free), problem: None }
        }
        Err(errno) => {
            let problem = Some(format!("cannot look at it: {errno}"));
            JournalPlace { directory, free_mib: None, problem }
        }
    }
}

fn line(run: &Run) -> RunLine {
    let summary = run.summary();
    let started = summary.started_at.map(|at| at.to_string());
    RunLine {
        run_id: Uuid::from_bytes(run.id().0).to_string(),
        gateway: run.gateway().to_owned(),
        user: run.owner().1.to_owned(),
        project: summary.project,
        profile: summary.profile,
        command: summary.command,
        since: started.unwrap_or_default(),
    }
}

fn callers(runs: &[RunLine]) -> Vec<CallerLine> {
    let mut callers = BTreeMap::<(&str, &str), usize>::new();
    for run in runs {
        *callers.entry((&run.gateway, &run.user)).or_default() += 1;
    }
    let line = |((gateway, user), runs): ((&str, &str), usize)| CallerLine {
        gateway: gateway.to_owned(),
        user: user.to_owned(),
        runs,
    };
    callers.into_iter().map(line).collect()
}

/// RFC 3339.
fn text(time: SystemTime) -> String {
    clock::timestamp(time).to_string()
}
