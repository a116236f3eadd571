//! How long rules take to be read and to decide, by kinds of rule sets with ten
//! thousand rules each; `make bench-policy` runs it.
//!
//! Machines differ, so a decision is told as a share of the time that looking at
//! every rule takes, in the same run. The targets are absolute: half of all
//! decisions within 5 microseconds, reading within 200 milliseconds. A release
//! build fails where one is missed.

#[path = "decide/policies.rs"]
mod policies;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cofferdam_policy::{Call, Decision, RuleSet};
use policies::Policy;

const RULES: usize = 10_000;
const MOST_DECISION: Duration = Duration::from_micros(5);
const MOST_READING: Duration = Duration::from_millis(200);

/// What was measured of one policy.
struct Measured {
    reading: Duration,
    /// Of deciding, each call as often as the others.
    half: Duration,
    late: Duration,
    scan: Duration,
}

fn main() -> ExitCode {
    let release = !cfg!(debug_assertions);
    let rounds = if release { 2_000 } else { 5 };
    println!("{RULES} rules           reading   decision  1 of 100   all rules   ratio");
    let mut missed = false;
    for policy in policies::all(RULES) {
        let Measured { reading, half, late, scan } = match measure(&policy, rounds) {
            Ok(measured) => measured,
            Err(message) => {
                eprintln!("{}: {message}", policy.name);
                return ExitCode::FAILURE;
            }
        };
        println!(
            "{:14} {:>9.1} ms {:>7.2} us {:>6.2} us {:>8.1} us {:>6.1}%",
            policy.name,
            micros(reading) / 1000.0,
            micros(half),
            micros(late),
            micros(scan),
            100.0 * half.as_secs_f64() / scan.as_secs_f64()
        );
        missed |= half > MOST_DECISION || reading > MOST_READING;
    }
    if release && missed {
        eprintln!("a target is missed: {MOST_DECISION:?} for a decision, {MOST_READING:?} to read");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn measure(policy: &Policy, rounds: usize) -> Result<Measured, String> {
    let mut readings = Vec::new();
    let mut rules = None;
    for _ in 0..5 {
        let start = own_time();
        let read = RuleSet::parse(&[("rules.toml", &policy.text)], [0; 32]);
        readings.push(own_time().saturating_sub(start));
        rules = Some(read.map_err(|errors| errors.to_string())?);
    }
    let rules = rules.ok_or("nothing was read")?;
    for (call, effect) in &policy.calls {
        let decision = rules.decide(call.clone());
        if decision.effect() != *effect || decision != rules.decide_by_scan(call.clone()) {
            return Err(format!("expected {effect}: {}", decision.explain()));
        }
    }
    let calls: Vec<&Call> = policy.calls.iter().map(|(call, _)| call).collect();
    let mut quick = times(&calls, rounds, |call| rules.decide(call));
    let mut slow = times(&calls, rounds.div_ceil(100), |call| rules.decide_by_scan(call));
    Ok(Measured {
        reading: at(&mut readings, 50),
        half: at(&mut quick, 50),
        late: at(&mut quick, 99),
        scan: at(&mut slow, 50),
    })
}

fn times(calls: &[&Call], rounds: usize, decide: impl Fn(Call) -> Decision) -> Vec<Duration> {
    let mut times = Vec::with_capacity(calls.len() * rounds);
    for _ in 0..rounds {
        for call in calls {
            let call = black_box((*call).clone());
            let start = Instant::now();
            let decision = black_box(decide(call));
            times.push(start.elapsed());
            drop(decision);
        }
    }
    times
}

/// How long this thread has run: reading takes long enough for others to come in
/// between.
fn own_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The time that so many percent of all do not exceed.
fn at(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let place = times.len() * percent / 100;
    times[place.min(times.len() - 1)]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
