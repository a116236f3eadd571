//! What the agent counts and what it reads when its owner asks: see README, «Metrics».
//!
//! There is no listener: an agent takes bytes of nobody but its gateways and its owner.
//! `cofferdam-agent metrics` asks at the local socket ([`crate::control`]) and prints
//! the text, for whatever collects files; where no agent answers, it tells what files
//! say ([`at_rest`]).

use std::time::SystemTime;

use cofferdam_journal::Ending;
use cofferdam_metrics::{
    Labels, Readings, Registry, Renewals, Tally, read_journal, read_lapses, registry, text,
};
use cofferdam_trust::Role;

use crate::config::Config;
use crate::freeze::Freeze;
use crate::lapses;
use crate::pipeline::Agent;
use crate::remains;

/// What was counted since the agent began.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    outcomes: Tally<1>,
    refused: Tally<1>,
    limits: Tally<1>,
    output: Tally<1>,
    renewals: Renewals,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = registry();
        let (outcomes, refused) = (Tally::new(["outcome"]), Tally::new(["reason"]));
        let (limits, output) = (Tally::new(["limit"]), Tally::new(["stream"]));
        let renewals = Renewals::default();
        outcomes.register(&mut registry, "outcomes", "Calls that were taken, by how they ended");
        let help = "Calls that were not taken, by the reason in the journal";
        refused.register(&mut registry, "calls_refused", help);
        limits.register(&mut registry, "limits_hit", "What was refused or ended at a limit");
        output.register(&mut registry, "output_bytes", "Bytes that ended runs had printed");
        renewals.register(&mut registry);
        Self { registry, outcomes, refused, limits, output, renewals }
    }
}

impl Metrics {
    /// A call ended that was taken.
    pub fn ended(&self, ending: &Ending) {
        self.outcomes.count([ending.kind()]);
        let limit = match ending {
            Ending::TimedOut { .. } => Some("wall"),
            Ending::OutOfMemory { .. } => Some("memory"),
            Ending::LimitHit { limit, .. } => Some(match limit.as_str() {
                "output" => "output",
                "file size" => "file_size",
                "idle milliseconds" => "idle",
                _ => "other",
            }),
            _ => None,
        };
        if let Some(limit) = limit {
            self.limits.count([limit]);
        }
    }

    /// A call was not taken.
    pub fn refused(&self, reason: &'static str) {
        self.refused.count([reason]);
    }

    /// A run ended that had printed so many bytes.
    pub fn printed(&self, stdout: u64, stderr: u64) {
        self.output.add(["stdout"], stdout);
        self.output.add(["stderr"], stderr);
    }

    /// Renewals of this host's certificate.
    #[must_use]
    pub fn renewals(&self) -> &Renewals {
        &self.renewals
    }
}

/// All of a serving agent's, as text.
///
/// # Errors
/// Never, as far as is known.
pub async fn of(agent: &Agent, config: &Config) -> Result<String, std::fmt::Error> {
    let mut into = Readings::default();
    into.flag("agent_up", "The agent answers its owner", true);
    let warden = agent.cells.warden();
    into.flag("warden_up", "The warden answers the agent", warden.is_there().await);
    into.size("cells", "Cells that there are, prepared ones included", warden.cells().len());
    into.size("runs", "Runs that are under way", agent.registry.under_way().len());
    // Files, directories and the journal are looked at.
    tokio::task::block_in_place(|| {
        files(config, &mut into);
        read_journal(agent.recorder.journal(), &mut into);
    });
    trust(agent, &mut into);
    text(&agent.recorder.metrics().registry, into)
}

/// What files and cgroups say of an agent that does not answer.
///
/// # Errors
/// As [`of`].
pub fn at_rest(config: &Config) -> Result<String, std::fmt::Error> {
    let mut into = Readings::default();
    into.flag("agent_up", "The agent answers its owner", false);
    into.size("cells", "Cells that there are, prepared ones included", remains::cells().len());
    files(config, &mut into);
    text(&registry(), into)
}

fn files(config: &Config, into: &mut Readings) {
    let version = ("version", env!("CARGO_PKG_VERSION").to_owned());
    let build: Labels = vec![("part", "agent".to_owned()), version];
    into.gauges("build_info", "The version that runs", [(build, 1.0)]);
    let frozen = Freeze::of(config).check().is_err();
    into.flag("frozen", "The host's owner froze it: nothing new starts", frozen);
    read_lapses(&lapses::of(config).unwrap_or_default(), SystemTime::now(), into);
}

fn trust(agent: &Agent, into: &mut Readings) {
    let trouble = agent.standing.trouble().is_some();
    into.flag("authority_trouble", "Something is wrong between host and authority", trouble);
    let Some(membership) = agent.standing.membership() else { return };
    let list = &membership.trust;
    let count = |role| list.revoked_names.iter().filter(|name| name.role() == role).count();
    let revoked = [
        ("host", count(Role::Agent)),
        ("gateway", count(Role::Gateway)),
        ("certificate", list.revoked_certificates.len()),
    ];
    let sample = |(kind, count): (&str, usize)| {
        (vec![("kind", kind.to_owned())], f64::from(u32::try_from(count).unwrap_or(u32::MAX)))
    };
    into.gauges("revoked", "What counts for nothing any more", revoked.map(sample));
    into.size("gateways", "Gateways that the authority names", list.gateways.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_counted_by_its_kind_and_a_limit_by_a_name_that_is_known() {
        let metrics = Metrics::default();
        let hit = |limit: &str| Ending::LimitHit { limit: limit.to_owned(), value: 1 };
        metrics.ended(&hit("output"));
        metrics.ended(&hit("a\"} 1\n"));
        metrics.ended(&Ending::TimedOut { limit_millis: 1 });
        metrics.refused("FROZEN");
        metrics.printed(7, 0);
        let text = text(&metrics.registry, Readings::default()).unwrap();
        for line in [
            "cofferdam_outcomes_total{outcome=\"limit_hit\"} 2",
            "cofferdam_limits_hit_total{limit=\"output\"} 1",
            "cofferdam_limits_hit_total{limit=\"other\"} 1",
            "cofferdam_limits_hit_total{limit=\"wall\"} 1",
            "cofferdam_calls_refused_total{reason=\"FROZEN\"} 1",
            "cofferdam_output_bytes_total{stream=\"stdout\"} 7",
            "cofferdam_renewals_total{outcome=\"failed\"} 0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
        }
    }
}
