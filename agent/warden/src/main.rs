//! `cofferdam-warden`: the only part of Cofferdam that is root.
//!
//! One thread, no network, no async runtime. It reads bounded frames from one
//! agent, checks each plan against the root-owned ceiling, and forks a builder
//! that turns into PID 1 of a cell. Output bytes never pass through here.
//!
//! Words: a **plan** is what the agent asks for; **admission** ([`admit`])
//! proves that it is below the ceiling; the **builder** ([`builder`]) is the
//! forked child that builds the cell from inside; a **lease** ([`lease`]) is a
//! uid that no other cell has.

mod admit;
mod audit;
mod builder;
mod cell;
mod cgroup;
mod lease;
mod options;
mod serve;
mod sys;

use std::process::ExitCode;

use crate::options::Options;

fn main() -> ExitCode {
    let options = Options::parse(std::env::args_os().skip(1)).map_err(|error| error.to_string());
    match options.and_then(serve::serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cofferdam-warden: {error}");
            ExitCode::FAILURE
        }
    }
}
