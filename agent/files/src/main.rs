//! `cofferdam-files`: file operations inside a cell, one, or with `--resident`
//! many. Started by the agent, not by hand.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{stdin, stdout};
use std::os::fd::AsFd;
use std::process::ExitCode;

fn main() -> ExitCode {
    let served = if std::env::args_os().any(|argument| argument == "--resident") {
        // Not through the standard library's buffer, which writes a frame in two parts
        // wherever it has a line's end in it.
        let output = stdout().as_fd().try_clone_to_owned();
        output.and_then(|output| cofferdam_files::stay(stdin().lock(), File::from(output)))
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
