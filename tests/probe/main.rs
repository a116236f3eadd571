//! `cofferdam-probe`: runs inside a cell and tries what must not work.
//!
//! `cofferdam-probe NAME` makes one attempt. Exit code 0: it was possible;
//! 1: it was refused, and the errno is printed; anything else: the attempt
//! could not be made. `cofferdam-probe list` prints every name.

mod attempts;
mod sys;

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    if name == "list" {
        for (name, _) in attempts::ALL {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    }
    let Some((_, attempt)) = attempts::ALL.iter().find(|(known, _)| *known == name) else {
        eprintln!("no attempt is called `{name}`");
        return ExitCode::from(2);
    };
    match attempt() {
        Ok(what) => {
            println!("possible: {what}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("refused: {error}");
            ExitCode::FAILURE
        }
    }
}
