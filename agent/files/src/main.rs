//! `cofferdam-files`: one file operation inside a cell. Started by the agent,
//! not by hand.
#![forbid(unsafe_code)]

use std::io::{stdin, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cofferdam_files::serve(stdin().lock(), stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cofferdam-files: cannot answer: {error}");
            ExitCode::FAILURE
        }
    }
}
