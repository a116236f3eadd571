//! The jobs: few, each one that people have every day, and each with the way that works
//! with these tools.

use serde_json::json;

use super::words::Given;
use super::{Argument, Job};
use crate::completion::Kind;

/// What holds for every job.
const REFUSALS: &str = "\nWhere a call is refused (reason DENIED), the refusal names the rule \
    and what is allowed instead: do that, or say what you would need. Do not try the same in \
    another way. `denials` of a command name what the sandbox refused it; say so, and do not \
    take it for a fault of the program.";

pub(super) const JOBS: &[Job] = &[
    Job {
        name: "run_tests",
        title: "Run the tests and explain failures",
        description: "Runs a project's tests on a host and explains each failure.",
        arguments: &[Argument {
            name: "command",
            description: "The command line that runs the tests. Default: found out.",
            is_required: false,
            completed: Kind::Nothing,
        }],
        needs: &["execute_command", "read_file"],
        text: run_tests,
    },
    Job {
        name: "find_disk_usage",
        title: "Find what uses the disk",
        description: "Finds which directories and files of a host use its disk.",
        arguments: &[Argument {
            name: "path",
            description: "The directory to look beneath. Default: the workspace.",
            is_required: false,
            completed: Kind::Directory,
        }],
        needs: &["execute_command", "get_system_info"],
        text: find_disk_usage,
    },
    Job {
        name: "explain_service",
        title: "Look why a service fails",
        description: "Looks at a service's state and journal and explains why it fails.",
        arguments: &[Argument {
            name: "unit",
            description: "The unit, such as nginx.service.",
            is_required: true,
            completed: Kind::Nothing,
        }],
        needs: &["read_service"],
        text: explain_service,
    },
    Job {
        name: "start_server",
        title: "Start a development server and check it",
        description: "Starts a server in the background, waits until it serves, and checks it.",
        arguments: &[
            Argument {
                name: "command",
                description: "The command line that starts the server.",
                is_required: true,
                completed: Kind::Nothing,
            },
            Argument {
                name: "url",
                description: "What to ask of it, such as http://127.0.0.1:3000/.",
                is_required: false,
                completed: Kind::Nothing,
            },
        ],
        needs: &["start_process", "read_process"],
        text: start_server,
    },
    Job {
        name: "review_changes",
        title: "Review the workspace's changes",
        description: "Reviews what was changed in a project's workspace since a revision.",
        arguments: &[
            Argument {
                name: "base",
                description: "The revision to compare with. Default: HEAD.",
                is_required: false,
                completed: Kind::Nothing,
            },
            Argument {
                name: "path",
                description: "Only what lies at or beneath this path.",
                is_required: false,
                completed: Kind::Path,
            },
        ],
        needs: &["execute_command", "read_file"],
        text: review_changes,
    },
    Job {
        name: "clean_up",
        title: "See what was left running and end it",
        description: "Shows your processes and sessions, and ends those that nobody needs.",
        arguments: &[Argument {
            name: "session",
            description: "The id of a session that is not needed any more.",
            is_required: false,
            completed: Kind::Session,
        }],
        needs: &["list_processes", "signal_process"],
        text: clean_up,
    },
];

fn run_tests(given: &Given) -> String {
    let first = match given.get("command") {
        Some(command) => {
            format!("Call {}.", given.call("execute_command", json!({ "command": command })))
        }
        None => format!(
            "Find out how the tests are run: {}, then `read_file` of what tells it (README, \
             Makefile, package.json, Cargo.toml, pyproject.toml). Then call `execute_command` with \
             that command line.",
            given.call("list_directory", json!({ "path": "." }))
        ),
    };
    format!(
        "Run the tests of the project and explain what fails. Change nothing.\n\n\
         1. {first}\n\
         2. If the answer says that it is still running, do not start it again: `wait_process` \
         with its `process` waits for the end, as often as it takes.\n\
         3. If output was left out, search all of it instead of guessing: `read_process` with \
         `process`, `grep` (such as \"FAIL|error|panicked\") and `context`.\n\
         4. For each failure read the test and the code that it tests: `search_files` finds the \
         place, `read_file` with `first_line` and `lines` shows it.\n\n\
         Tell how many tests passed and failed, and for each failure: its name, what it expected, \
         what happened, the cause with file and line, and what you would change.{}{REFUSALS}",
        given.everywhere()
    )
}

fn find_disk_usage(given: &Given) -> String {
    let path = given.get("path").unwrap_or(".");
    let usage = json!({
        "program": "du", "arguments": ["-x", "-k", "-d", "2", "--", path], "timeout_seconds": 300,
    });
    format!(
        "Find what uses the disk. Remove nothing.\n\n\
         1. {} tells which file systems there are and how full they are.\n\
         2. {} tells how large directories are, in KiB. If it is still running, `wait_process` \
         waits for its end; then `read_process` with `tail` or `grep` reads what was left out.\n\
         3. Look into the largest ones in the same way, deeper. `list_directory` shows the sizes \
         of files.\n\
         4. Where `du` is not permitted, `list_directory` with `depth` and the sizes of files give \
         a first answer.\n\n\
         Tell the largest directories and files with their sizes, what they are (build output, \
         caches, logs, data), which of them could be made again, and what removing them would \
         take.{}{REFUSALS}",
        given.call("get_system_info", json!({})),
        given.call("execute_command", usage),
        given.everywhere()
    )
}

fn explain_service(given: &Given) -> String {
    let unit = given.get("unit").unwrap_or_default();
    format!(
        "Look why a service fails, and explain it. Change nothing.\n\n\
         1. {} tells its state, its last exit and its restarts.\n\
         2. {} tells its last warnings and errors; without `priority` all that it wrote. Read \
         back in time with `before` and the answer's `older`, until you see the first failure, not \
         only those that followed from it.\n\
         3. If it waits for another unit, look at that one in the same way.\n\
         4. If the journal names a file, `read_file` shows it where that is permitted.\n\n\
         Tell what failed first and when, the line that shows it, the likely cause and how sure \
         you are, and what its owner could do.{}{REFUSALS}",
        given.call("read_service", json!({ "what": "status", "unit": unit })),
        given.call(
            "read_service",
            json!({ "what": "journal", "unit": unit, "priority": "warning" })
        ),
        given.everywhere()
    )
}

fn start_server(given: &Given) -> String {
    let command = given.get("command").unwrap_or_default();
    let check = match given.get("url") {
        Some(url) => format!(
            "{} asks it; where curl is not permitted, say so instead of trying another program.",
            given.call(
                "execute_command",
                json!({
                    "program": "curl", "arguments": ["-sS", "-i", "--max-time", "10", url],
                })
            )
        ),
        None => "Ask it for something, at the address that it printed, with `execute_command`: \
                 commands of one session reach each other's servers on 127.0.0.1, where the \
                 profile allows it."
            .to_owned(),
    };
    format!(
        "Start a server in the background and check that it works.\n\n\
         1. Call {}. It answers at once with the handle `process`; note it.\n\
         2. `read_process` with that `process`, `pattern` (what the server prints once it serves, \
         such as \"listening|ready|running on\") and `wait_seconds` 30 waits until it serves or \
         ends. Do not sleep and ask again.\n\
         3. If it ended, its output and outcome tell why: explain it, and stop.\n\
         4. {check}\n\
         5. `read_process` from the last offsets on shows what the server printed meanwhile.\n\n\
         Tell the handle, the address, what it answered, and how to end it: `signal_process` with \
         `signal` \"TERM\". Leave it running. It ends by itself after `timeout_seconds` (3600 \
         unless you say otherwise).{}{REFUSALS}",
        given.call("start_process", json!({ "command": command })),
        given.everywhere()
    )
}

fn review_changes(given: &Given) -> String {
    let base = given.get("base").unwrap_or("HEAD");
    let path = given.get("path").unwrap_or(".");
    let git = |first: &[&str]| {
        let mut arguments = first.to_vec();
        arguments.extend(["--end-of-options", base, "--", path]);
        given.call("execute_command", json!({ "program": "git", "arguments": arguments }))
    };
    let status = json!({ "program": "git", "arguments": ["status", "--short", "--", path] });
    format!(
        "Review what was changed in the workspace. Change nothing.\n\n\
         1. {} tells which files were changed or are new.\n\
         2. {} tells how much of each; then {} shows the changes. If output was left out, read \
         the rest by its handle with `read_process`, or file by file.\n\
         3. New files are not in the diff: `read_file` shows them.\n\
         4. Read around each change with `read_file` (`first_line`, `lines`) before you judge it; \
         `search_files` finds who else uses what was changed.\n\n\
         Tell, by weight: mistakes with file and line and why they are mistakes, what is missing \
         (tests, errors that nobody handles, documentation), and what could be simpler. Say which \
         of it you are sure of. If all is well, say that in one line.{}{REFUSALS}",
        given.call("execute_command", status),
        git(&["diff", "--stat"]),
        git(&["diff"]),
        given.everywhere()
    )
}

fn clean_up(given: &Given) -> String {
    let session = match given.quoted("session") {
        Some(session) => format!(
            "`close_session` with {{\"session\": {session}}} ends that session with all that runs \
             in it."
        ),
        None => "`close_session` ends a session that nobody needs, with all that runs in it. Ask \
                 the person you work for before you close one."
            .to_owned(),
    };
    format!(
        "See what was left running and end what nobody needs any more.\n\n\
         1. {} lists your processes that run; `list_sessions` lists your sessions.\n\
         2. For each process that is not known to be needed, `read_process` with `tail` 20 and \
         `wait_seconds` 0 shows what it did last.\n\
         3. Ask the person you work for which may end, unless they have said it.\n\
         4. `signal_process` with `signal` \"TERM\" ends one in order, and `wait_process` tells \
         how; after ten seconds without an end \"KILL\" ends it with all that it started.\n\
         5. {session}\n\n\
         Tell what ran, what you ended and how it ended, and what is left.{}{REFUSALS}",
        given.call("list_processes", json!({ "state": "running" })),
        given.everywhere()
    )
}
