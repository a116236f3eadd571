//! What ran against what was seen.

use std::path::Path;

use cofferdam_policy::{Script, Word};

use crate::bash::{self, Bash, Mood, Started, Trace};

/// Well-behaved stubs, and such that answer with what runs a command.
const MOODS: [Mood; 3] = [
    Mood { says: "out", ends: "0", variables: "a[$(canary)]" },
    Mood { says: "a[$(canary)]", ends: "1", variables: "-v a[$(canary)]" },
    Mood { says: "-v a[$(canary)] = x", ends: "0", variables: "$(canary) * `canary` ; canary" },
];

/// Each way in which bash did more than `script` tells of. A line that is not
/// seen through is not run.
pub(crate) fn differences(bash: &mut Bash, line: &str, script: &Script) -> Vec<String> {
    if script.is_opaque() {
        return Vec::new();
    }
    // Only what stubs say and end with can lead elsewhere.
    let moods = if line.contains(['$', '`', '&', '|', '!']) || line.contains("do") {
        MOODS.as_slice()
    } else {
        &MOODS[..1]
    };
    moods
        .iter()
        .flat_map(|mood| in_one(&bash.run(line, *mood), script))
        .map(|wrong| format!("{line:?}: {wrong}; seen: {}", seen(script)))
        .collect()
}

fn seen(script: &Script) -> String {
    let commands: Vec<String> = script.commands.iter().map(ToString::to_string).collect();
    format!("{commands:?}, {:?}, {:?}", script.redirections, script.environment)
}

fn in_one(trace: &Trace, script: &Script) -> Vec<String> {
    let mut wrong = Vec::new();
    if trace.refused {
        wrong.push("bash refuses it".to_owned());
    }
    for started in &trace.started {
        wrong.extend(why_unseen(started, script));
    }
    for path in &trace.written {
        if !may_write(path, script) {
            wrong.push(format!("bash wrote `{path}`"));
        }
    }
    wrong
}

fn why_unseen(started: &Started, script: &Script) -> Option<String> {
    let is_seen = script.commands.iter().any(|command| {
        let name = command.program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        name == started.name.as_bytes()
            && !command.harmless
            && matches(&command.arguments, &started.arguments)
    });
    if !is_seen {
        return Some(format!("bash ran {started:?}"));
    }
    if script.directories.is_empty() && !started.directory.is_empty() {
        return Some(format!("bash went to `{}`", started.directory));
    }
    let unseen =
        started.environment.difference(&script.environment).find(|name| !is_of_scripts(name))?;
    Some(format!("bash exported `{unseen}`"))
}

/// The caller exported these, and the rules see that by itself.
fn is_of_scripts(name: &str) -> bool {
    bash::HOSTILE.contains(&name) && name.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Whether `seen` may have become `real`.
fn matches(seen: &[Word], real: &[Vec<u8>]) -> bool {
    match seen.split_first() {
        None => real.is_empty(),
        Some((Word::Literal(text), rest)) => {
            real.first() == Some(text) && matches(rest, &real[1..])
        }
        Some((Word::Unknown { splits: false }, rest)) => {
            !real.is_empty() && matches(rest, &real[1..])
        }
        Some((Word::Unknown { splits: true }, rest)) => {
            (0..=real.len()).any(|taken| matches(rest, &real[taken..]))
        }
    }
}

/// Whether a redirection names the file. After `cd` any directory before it will do.
fn may_write(path: &str, script: &Script) -> bool {
    script.redirections.iter().filter(|redirection| redirection.writes).any(|redirection| {
        let named = String::from_utf8_lossy(&redirection.path).into_owned();
        let named = named.trim_start_matches("./");
        if script.directories.is_empty() {
            Path::new(path) == Path::new(named)
        } else {
            Path::new(path).ends_with(named)
        }
    })
}
