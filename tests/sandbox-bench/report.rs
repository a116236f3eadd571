//! The results as a page of Markdown.

use std::fmt;
use std::time::Duration;

use cofferdam_tests::measure::{Machine, Samples};

use crate::cells::{Took, Way};
use crate::kill::Kills;
use crate::output;
use crate::rate::Rate;
use crate::ratios::Ratios;
use crate::resident::Resident;
use crate::target::Target;
use crate::turns::Turns;
use crate::work::Work;
use crate::work::beside::Beside;

const ONE_SHOT: Target = Target::times(3.0);
const SUSTAINED: Target = Target::times(1.03);
const IDLE_CELL: Target = Target::mebibytes(1.0);

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// Processes that ran when it began, averaged over a minute.
    pub(crate) load: String,
    pub(crate) resident: Resident,
    pub(crate) turns: Turns,
    pub(crate) rates: Vec<Rate>,
    pub(crate) kills: Kills,
    pub(crate) output: Beside,
    pub(crate) work: Vec<Work>,
}

/// One way of ours in the table.
struct Row {
    what: &'static str,
    way: Way,
    of: fn(&Took) -> Option<Duration>,
    target: Option<Target>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# What the sandbox costs\n\nWritten by `make bench-sandbox`; not by hand.\n")?;
        self.machine(f)?;
        self.turns(f)?;
        self.tools(f)?;
        self.rates(f)?;
        self.resident(f)?;
        self.kills(f)?;
        self.work(f)
    }
}

impl Report {
    fn machine(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { date, cpu, cpus, memory_gib, kernel, cgroups, user } = &self.machine;
        writeln!(f, "## Machine and method\n")?;
        writeln!(f, "- Date: {date}.")?;
        writeln!(f, "- Machine: {cpu}, {cpus} CPUs, {memory_gib} GiB of memory.")?;
        writeln!(f, "- Kernel {kernel}; cgroups {cgroups}; as {user}.")?;
        writeln!(f, "- Load of the last minute when it began: {}.", self.load)?;
        writeln!(
            f,
            "- Command: `make bench-sandbox`: an optimised build, the real warden and its cells,\n  \
             the other tools as they are installed here. All in one run, in rounds, each round in\n  \
             another order; before each time of one program a rest of 3 ms, or longer until nothing\n  \
             else runs, and one uncounted bare spawn.\n\
             - A cell: mount, PID, IPC, UTS, cgroup and network namespaces, a user of its own, a\n  \
             view of /usr, /etc and one workspace (idmapped), private /tmp, /dev/shm, home, /dev\n  \
             and /proc, no capabilities, a keyring, two Landlock domains, two seccomp programs,\n  \
             and a cgroup with limits in {} hierarchies.\n\
             - Absolute times differ between machines and from hour to hour; the ratios hold. The\n  \
             yardstick is a bare spawn: `/usr/bin/true` by `posix_spawn`, from start to exit. A\n  \
             ratio is of two times of the same round; told are the median of the rounds' ratios,\n  \
             and the ratios that 10 and 90 in 100 rounds do not exceed.\n",
            if self.has_unified_cgroups() { "one" } else { "the memory, pids and cpu" },
        )
    }

    /// Only cgroup v2: a run costs less there.
    fn has_unified_cgroups(&self) -> bool {
        self.machine.cgroups == "v2"
    }

    fn rows(&self) -> [Row; 8] {
        let warm = Target::times(if self.has_unified_cgroups() { 1.5 } else { 1.8 });
        let ended: fn(&Took) -> Option<Duration> = |took| Some(took.ended);
        let gone: fn(&Took) -> Option<Duration> = |took| took.gone;
        let row = |what, way, of, target| Row { what, way, of, target };
        [
            row("warm cell, cgroup leaf made ahead", Way::Warm, ended, Some(warm)),
            row("the same on a terminal", Way::WarmTerminal, ended, None),
            row("warm cell, no leaf", Way::WarmAlone, ended, None),
            row("warm cell, leaf made in the measured time", Way::WarmWithLeaf, ended, None),
            row("one-shot, prepared cell", Way::Stocked, ended, Some(ONE_SHOT)),
            row("the same, until nothing is left", Way::Stocked, gone, None),
            row("one-shot, cell built in the measured time", Way::Built, ended, Some(ONE_SHOT)),
            row("the same, until nothing is left", Way::Built, gone, None),
        ]
    }

    fn turns(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Turns { bare, ours, tools, absent: _, disturbed } = &self.turns;
        writeln!(
            f,
            "## One program\n\n`/usr/bin/true`, {} rounds. Times taken although something else went \
             on: {disturbed}.\n",
            bare.len(),
        )?;
        writeln!(
            f,
            "| what | median | p10 | p90 | ratio to a bare spawn | p10 | p90 | target |\n\
             |---|--:|--:|--:|--:|--:|--:|---|"
        )?;
        spread(f, "**bare spawn**", bare, bare, None)?;
        for Row { what, way, of, target } in self.rows() {
            let taken = ours.iter().find(|(it, _)| *it == way).map(|(_, taken)| taken);
            let times: Vec<_> = taken.into_iter().flatten().filter_map(of).collect();
            spread(f, &format!("**Cofferdam**: {what}"), &times, bare, target)?;
        }
        for (tool, times) in tools {
            spread(f, tool.name, times, bare, None)?;
        }
        writeln!(
            f,
            "\nOurs are timed at the warden's and PID 1's sockets, from the request to the word that\n\
             nothing of the run is left; the others from start to exit. A leaf made ahead is one that\n\
             the agent asks for while its record of the call becomes durable. A prepared cell is what\n\
             the agent keeps in stock: built for the same plan, used by nobody before, and replaced\n\
             between the rounds. A one-shot run uses its cell's own cgroup.\n"
        )
    }

    fn tools(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### The other tools\n")?;
        for (tool, _) in &self.turns.tools {
            writeln!(f, "{}, {}:\n\n```sh\n{}\n```\n", tool.name, tool.version, tool.typed())?;
        }
        writeln!(
            f,
            "`unshare` is the floor: it shows the host's files as they are and filters nothing. The\n\
             OCI runtimes read the same bundle: a read-only root, /usr and /etc read-only, a tmpfs\n\
             on /tmp, the workspace, six namespaces, limits, a filter that refuses 32 calls.\n"
        )?;
        for absent in &self.turns.absent {
            writeln!(f, "- Not measured: {}. {}.", absent.name, absent.why)?;
        }
        writeln!(
            f,
            "- Not measured: minijail, nsjail, isolate. Debian 12 has no package of them.\n"
        )
    }

    fn rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Cells per second\n\nBuilt, one run of `true`, ended, nothing left.\n")?;
        writeln!(f, "| at the same time | cells | cells a second | one: median | p90 |")?;
        writeln!(f, "|--:|--:|--:|--:|--:|")?;
        for Rate { in_flight, per_second, lives } in &self.rates {
            let [median, p90] = [50, 90].map(|of| milliseconds(lives.percentile(of)));
            let cells = lives.count();
            writeln!(f, "| {in_flight} | {cells} | {per_second:.0} | {median} ms | {p90} |")?;
        }
        writeln!(f)
    }

    fn resident(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Resident { count, built, ended, pss, rss, charged, counters } = &self.resident;
        writeln!(f, "## {count} cells that stay\n")?;
        writeln!(
            f,
            "Built one after the other in {:.1} s, ended in {:.1} s; each could still run programs.\n\
             Of one idle cell:\n\n| what | KiB |\n|---|--:|\n\
             | PID 1, PSS (shared pages in parts), median | {pss} |\n\
             | PID 1, RSS (shared pages in full), median | {rss} |",
            built.as_secs_f64(),
            ended.as_secs_f64(),
        )?;
        if let Some(charged) = charged {
            writeln!(
                f,
                "| charged to its cgroup, the kernel's own included, median | {charged} |"
            )?;
        }
        for (counter, kibibytes) in counters {
            let what = match *counter {
                "MemAvailable" => "less `MemAvailable` of the machine",
                other => &format!("more `{other}` of the machine"),
            };
            writeln!(f, "| {what} | {kibibytes:.0} |")?;
        }
        let mebibytes = self.resident.mebibytes();
        let verdict = IDLE_CELL.judge(mebibytes);
        writeln!(
            f,
            "\nAn idle cell takes {mebibytes:.2} MiB (the worse of less available memory and the sum of the\n\
             other counters of the machine); target: {verdict}.\n"
        )
    }

    fn kills(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kills { processes, bare, killed, cancelled } = &self.kills;
        writeln!(f, "## The end of {processes} processes\n\n{} rounds.\n", bare.len())?;
        writeln!(f, "| what | median | p10 | p90 | ratio | p10 | p90 | target |")?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|---|")?;
        let group = "a bare process group: SIGKILL, until all are reaped";
        spread(f, group, bare, bare, None)?;
        spread(f, "a run: asked to be killed, until nothing is left", killed, bare, None)?;
        spread(
            f,
            "a run: cancelled (SIGTERM first), until nothing is left",
            cancelled,
            bare,
            None,
        )?;
        writeln!(f)
    }

    fn work(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Sustained work\n")?;
        writeln!(
            f,
            "The same command in a cell and outside, in turns. «Outside again» is the same measured\n\
             twice outside: how far apart this machine puts two equal things.\n"
        )?;
        writeln!(
            f,
            "| what | rounds | outside | inside | ratio | p10 | p90 | outside again | p10 | p90 | \
             target |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|"
        )?;
        let head = format!("`head` writes {} MiB into a pipe", output::BYTES >> 20);
        sustained(f, &head, &self.output)?;
        for Work { what, times } in &self.work {
            match times {
                Ok(times) => sustained(f, what, times)?,
                Err(why) => writeln!(f, "| {what} | not measured: {why:#} | | | | | | | | | |")?,
            }
        }
        let out = median(&self.output.outside).as_secs_f64();
        let inside = median(&self.output.inside).as_secs_f64();
        writeln!(f, "\nOutput: {:.2} GiB/s out of a cell, {:.2} bare.", 1.0 / inside, 1.0 / out)
    }
}

fn sustained(f: &mut fmt::Formatter<'_>, what: &str, times: &Beside) -> fmt::Result {
    let (ratios, noise) = (times.ratios(), times.noise());
    writeln!(
        f,
        "| {what} | {} | {} ms | {} ms | {} | {} | {} |",
        times.inside.len(),
        milliseconds(median(&times.outside)),
        milliseconds(median(&times.inside)),
        three(&ratios, 3),
        three(&noise, 3),
        SUSTAINED.judge(ratios.median()),
    )
}

/// One line with times, and ratios to those at `yardstick`.
fn spread(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    times: &[Duration],
    yardstick: &[Duration],
    target: Option<Target>,
) -> fmt::Result {
    let samples: Samples = times.iter().copied().collect();
    let [median, p10, p90] = [50, 10, 90].map(|of| milliseconds(samples.percentile(of)));
    let ratios = Ratios::of(times.iter().copied().zip(yardstick.iter().copied()));
    let verdict = target.map(|target| target.judge(ratios.median()).to_string());
    let (three, verdict) = (three(&ratios, 2), verdict.unwrap_or_default());
    writeln!(f, "| {what} | {median} ms | {p10} | {p90} | {three} | {verdict} |")
}

fn three(ratios: &Ratios, digits: usize) -> String {
    let [median, p10, p90] = [50, 10, 90].map(|percent| ratios.percentile(percent));
    format!("{median:.digits$} | {p10:.digits$} | {p90:.digits$}")
}

fn median(times: &[Duration]) -> Duration {
    times.iter().copied().collect::<Samples>().median()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}
