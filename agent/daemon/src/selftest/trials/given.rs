//! Trials of what a run is given: its workspace's protected paths, its variables,
//! its arguments.

use super::{Tried, refused_if};
use crate::selftest::bench::Bench;
use crate::selftest::verdict::Result;

/// Shorter values are found by chance.
const TELLING: usize = 8;

/// A directory that the plan protects must stay as it is.
pub(super) async fn change_what_is_protected(bench: &Bench) -> Tried {
    let hooks = bench.place_of("hooks");
    let made = bench.once(bench.workspace(), &["mkdir", "-p", &hooks.to_string()]).await?;
    if !made.status.success() {
        return Err(made.said());
    }
    let protected = hooks.clone();
    let cell = bench.cell(|plan| plan.workspace.protected = vec![protected]).await?;
    let line = "echo x >\"$0/hook\" || chmod 700 \"$0\" || mv \"$0\" \"$0-moved\" || rmdir \"$0\"";
    let ran = bench.run(&cell, bench.workspace(), &["sh", "-c", line, &hooks.to_string()]).await;
    bench.end(cell).await;
    let ran = ran?;
    Ok(refused_if(!ran.status.success(), "it was changed"))
}

/// Nothing of this process's own environment may be in that of a run, unless the
/// profile says the same.
pub(super) async fn inherit_the_environment(bench: &Bench) -> Tried {
    let ran = bench.once(bench.workspace(), &["env"]).await?;
    if !ran.status.success() {
        return Err(ran.said());
    }
    let own = std::env::vars().filter(|(_, value)| value.len() >= TELLING);
    let given = |(name, value): &(String, String)| {
        let line = format!("{name}={value}");
        ran.text.lines().any(|it| it == line) && !bench.sets(name)
    };
    let leaked: Vec<String> = own.filter(given).map(|(name, _)| name).collect();
    Ok(refused_if(leaked.is_empty(), format!("it had {}", leaked.join(", "))))
}

/// PID 1 must not take a NUL for an argument's end; it hangs up on who sends one.
pub(super) async fn give_an_argument_with_nul(bench: &Bench) -> Tried {
    let cell = bench.cell(|_| {}).await?;
    let without = bench.run(&cell, bench.workspace(), &["printf", "%s", "ab"]).await;
    let with = bench.run(&cell, bench.workspace(), &["printf", "%s", "a\0b"]).await;
    bench.end(cell).await;
    match (without?.text.as_str(), with) {
        ("ab", Err(_)) => Ok(Result::Refused),
        ("ab", Ok(ran)) => Ok(Result::Possible(format!("it started: {}", ran.said()))),
        (said, _) => Err(format!("printf said `{said}`")),
    }
}
