//! What `cofferdam dev` writes for its parts: the ceiling, a profile, rules, and
//! the two daemons' configuration. Pure text; tests read each with its real
//! parser.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use cofferdam_proxy_protocol::Destination;

use cofferdam_trust::VerifyingKey;

use super::surroundings::{HOME, PROGRAM_DIRECTORIES, Surroundings};

/// Names in certificates, configuration and records.
pub(super) const GATEWAY: &str = "main";
pub(super) const HOST: &str = "local";
pub(super) const PROJECT: &str = "dev";
pub(super) const PROFILE: &str = "dev";

/// What of /etc programs commonly read; nothing with secrets.
const ETC: [&str; 28] = [
    "alternatives/",
    "ssl/certs/",
    "ssl/openssl.cnf",
    "ca-certificates/",
    "pki/",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d/",
    "nsswitch.conf",
    "protocols",
    "services",
    "mime.types",
    "magic",
    "localtime",
    "timezone",
    "os-release",
    "debian_version",
    "lsb-release",
    "inputrc",
    "profile",
    "bash.bashrc",
    "terminfo/",
    "perl/",
    "python3/",
    "java-17-openjdk/",
    "java-21-openjdk/",
    "maven/",
    "fonts/",
];

/// The limits of a ceiling and a profile for one person's machine.
const LIMITS: &str = r#"memory = "4GiB"
swap = "0B"
processes = 1024
cpu_millis = 64000
wall = "24h"
output = "64MiB"
file_size = "8GiB"
open_files = 8192
"#;

/// Everything that is shown: a path ends in a slash where all beneath is meant.
struct Shown {
    /// May be executed.
    programs: Vec<String>,
    /// May only be read.
    data: Vec<String>,
}

impl Shown {
    fn of(surroundings: &Surroundings) -> Self {
        let beneath = |path: &Path| format!("{}/", path.display());
        let toolchains = &surroundings.toolchains;
        let mut programs: Vec<String> =
            PROGRAM_DIRECTORIES.iter().map(|path| beneath(Path::new(path))).collect();
        programs.extend(toolchains.iter().flat_map(|it| &it.programs).map(|path| beneath(path)));
        let mut data: Vec<String> = ETC.iter().map(|name| format!("/etc/{name}")).collect();
        data.extend(toolchains.iter().flat_map(|it| &it.data).map(|path| beneath(path)));
        for list in [&mut programs, &mut data] {
            list.sort();
            list.dedup();
        }
        Self { programs, data }
    }

    fn all(&self) -> Vec<String> {
        [self.programs.clone(), self.data.clone()].concat()
    }
}

/// The host owner's word: nothing beyond the workspace, the programs, and what
/// was named of the network.
pub(super) fn ceiling(
    surroundings: &Surroundings,
    worker: &Path,
    destinations: &[Destination],
) -> String {
    let shown = Shown::of(surroundings);
    let worker = [worker.display().to_string()];
    let read = [&shown.all()[..], &worker].concat();
    let execute = [&shown.programs[..], &worker].concat();
    format!(
        r#"# Made by `cofferdam dev`: the most that any caller gets on this machine.
version = 1

[peers]
gateways = ["spiffe://cofferdam/gateway/{GATEWAY}"]

[workspaces]
roots = [{workspace}]
allow_root_owned = {root_owned}
allow_execute = true

[view]
read = {read}

[programs]
execute = {execute}

[profiles]
allow = [
    "readonly", "strict", "default", "build", "default-network", "build-network", "{PROFILE}",
]

[network]
allow_host = false
proxy = {network}

[limits]
cells = 64
{LIMITS}scratch = "4GiB"

# A try-out on whatever machine this is: what it cannot give is reported.
[enforcement]
allow_degraded = true
"#,
        workspace = quoted(&surroundings.workspace.display().to_string()),
        root_owned = surroundings.root_owned,
        read = list(&read),
        execute = list(&execute),
        network = list(&texts(destinations)),
    )
}

fn texts(destinations: &[Destination]) -> Vec<String> {
    destinations.iter().map(ToString::to_string).collect()
}

/// Change the workspace, run what is installed and what was built.
pub(super) fn profile(surroundings: &Surroundings, destinations: &[Destination]) -> String {
    let shown = Shown::of(surroundings);
    let network = match texts(destinations).as_slice() {
        [] => "mode = \"none\"".to_owned(),
        named => format!("mode = \"proxy\"\nallow = {}", list(named)),
    };
    let path: Vec<String> =
        surroundings.search_path.iter().take(64).map(|path| path.display().to_string()).collect();
    let environment = environment(surroundings);
    format!(
        r#"# Made by `cofferdam dev`: the host's programs and the caller's toolchains.
version = 1
description = "Change the workspace and execute what was built in it."

[workspace]
access = "write"
execute = true
# What other programs of the caller's read and execute without asking, as far
# as it is there now.
protect = {protect}

[view]
show = {show}
read = {show}

[programs]
path = {path}
execute = {execute}

[home]
path = "{HOME}"
size = "1GiB"
execute = true

[[scratch]]
path = "/tmp"
size = "2GiB"
execute = true

[[scratch]]
path = "/var/tmp"
size = "256MiB"

[[scratch]]
path = "/dev/shm"
size = "256MiB"

[network]
loopback = true
{network}

[syscalls]
filter = "cell"

[limits]
{LIMITS}
[session]
background = true

[environment]
set = {{ {environment} }}

[enforcement]
may_lack = "all"
"#,
        protect = list(&surroundings.protected),
        show = list(&shown.all()),
        path = list(&path),
        execute = list(&shown.programs),
    )
}

/// What every command finds set.
fn environment(surroundings: &Surroundings) -> String {
    let mut environment = String::from("LANG = \"C.UTF-8\", TERM = \"dumb\"");
    let mut variables: Vec<_> =
        surroundings.toolchains.iter().flat_map(|it| &it.environment).collect();
    variables.sort();
    variables.dedup_by_key(|(name, _)| *name);
    for (name, value) in variables {
        _ = write!(environment, ", {name} = {}", quoted(&value.display().to_string()));
    }
    environment
}

/// Whoever has the token may work in the workspace. Which programs there are is
/// said by the profile and the ceiling. What begins like one of `asks` waits until
/// somebody agrees, who may be whoever asked: nobody else is there.
pub(super) fn rules(asks: &[String]) -> String {
    let asking = asks.iter().enumerate().map(|(index, line)| ask_rule(index + 1, line));
    format!(
        r#"# Made by `cofferdam dev`. What no rule allows is denied.
version = 1
profiles = ["readonly", "default", "build", "{PROFILE}"]

[[rule]]
id = "dev-run"
effect = "allow"
reason = "a try-out: any program that the profile has, in the workspace"
projects = ["{PROJECT}"]
tools = ["execute_command", "start_process"]
programs = [{{ any = true }}]
paths = [{{ beneath = "/", mode = "write" }}]
shell = "opaque"
environment = ["*"]
grant = {{ profile = "{PROFILE}", workspace_access = "write" }}

[[rule]]
id = "dev-files"
effect = "allow"
reason = "a try-out: files of the workspace"
projects = ["{PROJECT}"]
paths = [{{ beneath = "workspace", mode = "write" }}]
grant = {{ profile = "{PROFILE}", workspace_access = "write" }}

[[rule]]
id = "dev-look"
effect = "allow"
reason = "a try-out: what is there"
tools = ["get_system_info", "check_command_exists", "list_hosts"]
programs = [{{ any = true }}]
grant = {{ profile = "{PROFILE}" }}
{}"#,
        asking.collect::<String>()
    )
}

/// A rule that asks before a program, with what arguments it begins; the line is
/// split at spaces.
fn ask_rule(number: usize, line: &str) -> String {
    let mut words = line.split_whitespace().map(quoted);
    let name = words.next().unwrap_or_else(|| quoted("*"));
    let mut arguments: Vec<String> = words.collect();
    arguments.push("{ rest = true }".to_owned());
    format!(
        r#"
[[rule]]
id = "dev-ask-{number}"
effect = "ask"
reason = {reason}
tools = ["execute_command", "start_process"]
programs = [{{ name = {name}, args = [{arguments}] }}]
paths = [{{ beneath = "/", mode = "write" }}]
shell = "opaque"
environment = ["*"]
grant = {{ profile = "{PROFILE}", workspace_access = "write" }}
approval = {{ own = true }}
"#,
        reason = quoted(&format!("`cofferdam dev --ask '{line}'` says so")),
        arguments = arguments.join(", "),
    )
}

/// `agent.toml`; its files lie beside it.
pub(super) fn agent(ceiling: &Path, worker: &Path, gateway: VerifyingKey) -> String {
    format!(
        r#"# Made by `cofferdam dev`.
name = "{HOST}"
listen = "127.0.0.1:0"
ceiling = {ceiling}
profiles = "../profiles"
control = "control.sock"
worker = {worker}

[identity]
certificate = "{HOST}.crt"
key = "{HOST}.key"
authorities = "ca.crt"

[signing]
key = "signing.key"

[gateways]
keys = ["{gateway}"]

[journal]
directory = "journal"
"#,
        ceiling = quoted(&ceiling.display().to_string()),
        worker = quoted(&worker.display().to_string()),
    )
}

/// `gateway.toml`; its files lie beside it.
pub(super) fn gateway(
    listen: SocketAddr,
    workspace: &Path,
    agent: SocketAddr,
    key: VerifyingKey,
) -> String {
    format!(
        r#"# Made by `cofferdam dev`.
name = "{GATEWAY}"
listen = "{listen}"
state = "state.sqlite"
rules = "rules.toml"

[identity]
certificate = "{GATEWAY}.crt"
key = "{GATEWAY}.key"
authorities = "ca.crt"

[signing]
key = "signing.key"

[journal]
directory = "journal"

# Nobody else is here to be kept out.
[limits]
requests_per_second_per_subject = 20000

[[host]]
name = "{HOST}"
address = "{agent}"
agent = "spiffe://cofferdam/agent/{HOST}"
key = "{key}"

[[project]]
name = "{PROJECT}"
workspace = {workspace}
hosts = ["{HOST}"]
"#,
        workspace = quoted(&workspace.display().to_string()),
    )
}

/// A TOML string. JSON's escapes are TOML's, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    let mut out = String::from("[\n");
    for text in texts {
        _ = writeln!(out, "    {},", quoted(text));
    }
    out + "]"
}

#[cfg(test)]
mod tests;
