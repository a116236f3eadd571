//! Calls of the past: out of a gateway's journal, each as the rules would see it.
//!
//! Invariant: a call whose deciding parts the record does not have is no call
//! but the reason why; nothing is guessed.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use cofferdam_gateway::roster::with_joined;
use cofferdam_gateway::{Config, recorded_call};
use cofferdam_journal::{ApprovalStep, Body, Record, Shadow, Subject, read};
use cofferdam_policy::{Call, Decision, Difference, Effect, Host, LAYERS, RuleSet};
use jiff::Timestamp;

use super::PolicyError;
use crate::report::complain;
use crate::time::moment;

/// Which calls, and where they are recorded.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// The gateway's configuration: it tells where its journal and rules are, and has
    /// the labels of hosts and the workspaces of projects; with those that joined.
    #[arg(long, value_name = "FILE", default_value = "/etc/cofferdam/gateway.toml")]
    pub(super) config: PathBuf,
    /// The gateway's journal. Default: the configuration's.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Only calls from then on: a time (RFC 3339), or a span before now such as
    /// `7d`, `12h`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only calls before then, in the same forms.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

/// A call of the past.
pub(super) struct Past {
    /// When it was recorded.
    pub(super) time: String,
    /// Its run id.
    pub(super) run_id: String,
    /// Who asked; nobody where the record does not say it.
    pub(super) subject: Subject,
    pub(super) project: String,
    pub(super) host: String,
    pub(super) tool: String,
    /// What was decided then.
    pub(super) effect: Effect,
    /// The rules that decided then.
    pub(super) rules: Vec<String>,
    /// What the shadow rules of then would have said, where it differed.
    pub(super) shadow: Option<Shadow>,
    /// The call, or why there is none.
    pub(super) call: Result<Call, String>,
}

/// What became of the calls that were read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Lines that are no records.
    pub(super) broken: usize,
}

impl Source {
    /// Whether a journal, or a part of it, was named.
    pub(super) fn is_asked_for(&self) -> bool {
        self.journal.is_some() || self.since.is_some() || self.until.is_some()
    }

    /// The gateway's configuration, with the hosts that joined by its authority.
    pub(super) fn config(&self) -> Result<Config, PolicyError> {
        let mut config = Config::load(&self.config)?;
        config.roster = with_joined(&config)?;
        Ok(config)
    }

    /// Hands over each call that reached the rules, in the order of the journal.
    /// A broken line is told on standard error and counted.
    pub(super) fn each(
        &self,
        config: &Config,
        mut take: impl FnMut(Past),
    ) -> Result<Read, PolicyError> {
        let mut found = Read::default();
        // What people agreed to is recorded twice: when they were asked, and
        // when it was done.
        let mut asked = HashSet::new();
        for record in read(self.journal.as_ref().unwrap_or(&config.journal))? {
            match record {
                Ok(record) => {
                    if let Some(past) = self.past(config, record, &mut asked)? {
                        take(past);
                    }
                }
                Err(broken) => {
                    found.broken += 1;
                    complain(&format!("cofferdam: {broken}"));
                }
            }
        }
        Ok(found)
    }

    /// Hands over each record of that time, whatever it says; broken ones are
    /// left to [`each`](Self::each).
    pub(super) fn each_record(
        &self,
        config: &Config,
        mut take: impl FnMut(&Record),
    ) -> Result<(), PolicyError> {
        let records = read(self.journal.as_ref().unwrap_or(&config.journal))?;
        records
            .flatten()
            .filter(|record| self.is_within(&record.time))
            .for_each(|record| take(&record));
        Ok(())
    }

    /// A time that is none is told where the call is decided.
    fn is_within(&self, time: &str) -> bool {
        time.parse::<Timestamp>().map_or(true, |at| {
            self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|end| at < end)
        })
    }

    fn past(
        &self,
        config: &Config,
        record: Record,
        asked: &mut HashSet<String>,
    ) -> Result<Option<Past>, PolicyError> {
        let Record { time, body, .. } = record;
        let (call, effect, rules) = match body {
            Body::Intent(intent) if intent.gateway.is_some() => {
                return Err(PolicyError::AgentsJournal);
            }
            Body::Denial(denial) if denial.gateway.is_some() => {
                return Err(PolicyError::AgentsJournal);
            }
            Body::Intent(intent) => match intent.approval {
                Some(request) if asked.contains(&request) => return Ok(None),
                Some(_) => (intent.call, Effect::Ask, intent.rules),
                None => (intent.call, Effect::Allow, intent.rules),
            },
            Body::Denial(denial) => (denial.call, Effect::Deny, denial.rules),
            Body::Approval(approval) if approval.step == ApprovalStep::Requested => {
                asked.insert(approval.request);
                (approval.call, Effect::Ask, approval.rules)
            }
            Body::Opened(_)
            | Body::Key(_)
            | Body::Failure(_)
            | Body::Outcome(_)
            | Body::Approval(_)
            | Body::Policy(_)
            | Body::Peer(_)
            | Body::Checkpoint(_) => return Ok(None),
        };
        if !self.is_within(&time) {
            return Ok(None);
        }
        let again = match time.parse() {
            Ok(at) => recorded_call(config, &call, at).map_err(|why| why.to_string()),
            Err(error) => Err(format!("its time is none: {error}")),
        };
        Ok(Some(Past {
            time,
            run_id: call.run_id,
            subject: call.subject.unwrap_or_default(),
            project: call.project,
            host: call.host,
            tool: call.tool,
            effect,
            rules,
            shadow: call.shadow,
            call: again,
        }))
    }
}

impl Past {
    /// What `rules` say to it.
    ///
    /// # Errors
    /// It cannot be told from what is recorded.
    pub(super) fn decide(&self, rules: &RuleSet) -> Result<Decision, String> {
        let call = self.call.clone()?;
        let host = Host { layers: Some(LAYERS.map(str::to_owned).into()), ..call.host.clone() };
        let unsaid = rules.decide(call.clone());
        // The record does not tell what the host had said that it can give.
        match Difference::of(&unsaid, &rules.decide(Call { host, ..call })) {
            None => Ok(unsaid),
            Some(_) => Err("it hangs on what layers the host could give, which is not \
                            recorded"
                .to_owned()),
        }
    }

    /// `ann on web-1 in shop`.
    pub(super) fn who_where(&self) -> String {
        let user = if self.subject.user.is_empty() { "nobody" } else { &self.subject.user };
        match (&*self.host, &*self.project) {
            ("", _) => user.to_owned(),
            (host, "") => format!("{user} on {host}"),
            (host, project) => format!("{user} on {host} in {project}"),
        }
    }

    /// What was asked, in words.
    pub(super) fn action(&self) -> String {
        match &self.call {
            Ok(call) => call.action.to_string(),
            Err(_) => self.tool.clone(),
        }
    }
}
