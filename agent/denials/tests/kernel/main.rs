//! Real sandboxes, real refusals, real records: each test starts this program
//! again as a child that enters Landlock and seccomp as PID 1 of a cell does,
//! and reads what the kernel tells.
//!
//! Needs root in the initial namespaces and audit switched on. With
//! `COFFERDAM_TEST_AUDIT=1` the tests switch it on for their time; that costs
//! every process started meanwhile a little for each system call, until it ends.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod audit;
mod child;
mod told;

const TESTS: [(&str, fn()); 8] = [
    ("a_refusal_after_exec_is_its_run_s", told::a_refusal_after_exec_is_its_run_s),
    ("without_the_flag_nothing_is_told_after_exec", told::without_the_flag_nothing_is_told),
    ("a_refused_exec_is_told", told::a_refused_exec_is_told),
    ("runs_at_the_same_time_are_told_apart", told::runs_at_the_same_time_are_told_apart),
    ("a_refused_call_is_told", told::a_refused_call_is_told),
    ("a_sandbox_of_the_program_s_own_is_only_counted", told::own_sandboxes_are_only_counted),
    ("nothing_else_of_the_host_comes_through", told::nothing_else_of_the_host_comes_through),
    ("what_a_flood_loses_is_counted", told::what_a_flood_loses_is_counted),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_default();
    if first == "child" {
        child::run(&arguments.collect::<Vec<_>>());
    }
    if first == "--list" {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return;
    }
    let _on = match audit::ready() {
        Ok(on) => on,
        Err(reason) => {
            skip(&reason);
            return;
        }
    };
    let chosen = |name: &str| first.is_empty() || first.starts_with('-') || name.contains(&first);
    for (name, test) in TESTS.iter().filter(|(name, _)| chosen(name)) {
        test();
        println!("test {name} ... ok");
    }
}

/// Notes that these tests did not run, where `make test` counts it.
fn skip(reason: &str) {
    use std::io::Write;
    eprintln!("skipped: denials of the kernel: {reason}");
    if let Some(list) = std::env::var_os("COFFERDAM_SKIPPED") {
        let list = std::fs::OpenOptions::new().create(true).append(true).open(list);
        writeln!(list.unwrap(), "denials of the kernel: {reason}").unwrap();
    }
}
