//! `cofferdam top`: the runs of one's own as they go on, on a whole screen.

mod frame;
mod key;
mod sample;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueHint};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use crate::color::Color;
use crate::connection::{Connection, event_loop};
use crate::process::feed::signal as signal_arguments;
use crate::process::keyboard::Keyboard;
use crate::process::link::{Again, Link, LinkError};
use crate::process::listing::{Listing, Which};
use crate::process::parting::failed;
use crate::process::start::Place;
use crate::report::{Format, settled, write_json};
use crate::tty::{self, Raw};
use frame::{Frame, Page};
use key::Keys;
use sample::Samples;

const EXAMPLES: &str = "\
What of mine runs, on every host, as it goes on:
  cofferdam top

Those of one host, every 5 seconds:
  cofferdam top -H web-1 --every 5

Once, or as lines for a script:
  cofferdam top --once
  cofferdam top --json --every 10 | jq '.processes[].cpu_percent'

Keys: arrows choose, k asks and ends the chosen run, a shows ended ones too, r looks at
once, q quits. Each look is a call by the tools list_hosts and list_processes, with its
records. Without a terminal it is --once.";

/// Between the two looks that one table needs to know how busy a run is.
const BETWEEN: Duration = Duration::from_millis(700);
/// Shows the other screen, empty, without the cursor; and back.
const OPEN: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const CLOSE: &str = "\x1b[0m\x1b[?25h\x1b[?1049l";

/// Which runs, and how often.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    place: Place,
    /// Seconds between two looks, 1 to 3600.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 2,
        value_parser = clap::value_parser!(u64).range(1..=3600),
        value_hint = ValueHint::Other
    )]
    every: u64,
    /// Shows one table and ends.
    #[arg(long)]
    once: bool,
    /// Those that ended, too.
    #[arg(long, short)]
    all: bool,
    #[command(flatten)]
    color: Color,
}

/// What is looked at.
struct Top {
    link: Link,
    place: Place,
    which: Which,
    every: Duration,
    samples: Samples,
    is_colored: bool,
}

pub(crate) fn run(arguments: Arguments, format: Format) -> ExitCode {
    let done = event_loop().map_err(LinkError::from).and_then(|runtime| {
        let done = runtime.block_on(lead(arguments, format));
        // What reads standard input cannot be interrupted.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            settled(Err(error))
        }
        Err(error) => failed(&error, format),
    }
}

async fn lead(arguments: Arguments, format: Format) -> Result<(), LinkError> {
    let Arguments { connection, place, every, once, all, color } = arguments;
    let link = Link::open(connection, |_| {}).await?;
    let which = if all { Which::All } else { Which::Running };
    let mut top = Top {
        link,
        place,
        which,
        every: Duration::from_secs(every),
        samples: Samples::default(),
        is_colored: color.is_on(),
    };
    match format {
        Format::Json => top.lines(once).await?,
        Format::Human if once || !tty::is_there() => top.table().await?,
        Format::Human => top.screen().await?,
    }
    top.link.close().await;
    Ok(())
}

impl Top {
    async fn look(&mut self) -> Result<Listing, LinkError> {
        let listing = Listing::fetch(&self.link, &self.place, self.which).await?;
        self.samples.take(&listing.runs, std::time::Instant::now());
        Ok(listing)
    }

    /// One table.
    async fn table(&mut self) -> Result<(), LinkError> {
        self.look().await?;
        sleep(BETWEEN).await;
        let listing = self.look().await?;
        let columns = tty::size().filter(|_| io::stdout().is_terminal());
        let page = Page::default();
        let frame = Frame {
            listing: &listing,
            samples: &self.samples,
            page: &page,
            now: Timestamp::now(),
            is_colored: self.is_colored,
        };
        let mut out = io::stdout().lock();
        for line in frame.table(columns.map(|size| size.columns.into())) {
            writeln!(out, "{line}")?;
        }
        listing.failures.iter().for_each(|(host, why)| tty::say(&crate::ps::told(host, why)));
        Ok(())
    }

    /// A document on a line for each look.
    async fn lines(&mut self, once: bool) -> Result<(), LinkError> {
        self.look().await?;
        sleep(BETWEEN).await;
        loop {
            let listing = self.look().await?;
            write_json(&mut io::stdout().lock(), &document(&listing, &self.samples))?;
            if once {
                return Ok(());
            }
            sleep(self.every).await;
        }
    }

    /// A whole screen, until somebody quits.
    async fn screen(&mut self) -> Result<(), LinkError> {
        let raw = Raw::enter()?;
        show(OPEN)?;
        let done = self.serve().await;
        let closed = show(CLOSE);
        drop(raw);
        done.and(closed.map_err(LinkError::from))
    }

    async fn serve(&mut self) -> Result<(), LinkError> {
        let (mut keyboard, mut keys) = (Keyboard::start(), Keys::default());
        let mut resized = signal(SignalKind::window_change())?;
        let mut told = std::pin::pin!(told_to_end());
        let (mut page, mut listing) = (Page::default(), Listing::default());
        // A host that takes its time holds up no key.
        let mut look = Box::pin(Listing::fetch(&self.link, &self.place, self.which));
        let (mut is_looking, mut next) = (true, Instant::now());
        loop {
            tokio::select! {
                biased;
                end = &mut told => return end.map_err(LinkError::from),
                typed = keyboard.next() => {
                    let Some(typed) = typed else { return Ok(()) };
                    for key in keys.take(&typed) {
                        match page.press(key, &listing, &self.samples) {
                            frame::Wish::Nothing => continue,
                            frame::Wish::Quit => return Ok(()),
                            frame::Wish::Look => {}
                            frame::Wish::Everything => self.which = self.which.other(),
                            frame::Wish::Signal(process, name) => {
                                page.say(self.signal(&process, name).await);
                            }
                        }
                        (is_looking, next) = (false, Instant::now());
                    }
                }
                _ = resized.recv() => {}
                looked = &mut look, if is_looking => {
                    match looked {
                        Ok(looked) => listing = looked,
                        Err(error) => page.say(error.to_string()),
                    }
                    self.samples.take(&listing.runs, std::time::Instant::now());
                    (is_looking, next) = (false, Instant::now() + self.every);
                }
                () = sleep_until(next), if !is_looking => {
                    look = Box::pin(Listing::fetch(&self.link, &self.place, self.which));
                    is_looking = true;
                    continue;
                }
            }
            self.draw(&listing, &mut page)?;
        }
    }

    fn draw(&self, listing: &Listing, page: &mut Page) -> io::Result<()> {
        let size = tty::size().unwrap_or(tty::Size { rows: 24, columns: 80 });
        page.fit(listing, &self.samples, size);
        let frame = Frame {
            listing,
            samples: &self.samples,
            page,
            now: Timestamp::now(),
            is_colored: self.is_colored,
        };
        // Each line is drawn over what was there: nothing flickers.
        show(&format!("\x1b[H{}\x1b[K\x1b[J", frame.screen(size).join("\x1b[K\r\n")))
    }

    async fn signal(&self, process: &str, name: &str) -> String {
        let arguments = signal_arguments(process, name);
        match self.link.call("signal_process", &arguments, Again::Unsafe).await {
            Ok(_) => format!("sent {name} to {process}"),
            Err(error) => error.to_string(),
        }
    }
}

fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn document(listing: &Listing, samples: &Samples) -> Value {
    let processes = listing.runs.iter().map(|run| {
        let mut view = run.view.clone();
        if let Some(percent) = samples.percent(run) {
            view["cpu_percent"] = json!((percent * 10.0).round() / 10.0);
        }
        view
    });
    let failures = listing.failures.iter();
    json!({
        "at": Timestamp::now().to_string(),
        "processes": processes.collect::<Vec<_>>(),
        "failures": failures.map(|(host, why)| json!({ "host": host, "error": why })).collect::<Vec<_>>(),
    })
}

/// Waits until this program is told to end.
async fn told_to_end() -> io::Result<()> {
    let mut end = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = end.recv() => {}
        _ = hang_up.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
