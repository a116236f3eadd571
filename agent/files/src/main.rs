//! `cofferdam-files`: file operations inside a cell, one, or with `--resident`
//! many. Started by the agent, not by hand.
#![forbid(unsafe_code)]

use std::io::{stdin, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let served = if std::env::args_os().any(|argument| argument == "--resident") {
        cofferdam_files::stay(stdin().lock(), stdout())
    } else {
        cofferdam_files::serve(stdin().lock(), stdout().lock())
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cofferdam-files: cannot answer: {error}");
            ExitCode::FAILURE
        }
    }
}
