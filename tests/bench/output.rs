//! How fast what a run prints reaches a reader over gRPC, how much memory the agent
//! takes for it, and whether readers that do not read slow it.

use std::io::Read;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cofferdam_proto::exec::v1::Command;
use cofferdam_tests::dev::Dev;
use cofferdam_tests::measure::Samples;
use cofferdam_tests::measure::memory::kibibytes;

use crate::agent::Client;

/// What prints, in pieces of so many bytes.
const PRINTER: &str = "/usr/bin/dd";
const PIECE: u64 = 64 * 1024;
/// How often each is timed.
const ROUNDS: usize = 3;
/// Readers that do not read, each of a run that never ceases to print.
pub(crate) const STALLED: usize = 8;
/// How often the agent's memory is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// What was measured.
pub(crate) struct Printed {
    pub(crate) mebibytes: u64,
    /// From a pipe, read by 64 KiB.
    pub(crate) pipe: Samples,
    /// From the agent.
    pub(crate) grpc: Samples,
    /// The same beside readers that do not read.
    pub(crate) beside: Samples,
    /// Resident in the agent before, and at most meanwhile, in KiB.
    pub(crate) before: u64,
    pub(crate) most: u64,
}

/// Has so many mebibytes printed, again and again.
pub(crate) fn measure(dev: &Dev, client: &mut Client, mebibytes: u64) -> anyhow::Result<Printed> {
    raise_ceiling(dev)?;
    let agent = dev.children().into_iter().find(|(_, name)| name == "cofferdam-agent");
    let (agent, _) = agent.context("`cofferdam dev` has no agent")?;
    let bytes = mebibytes << 20;
    let before = resident(agent)?;
    let (done, most) = (AtomicBool::new(false), AtomicU64::new(before));
    let (mut pipe, mut grpc, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(resident(agent)?, Ordering::Relaxed);
                std::thread::sleep(GLANCE);
            }
            anyhow::Ok(())
        });
        let measured = (|| {
            for _ in 0..ROUNDS {
                pipe.push(from_pipe(bytes)?);
                grpc.push(client.print(&printing(bytes), bytes)?);
            }
            let stalled = client.stall(&printing(u64::MAX >> 1), STALLED)?;
            for _ in 0..ROUNDS {
                beside.push(client.print(&printing(bytes), bytes)?);
            }
            drop(stalled);
            anyhow::Ok(())
        })();
        done.store(true, Ordering::Relaxed);
        measured?;
        watch.join().map_err(|_| anyhow::anyhow!("the agent's memory could not be watched"))?
    })?;
    let [pipe, grpc, beside] = [pipe, grpc, beside].map(|times| times.into_iter().collect());
    let most = most.into_inner();
    Ok(Printed { mebibytes, pipe, grpc, beside, before, most })
}

/// In KiB. Of nothing else, because the kernel walks a process's pages for that.
fn resident(pid: u32) -> anyhow::Result<u64> {
    kibibytes(&read(Path::new(&format!("/proc/{pid}/status")))?, "VmRSS")
}

fn printing(bytes: u64) -> Command {
    let arguments = arguments(bytes).into_iter().map(String::into_bytes).collect();
    Command { program: PRINTER.into(), arguments, ..Command::default() }
}

fn arguments(bytes: u64) -> [String; 4] {
    let size = format!("bs={PIECE}");
    ["if=/dev/zero".to_owned(), size, format!("count={}", bytes / PIECE), "status=none".to_owned()]
}

fn from_pipe(bytes: u64) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let mut process = Process::new(PRINTER)
        .args(arguments(bytes))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut output = process.stdout.take().context("its output")?;
    let (mut buffer, mut taken) = (vec![0; 64 * 1024], 0);
    loop {
        match output.read(&mut buffer)? {
            0 => break,
            read => taken += read as u64,
        }
    }
    ensure!(process.wait()?.success() && taken == bytes, "{taken} of {bytes} bytes came");
    Ok(began.elapsed())
}

/// Lets runs print as much as is measured. It counts from the next call on.
fn raise_ceiling(dev: &Dev) -> anyhow::Result<()> {
    #[derive(serde::Deserialize)]
    struct Agent {
        ceiling: std::path::PathBuf,
    }
    let configuration = dev.state().join("agent/agent.toml");
    let text = read(&configuration)?;
    let Agent { ceiling } = toml::from_str(&text)?;
    let ceiling = configuration.parent().unwrap_or(Path::new("/")).join(ceiling);
    let text = read(&ceiling)?;
    let lines = text.lines().map(|line| match line.split_once(" = ") {
        Some(("output", _)) => "output = \"1TiB\"",
        _ => line,
    });
    let raised = lines.collect::<Vec<_>>().join("\n");
    std::fs::write(&ceiling, raised)
        .with_context(|| format!("cannot write `{}`", ceiling.display()))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}
