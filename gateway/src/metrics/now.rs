//! What is read at the moment of asking: of hosts, of what lapses, of the journal, of
//! what is under way.

use std::time::{Duration, SystemTime};

use cofferdam_authority::Counts;
use cofferdam_metrics::{Labels, Readings, read_journal, read_lapses};
use cofferdam_trust::Role;

use crate::gateway::Gateway;
use crate::hosts::{Host, Reach};

/// Reads all of it. May wait for the disk.
pub(super) fn read(gateway: &Gateway) -> Readings {
    let mut into = Readings::default();
    let now = SystemTime::now();
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    let part = [("part", "gateway".to_owned())];
    let build: Labels = part.into_iter().chain(version).collect();
    into.gauges("build_info", "The version that runs", [(build, 1.0)]);
    read_lapses(&gateway.lapses(), now, &mut into);
    read_journal(gateway.recorder().journal(), &mut into);
    hosts(gateway, now, &mut into);
    authority(gateway, now, &mut into);
    into.size("calls_under_way", "Calls that hold a place", gateway.admission().under_way());
    if let Ok(waiting) = gateway.approvals().waiting_for_people() {
        into.size("approvals_waiting", "Requests that people have not answered", waiting);
    }
    let policy = gateway.policy();
    #[allow(clippy::cast_precision_loss, reason = "a journal's sequence is whole in a float")]
    into.gauge("rules_version", "Version of the rules in force", policy.version() as f64);
    into.flag(
        "rules_refused",
        "The newest rules were refused, and older ones are in force",
        gateway.policies().is_refused(),
    );
    into
}

fn of(host: &Host) -> Labels {
    named(host.name())
}

fn named(host: &str) -> Labels {
    vec![("host", host.to_owned())]
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn hosts(gateway: &Gateway, now: SystemTime, into: &mut Readings) {
    let all = gateway.hosts().all();
    let each = |value: &dyn Fn(&Host) -> f64| -> Vec<(Labels, f64)> {
        all.iter().map(|host| (of(host), value(host))).collect()
    };
    let up = |host: &Host| flag(host.state().reach == Reach::Ready);
    into.gauges("host_up", "The host answered when it was asked last", each(&up));
    let retry = |host: &Host| {
        let state = host.state();
        let is_down = !matches!(state.reach, Reach::Ready | Reach::Unknown);
        let next = state.next_at.filter(|_| is_down);
        next.and_then(|at| at.duration_since(now).ok()).map_or(0.0, |wait| wait.as_secs_f64())
    };
    let help = "Seconds until a host that does not answer is asked again; 0: it answers";
    into.gauges("host_retry_seconds", help, each(&retry));
    let drained = |host: &Host| flag(host.held_back().drained.is_some());
    into.gauges("host_drained", "The gateway's owner sends the host no runs", each(&drained));
    let frozen = |host: &Host| flag(host.held_back().frozen.is_some());
    into.gauges("host_frozen", "The gateway's owner sends the host nothing", each(&frozen));
}

fn authority(gateway: &Gateway, now: SystemTime, into: &mut Readings) {
    let Some(joining) = gateway.joining() else { return };
    let roster = joining.roster();
    let end = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let left = |seconds: u64| match end(seconds).duration_since(now) {
        Ok(left) => left.as_secs_f64(),
        Err(past) => -past.duration().as_secs_f64(),
    };
    into.gauges(
        "host_lapse_left_seconds",
        "Seconds until the certificate of a host that joined ends; negative: since then",
        roster.hosts.iter().map(|(name, it)| (named(name), left(it.certificate_ends_at).floor())),
    );
    into.gauges(
        "host_reattestations_left",
        "Certificates that a host gets still after its last one lapsed",
        roster.hosts.iter().map(|(name, it)| (named(name), f64::from(it.reattestations_left))),
    );
    into.gauges(
        "host_alarm",
        "Two seem to be this host: nothing more is certified for it",
        roster.hosts.iter().map(|(name, it)| (named(name), flag(it.alarm.is_some()))),
    );
    let count = |role| roster.revoked_names.iter().filter(|name| name.role() == role).count();
    let certificates = roster.revoked_certificates.len();
    let revoked = [
        ("host", count(Role::Agent)),
        ("gateway", count(Role::Gateway)),
        ("certificate", certificates),
    ];
    let kind = |(kind, count): (&'static str, usize)| {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        (vec![("kind", kind.to_owned())], f64::from(count))
    };
    into.gauges("revoked", "What counts for nothing any more", revoked.map(kind));
    let Counts { enrolments, renewals, watches, failures, not_renewed } = joining.counts();
    let all = [("enrol", enrolments), ("renew", renewals), ("watch", watches)];
    let samples = all.into_iter().flat_map(|(request, answers)| {
        let labels =
            |outcome: &str| vec![("request", request.to_owned()), ("outcome", outcome.to_owned())];
        [(labels("answered"), answers.answered), (labels("refused"), answers.refused)]
    });
    into.counters("join_requests", "What hosts asked of the authority", samples);
    let (renewed, last) = gateway.metrics().renewals();
    let outcome = |outcome: &str| vec![("outcome", outcome.to_owned())];
    let samples = [(outcome("succeeded"), renewed), (outcome("failed"), not_renewed)];
    into.counters("renewals", "Renewals of the own certificate", samples);
    #[allow(clippy::cast_precision_loss, reason = "seconds are whole in a float")]
    into.gauge(
        "renewal_last_success_timestamp_seconds",
        "When the own certificate was renewed last, in seconds since 1970; 0: not since the start",
        last as f64,
    );
    let help = "Times that the authority could not look after itself";
    into.counters("authority_failures", help, [(Labels::new(), failures)]);
}
