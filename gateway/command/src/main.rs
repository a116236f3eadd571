//! `cofferdam`, the person's command.

fn main() {}
