//! `cofferdam-agent`: the unprivileged network daemon of a host.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{OwnedFd, RawFd};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Parser;
use cofferdam_abilities::trial;
use cofferdam_agent::arguments::{Arguments, Other, Serve};
use cofferdam_agent::causes;
use cofferdam_agent::ceiling::Ceilings;
use cofferdam_agent::config::Config;
use cofferdam_agent::confine::{self, Confinement};
use cofferdam_agent::control;
use cofferdam_agent::doctor::{self, Page, Subject};
use cofferdam_agent::enrolment;
use cofferdam_agent::enrolment::join::{self, Joined};
use cofferdam_agent::hand::{self, Here, OfCeiling};
use cofferdam_agent::programs::shown;
use cofferdam_agent::remains;
use cofferdam_agent::restart::{Left, Store};
use cofferdam_agent::selftest::{self, Request};
use cofferdam_agent::serve::{self, Inherited};
use cofferdam_agent::service_manager;
use cofferdam_agent::sys;
use serde::Serialize;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("COFFERDAM_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .init();
    let Arguments { command, serve } = Arguments::parse();
    let ended = match (command, serve) {
        (Some(Other::Doctor { config, json }), _) => examine(&Subject { config }, json),
        (Some(Other::Selftest(request)), _) => test(&request),
        (Some(Other::Programs(request)), _) => show(&request),
        (Some(Other::Trial { arguments }), _) => Ok(perform(&arguments)),
        (Some(Other::Enroll(request)), _) => enroll(&request),
        (Some(Other::Status(here)), _) => hand::status(&here)
            .map_err(Into::into)
            .and_then(|found| tell(&here, &found, |page| found.print(page)))
            .map(|()| ExitCode::SUCCESS),
        (Some(Other::Metrics { config }), _) => measure(&config),
        (Some(Other::Freeze(here)), _) => {
            hand::freeze(&here).map_err(Into::into).and_then(|told| say(&here, &told))
        }
        (Some(Other::Unfreeze(here)), _) => {
            hand::unfreeze(&here).map_err(Into::into).and_then(|told| say(&here, &told))
        }
        (Some(Other::KillAll(here)), _) => end_all(&here),
        (Some(Other::Ceiling(OfCeiling::Check { file })), _) => check(&file),
        (Some(Other::Uninstall { here, show: _ }), _) => remaining(&here),
        (None, Some(serve)) => run(&serve).map(|()| ExitCode::SUCCESS),
        (None, None) => Err(anyhow!("`--config` is missing; `--help` tells more")),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cofferdam-agent: {}", causes::in_full(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Serve) -> anyhow::Result<()> {
    let mut inherited = adopt(arguments)?;
    let mut config = Config::load(&arguments.config)?;
    config.authority = enrolment::address(&config);
    let owner = rustix::process::geteuid().as_raw();
    let ceilings = Arc::new(Ceilings::new(config.ceiling.clone(), owner));
    inherited.control = match control::bind(&config.control) {
        Ok(socket) => Some(socket),
        Err(error) => {
            let path = config.control.display();
            tracing::warn!(%path, %error, "no local socket: the owner's commands see files only");
            None
        }
    };
    match confine::confine(&config, &ceilings)? {
        Confinement::Full => {}
        Confinement::OlderLandlock => {
            tracing::info!("this kernel's Landlock knows less than the agent asks for");
        }
        Confinement::NoLandlock => {
            tracing::warn!("this kernel has no Landlock: the agent runs without");
        }
    }
    let left = Left::sort(&inherited.store, std::mem::take(&mut inherited.left));
    let loaded = serve::load(config, ceilings, left)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    // What is still under way at the end, ends with the process. Taking the runtime down
    // first would have a task that comes back from a blocking call find no clock, and panic.
    ManuallyDrop::new(runtime).block_on(serve::serve(loaded, inherited))
}

/// Cells can start, and something ends soon; as `cofferdam doctor` has it.
const SEE_TO: u8 = 3;

/// Prints what doctor finds.
fn examine(subject: &Subject, json: bool) -> anyhow::Result<ExitCode> {
    let found = doctor::examine(subject)?;
    let text = if json {
        serde_json::to_string(&found)? + "\n"
    } else {
        found.print(Page::for_standard_output())
    };
    put(&text)?;
    Ok(match (found.cells, found.see_to) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::from(SEE_TO),
        (true, false) => ExitCode::SUCCESS,
    })
}

/// Prints what selftest finds; with a warden of its own, in a child.
fn test(request: &Request) -> anyhow::Result<ExitCode> {
    if let Some(program) = &request.spawn_warden {
        let tested = selftest::with_own_warden(program.as_deref(), request);
        return tested.map_err(|error| anyhow!("{error}"));
    }
    // The message holds its causes.
    let report = selftest::selftest(request).map_err(|error| anyhow!("{error}"))?;
    let text = if request.json {
        serde_json::to_string(&report)? + "\n"
    } else {
        report.print(Page::for_standard_output())
    };
    put(&text)?;
    Ok(selftest::exit_code(&report))
}

/// Prints what programs need.
fn show(request: &shown::Request) -> anyhow::Result<ExitCode> {
    let found = shown::show(request)?;
    let text = if request.json { serde_json::to_string(&found)? + "\n" } else { found.print() };
    put(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what was found: as JSON, or on a page.
fn tell<T: Serialize>(
    here: &Here,
    found: &T,
    print: impl FnOnce(Page) -> String,
) -> anyhow::Result<()> {
    let text = if here.json {
        serde_json::to_string(found)? + "\n"
    } else {
        print(Page::for_standard_output())
    };
    put(&text)
}

/// Prints metrics.
fn measure(config: &Path) -> anyhow::Result<ExitCode> {
    let text = hand::metrics(config)?;
    put(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output.
fn put(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}

/// Prints sentences.
fn say(here: &Here, told: &[String]) -> anyhow::Result<ExitCode> {
    tell(here, &told, |_| told.join("\n") + "\n")?;
    Ok(ExitCode::SUCCESS)
}

/// `EX_TEMPFAIL` of sysexits.h: the same again, later.
const AGAIN: u8 = 75;

/// Makes this host one of a gateway's.
fn enroll(request: &join::Request) -> anyhow::Result<ExitCode> {
    match join::enroll(request)? {
        Joined::Enrolled(membership, key) => {
            println!(
                "This host is {}, certified by {}; its agent renews the certificate by itself.\n\
                 Its signing key: {key}\n\
                 With cofferdam-agent.path, which packages enable, its agent starts now. Without \
                 it, or where one serves already: systemctl restart cofferdam-agent",
                membership.host, membership.authority
            );
            Ok(ExitCode::SUCCESS)
        }
        Joined::Pending(key) => {
            println!(
                "Its signing key: {key}\n\
                 The gateway's owner has to approve this host: `cofferdam host show`, which shows the \
                 same key, and `cofferdam host approve` there; then the same command here. `--wait` \
                 waits."
            );
            Ok(ExitCode::from(AGAIN))
        }
    }
}

/// Ends everything, and says whether something is left.
fn end_all(here: &Here) -> anyhow::Result<ExitCode> {
    let end = hand::kill_all(here)?;
    tell(here, &end, |_| end.print())?;
    Ok(if end.left == 0 && end.frozen { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(file: &Path) -> anyhow::Result<ExitCode> {
    let told = hand::check_ceiling(file).map_err(|error| anyhow!(error))?;
    let text = told.join("\n") + "\n";
    put(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows what remains; removes nothing.
fn remaining(here: &Here) -> anyhow::Result<ExitCode> {
    let found = hand::remains(here)?;
    tell(here, &found, |page| remains::print(&found, page))?;
    Ok(ExitCode::SUCCESS)
}

/// Performs one of doctor's trials: no word is a good word.
fn perform(arguments: &[OsString]) -> ExitCode {
    match trial::perform(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn store() -> anyhow::Result<Store> {
    Store::of_service_manager().context(
        "`--descriptor-store` needs a service manager that keeps descriptors, such as systemd",
    )
}

/// Takes over the descriptors that the command line names.
fn adopt(arguments: &Serve) -> anyhow::Result<Inherited> {
    let take = |name: &str, number: Option<RawFd>| -> anyhow::Result<Option<OwnedFd>> {
        number
            .map(|number| {
                sys::adopt(number).with_context(|| format!("`--{name} {number}` is no descriptor"))
            })
            .transpose()
    };
    Ok(Inherited {
        warden: take("warden-fd", arguments.warden_fd)?,
        proxy: take("proxy-fd", arguments.proxy_fd)?,
        ready: take("ready-fd", arguments.ready_fd)?,
        lifeline: take("lifeline-fd", arguments.lifeline_fd)?,
        store: if arguments.descriptor_store { store()? } else { Store::default() },
        left: if arguments.descriptor_store { service_manager::handed_over()? } else { Vec::new() },
        control: None,
    })
}
