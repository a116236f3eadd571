//! Many callers at once: how many calls a second, and how long the slow ones
//! take. Each caller has a connection of its own and calls again as soon as it
//! is answered.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use cofferdam_tests::dev::Dev;
use cofferdam_tests::measure::Samples;

use crate::mcp::{Client, Prepared};

/// Not counted at the start of each load.
const WARM_UP: Duration = Duration::from_millis(500);

/// Calls that fail for one caller before it gives up.
const MAX_FAILURES: usize = 100;

/// What is called.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// The gateway answers by itself.
    ListHosts,
    /// A one-shot run.
    Run,
    /// A small read.
    ReadFile,
}

/// What a load showed.
pub(crate) struct Load {
    pub(crate) work: Work,
    pub(crate) callers: usize,
    /// Times of the calls that were answered.
    pub(crate) answered: Samples,
    /// What the calls that failed were told; each counts.
    pub(crate) failures: Vec<String>,
    /// From the end of the warm-up to the last answer.
    pub(crate) elapsed: Duration,
}

/// What one caller saw.
#[derive(Default)]
struct Caller {
    times: Vec<Duration>,
    failures: Vec<String>,
}

impl Work {
    pub(crate) const ALL: [Self; 3] = [Self::ListHosts, Self::Run, Self::ReadFile];

    fn prepare(self, client: &Client) -> Prepared {
        match self {
            Self::ListHosts => client.list_hosts(),
            Self::Run => client.run(),
            Self::ReadFile => client.read_file(),
        }
    }
}

/// Loads the gateway for `time`.
pub(crate) fn drive(dev: &Dev, work: Work, callers: usize, time: Duration) -> anyhow::Result<Load> {
    let clients = (0..callers).map(|_| Client::connect(dev)).collect::<Result<Vec<_>, _>>()?;
    let start = Barrier::new(callers + 1);
    let (seen, elapsed) = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .map(|client| scope.spawn(|| call_again_and_again(client, work, &start, time)))
            .collect();
        start.wait();
        let began = Instant::now() + WARM_UP;
        let seen: Vec<Caller> =
            threads.into_iter().map(|thread| thread.join().expect("a caller")).collect();
        (seen, began.elapsed())
    });
    Ok(Load {
        work,
        callers,
        answered: seen.iter().flat_map(|caller| caller.times.iter().copied()).collect(),
        failures: seen.into_iter().flat_map(|caller| caller.failures).collect(),
        elapsed,
    })
}

fn call_again_and_again(mut client: Client, work: Work, start: &Barrier, time: Duration) -> Caller {
    let request = work.prepare(&client);
    let mut caller = Caller::default();
    start.wait();
    let counts_from = Instant::now() + WARM_UP;
    let end = counts_from + time;
    loop {
        let began = Instant::now();
        if began >= end || caller.failures.len() == MAX_FAILURES {
            return caller;
        }
        match client.call(&request) {
            Ok(_) if began >= counts_from => caller.times.push(began.elapsed()),
            Ok(_) => {}
            Err(error) => caller.failures.push(format!("{error:#}")),
        }
    }
}
