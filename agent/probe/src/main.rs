//! `cofferdam-probe`: runs inside a cell and tries what must not work.
//!
//! `cofferdam-probe NAME` makes one attempt. Exit code 0: it was possible;
//! 1: it was refused, and the errno is printed; anything else: the attempt
//! could not be made. `cofferdam-probe list` prints every name, with `--numbers`
//! followed by the numbers of the checklist's lines that it tries.
//!
//! Started by `cofferdam-agent selftest` and by the tests; it holds nothing and
//! changes nothing that a cell does not let it.

mod attempts;
mod sys;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (name, option) = (arguments.next().unwrap_or_default(), arguments.next());
    if name == "list" {
        list(option.as_deref() == Some("--numbers"));
        return ExitCode::SUCCESS;
    }
    let Some((_, _, attempt)) = attempts::all().find(|(known, _, _)| *known == name) else {
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

fn list(with_numbers: bool) {
    for (name, numbers, _) in attempts::all() {
        if with_numbers {
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            println!("{name} {}", numbers.join(","));
        } else {
            println!("{name}");
        }
    }
}
