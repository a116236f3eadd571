//! The results as a page of Markdown.

use std::fmt;
use std::time::Duration;

use cofferdam_tests::measure::{Machine, Memory, Samples};

use crate::enrolment::Enrolments;
use crate::files::Searched;
use crate::load::{Load, Work};
use crate::output::{Printed, STALLED};
use crate::reconnection::Reconnections;
use crate::transfers::Transfers;
use crate::turns::Turns;
use crate::upgrade::Upgrades;

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) rounds: usize,
    /// `None` where it was not asked for; the others likewise.
    pub(crate) turns: Option<Turns>,
    pub(crate) loads: Vec<Load>,
    pub(crate) printed: Option<Printed>,
    /// `None` also without ripgrep to compare with.
    pub(crate) search: Option<Searched>,
    pub(crate) transfers: Option<Transfers>,
    pub(crate) enrolments: Option<Enrolments>,
    pub(crate) reconnections: Option<Reconnections>,
    pub(crate) upgrades: Option<Upgrades>,
    /// Of each part, before the loads.
    pub(crate) idle: Vec<Memory>,
    /// Of the same parts, after them.
    pub(crate) peak: Vec<Memory>,
    pub(crate) cell: Memory,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# What Cofferdam costs\n\nWritten by `make bench`; not by hand.\n")?;
        self.machine(f)?;
        if let Some(turns) = &self.turns {
            self.turns(f, turns)?;
        }
        if !self.loads.is_empty() {
            self.loads(f)?;
        }
        self.files(f)?;
        if let Some(printed) = &self.printed {
            output(f, printed)?;
        }
        let parts: [Option<&dyn fmt::Display>; 4] = [
            self.transfers.as_ref().map(|it| it as _),
            self.enrolments.as_ref().map(|it| it as _),
            self.reconnections.as_ref().map(|it| it as _),
            self.upgrades.as_ref().map(|it| it as _),
        ];
        for part in parts.into_iter().flatten() {
            write!(f, "{part}")?;
        }
        self.memory(f)
    }
}

impl Report {
    fn machine(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { date, cpu, cpus, memory_gib, kernel, cgroups, user } = &self.machine;
        writeln!(f, "## Machine and method\n")?;
        writeln!(f, "- Date: {date}.")?;
        writeln!(f, "- Machine: {cpu}, {cpus} CPUs, {memory_gib} GiB of memory.")?;
        writeln!(f, "- Kernel {kernel}; cgroups {cgroups}; as {user}.")?;
        writeln!(
            f,
            "- Command: `make bench`: an optimised build, and a whole Cofferdam as `cofferdam dev`\n  \
             starts it. Callers and Cofferdam share the CPUs. TLS between gateway and agent, the\n  \
             rules, both journals and their fsync are on; every run has the whole sandbox."
        )?;
        writeln!(
            f,
            "- Absolute times differ between machines and from hour to hour; the ratios hold.\n  \
             The yardstick is a bare spawn: `/usr/bin/true` by `posix_spawn`, from start to exit.\n"
        )
    }

    fn turns(&self, f: &mut fmt::Formatter<'_>, turns: &Turns) -> fmt::Result {
        let Turns { bare, disk, warm, one_shot, gone, grpc, mcp, list_hosts, empty, read_file } =
            turns;
        writeln!(f, "## One call\n")?;
        writeln!(f, "Each thing once in each of {} rounds, in turns; one caller.\n", self.rounds)?;
        writeln!(f, "| what | median | p10 | p90 | ratio to a bare spawn |")?;
        writeln!(f, "|---|--:|--:|--:|--:|")?;
        for (what, samples) in [
            ("bare spawn of `true`", bare),
            ("run in a warm cell, asked of its PID 1", warm),
            ("one-shot run at the warden: cell, run, until the run ended", one_shot),
            ("the same, until nothing of the cell is left", gone),
            ("one-shot run through gRPC: signed intent to verified receipt", grpc),
            ("one-shot run through MCP: HTTP request to result", mcp),
            ("`list_hosts` through MCP: the gateway's own answer", list_hosts),
            ("`get_system_info` through MCP: a host's answer without a cell", empty),
            ("`read_file` of 1 KiB through MCP, by the session's file worker", read_file),
            ("1 KiB appended and made durable (fdatasync), for comparison", disk),
        ] {
            let [median, p10, p90] = [50, 10, 90].map(|of| milliseconds(samples.percentile(of)));
            let ratio = ratio(samples, bare);
            writeln!(f, "| {what} | {median} ms | {p10} | {p90} | {ratio:.2} |")?;
        }
        let above = mcp.median().saturating_sub(gone.median());
        writeln!(
            f,
            "\nThe whole way through MCP takes {} ms more than the one-shot run at the warden; one\n\
             fdatasync takes {} ms here, and gateway and agent keep a journal each.\n",
            milliseconds(above),
            milliseconds(disk.median()),
        )
    }

    fn loads(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Many callers, through MCP\n")?;
        writeln!(f, "| call | callers | calls a second | p50 | p99 | answered | failed |")?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|")?;
        for load in &self.loads {
            let Load { work, callers, answered, failures, elapsed } = load;
            let what = match work {
                Work::ListHosts => "`list_hosts`: the gateway's own answer",
                Work::Run => "one-shot run of `true`",
                Work::ReadFile => "`read_file` of 1 KiB, one session",
            };
            writeln!(
                f,
                "| {what} | {callers} | {:.0} | {} ms | {} ms | {} | {} |",
                per_second(answered.count(), *elapsed),
                milliseconds(answered.median()),
                milliseconds(answered.percentile(99)),
                answered.count(),
                failures.len(),
            )?;
        }
        writeln!(f)?;
        for (load, failure) in self.loads.iter().filter_map(|it| Some((it, it.failures.first()?))) {
            writeln!(f, "With {} callers, the first failure: {failure}\n", load.callers)?;
        }
        Ok(())
    }

    fn files(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Files\n")?;
        if let Some(Turns { list_hosts, empty, read_file, .. }) = &self.turns {
            writeln!(
                f,
                "A small `read_file` takes {:.2} times as long as an empty call that the host answers\n\
                 (`get_system_info`), and {:.2} times as long as one that the gateway answers by itself.\n",
                ratio(read_file, empty),
                ratio(read_file, list_hosts),
            )?;
        }
        match &self.search {
            None => writeln!(f, "Searching was not measured, or ripgrep is not installed here.\n"),
            Some(Searched { mebibytes, files, ours, theirs }) => writeln!(
                f,
                "A content search of {mebibytes} MiB in {files} files, cached: `search_files` through \
                 MCP {} ms,\nripgrep run bare with the same flags {} ms; ratio {:.2}.\n",
                milliseconds(ours.median()),
                milliseconds(theirs.median()),
                ratio(ours, theirs),
            ),
        }
    }

    fn memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## Memory\n")?;
        writeln!(
            f,
            "Idle: two seconds after the first call. Peak: the most that was ever resident, after\n\
             the loads above. PSS counts a page that several share in parts.\n"
        )?;
        writeln!(f, "| process | idle RSS | idle PSS | peak RSS |")?;
        writeln!(f, "|---|--:|--:|--:|")?;
        for Memory { name, rss, pss, peak } in self.idle.iter().chain([&self.cell]) {
            let after = self.peak.iter().find(|it| it.name == *name);
            let peak = mebibytes_of(after.map_or(*peak, |after| after.peak));
            let pss = pss.map_or_else(|| "not told".to_owned(), mebibytes_of);
            writeln!(f, "| {name} | {} | {pss} | {peak} |", mebibytes_of(*rss))?;
        }
        Ok(())
    }
}

fn output(f: &mut fmt::Formatter<'_>, printed: &Printed) -> fmt::Result {
    let Printed { mebibytes, pipe, grpc, beside, before, most } = printed;
    writeln!(f, "## Output\n")?;
    writeln!(f, "A run prints {mebibytes} MiB, in turns with the same program bare.\n")?;
    writeln!(f, "| way | MB a second | ratio to the pipe |")?;
    writeln!(f, "|---|--:|--:|")?;
    let beside_words = format!("the same beside {STALLED} readers that do not read");
    for (what, times) in [
        ("a pipe, read by 64 KiB", pipe),
        ("a run's output to a gRPC reader, mutual TLS on loopback", grpc),
        (&beside_words, beside),
    ] {
        let rate = megabytes_per_second(*mebibytes, times.median());
        writeln!(f, "| {what} | {rate:.0} | {:.2} |", 1.0 / ratio(times, pipe))?;
    }
    writeln!(
        f,
        "\nThe agent held {} before and at most {} meanwhile.\n",
        mebibytes_of(*before),
        mebibytes_of(*most),
    )
}

fn ratio(samples: &Samples, bare: &Samples) -> f64 {
    samples.median().as_secs_f64() / bare.median().as_secs_f64()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "a rounded number for people")]
fn per_second(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a rounded number for people")]
fn mebibytes_of(kibibytes: u64) -> String {
    format!("{:.1} MiB", kibibytes as f64 / 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "a rounded number for people")]
fn megabytes_per_second(mebibytes: u64, time: Duration) -> f64 {
    (mebibytes << 20) as f64 / 1e6 / time.as_secs_f64()
}
