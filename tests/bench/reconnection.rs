//! How soon hosts that dial their gateway are back after it was killed and serves again:
//! a gateway and a hundred agents, all of them processes of their own on this machine.

use std::fmt;
use std::time::{Duration, Instant};

use cofferdam_tests::fleet::Fleet;
use cofferdam_tests::measure::Samples;

/// Agents.
const HOSTS: usize = 100;
/// How often the gateway is killed.
const ROUNDS: usize = 5;
/// How long it is away: until agents wait as long as they ever do between attempts.
const AWAY: Duration = Duration::from_secs(5);
/// Longer than all of them need.
const PATIENCE: Duration = Duration::from_mins(1);

/// How soon they are back.
pub(crate) struct Reconnections {
    started: Duration,
    back: Samples,
}

/// Kills the gateway again and again.
pub(crate) fn measure() -> Reconnections {
    let mut fleet = Fleet::prepare(HOSTS);
    fleet.start_gateway();
    let began = Instant::now();
    (0..HOSTS).for_each(|number| fleet.start_agent(number));
    fleet.until_ready(HOSTS, PATIENCE);
    let started = began.elapsed();
    let back = (0..ROUNDS).map(|_| {
        fleet.kill_gateway();
        std::thread::sleep(AWAY);
        fleet.start_gateway();
        fleet.until_ready(HOSTS, PATIENCE)
    });
    Reconnections { started, back: back.collect() }
}

impl fmt::Display for Reconnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { started, back } = self;
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        writeln!(f, "## Hosts that come back\n")?;
        writeln!(
            f,
            "{HOSTS} agents that dial their gateway, which is killed {ROUNDS} times and away for {} \
             each. From\nwhen it serves again until all of them answer: median {}, at most {}. \
             Until all were there after\ntheir first start, one process after the other: {}.\n",
            seconds(AWAY),
            seconds(back.median()),
            seconds(back.percentile(100)),
            seconds(*started),
        )
    }
}
