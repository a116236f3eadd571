//! `cofferdam host show`: one host, as the authority knows it.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use cofferdam_authority::{Host, Owner, Standing};
use cofferdam_gateway::approvals::visible;
use cofferdam_trust::{Lapse, Outlook, span_in_words};
use serde::Serialize;

use super::HostCommandError;
use crate::office::Place;
use crate::report::{Format, Report};
use crate::time;

const EXAMPLES: &str = "\
Before letting a host in: is the signing key the one that `cofferdam-agent enroll`
printed there?
  cofferdam host show web-1";

/// Which host.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The host's name.
    name: String,
}

/// A host in words.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Shown(pub(super) Host);

pub(super) fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, HostCommandError> {
    let state = arguments.place.open()?;
    let host = Owner::new(&state, "").host(&arguments.name)?;
    Ok(format.show(&Shown(host)))
}

impl Report for Shown {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Host {
            name,
            standing,
            alarm,
            labels: _,
            projects: _,
            address,
            signing_key,
            agent_version,
            reattested,
            invited_at,
            enrolled_at,
            certified_at,
            certificate_ends_at,
        } = &self.0;
        let moment = |at: Option<u64>| at.map(time::from_unix).unwrap_or_default();
        let or =
            |text: &Option<String>, other: &str| text.clone().unwrap_or_else(|| other.to_owned());
        let lines = [
            ("host", name.clone()),
            ("standing", standing.name().to_owned()),
            ("alarm", or(alarm, "")),
            ("address", or(address, "none: it dials out")),
            ("labels", labels(&self.0)),
            ("projects", projects(&self.0)),
            ("signs with", or(signing_key, "")),
            ("agent", agent_version.clone()),
            ("invited", time::from_unix(*invited_at)),
            ("enrolled", moment(*enrolled_at)),
            ("certified", moment(*certified_at)),
            ("until", moment(*certificate_ends_at)),
            ("left", life(&self.0).unwrap_or_default()),
        ];
        for (key, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
            writeln!(out, "{key:>10}  {}", visible(value))?;
        }
        if *reattested > 0 {
            writeln!(out, "{:>10}  {reattested} certificates in a row came too late", "")?;
        }
        Ok(())
    }
}

/// What is left of its certificate, loudly where it is not renewed in time.
pub(super) fn life(host: &Host) -> Option<String> {
    let (begins, ends) = (moment_of(host.certified_at?), moment_of(host.certificate_ends_at?));
    let (lapse, now) = (Lapse { begins, ends, by_itself: true }, SystemTime::now());
    let words = lapse.in_words(now);
    Some(match (host.standing, lapse.outlook(now)) {
        (Standing::Revoked, _) => "revoked".to_owned(),
        (_, Outlook::Good) => words,
        (_, Outlook::Soon) => format!("{words}, NOT RENEWED"),
        (_, Outlook::Over) => words.to_uppercase(),
    })
}

/// How long ago it was certified last.
pub(super) fn renewed(host: &Host) -> String {
    let at = host.certified_at.map(moment_of);
    let since = at.and_then(|at| SystemTime::now().duration_since(at).ok());
    since.map(|since| format!("{} ago", span_in_words(since))).unwrap_or_default()
}

fn moment_of(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

/// `role=web,stage=production`.
pub(super) fn labels(host: &Host) -> String {
    let all = host.labels.iter().map(|(key, value)| format!("{key}={value}"));
    all.collect::<Vec<_>>().join(",")
}

/// `website,tools=/srv/tools`.
pub(super) fn projects(host: &Host) -> String {
    let all = host.projects.iter().map(|project| match &project.workspace {
        Some(workspace) => format!("{}={}", project.name, workspace.display()),
        None => project.name.clone(),
    });
    all.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(certified: i64, ends: i64, standing: Standing) -> Host {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let at = |offset: i64| Some(now.saturating_add_signed(offset));
        Host {
            name: "web-1".to_owned(),
            standing,
            alarm: None,
            labels: std::collections::BTreeMap::default(),
            projects: Vec::new(),
            address: None,
            signing_key: None,
            agent_version: String::new(),
            reattested: 0,
            invited_at: 0,
            enrolled_at: None,
            certified_at: at(certified),
            certificate_ends_at: at(ends),
        }
    }

    #[test]
    fn what_is_left_of_a_certificate_is_told_and_loudly_where_it_is_not_renewed() {
        let life = |certified, ends, standing| life(&host(certified, ends, standing)).unwrap();
        assert!(life(-600, 3000, Standing::Joined).ends_with(" min"));
        assert!(life(-3000, 600, Standing::Joined).ends_with(", NOT RENEWED"));
        assert!(life(-9000, -5400, Standing::Joined).starts_with("ENDED "));
        assert_eq!(life(-600, 3000, Standing::Revoked), "revoked");
        assert_eq!(renewed(&host(-600, 3000, Standing::Joined)), "10 min ago");
    }
}
