//! `cofferdam`, the person's command.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cofferdam_command::main()
}
