//! The files that are written: rules, a ceiling, and a gateway's hosts and projects.
//!
//! They are read by their own parsers first, so that nothing is written that could
//! not be taken.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cofferdam_ceiling::Ceiling;
use cofferdam_policy::{RuleErrors, RuleSet};
use cofferdam_trust::{DEFAULT_TRUST_DOMAIN, NameError, PeerName, Role};

use super::found::{Found, Limits, Line, Program, Project};

/// Why nothing, or not all, was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    /// The gateway's name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Rules came out that could not be taken.
    #[error("the rules that come out cannot be taken, so nothing was written: {0}")]
    Rules(RuleErrors),
    /// A ceiling came out that could not be taken.
    #[error("the ceiling that comes out cannot be taken, so nothing was written: {0}")]
    Ceiling(String),
    /// A file that is there already.
    #[error("`{0}` is there already; nothing is overwritten: choose another directory")]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A file that comes out: its name and its text.
pub(super) type Text = (&'static str, String);

/// The files that come out, each read by its own parser.
pub(super) fn texts(found: &mut Found, gateway: &str) -> Result<Vec<Text>, OutputError> {
    let gateway = PeerName::new(DEFAULT_TRUST_DOMAIN, Role::Gateway, gateway)?;
    add_workspaces(found);
    note_network(found);
    let rules = rules(found);
    RuleSet::parse(&[("rules.toml", &rules)], [0; 32]).map_err(OutputError::Rules)?;
    let ceiling = ceiling(found, &gateway);
    Ceiling::parse(&ceiling).map_err(|error| OutputError::Ceiling(error.to_string()))?;
    let mut texts = vec![("rules.toml", rules), ("ceiling.toml", ceiling)];
    if !found.projects.is_empty() {
        texts.push(("gateway-hosts.toml", hosts(&found.projects)));
    }
    Ok(texts)
}

/// Why nothing could be made of this alone; none: it can be taken.
pub(super) fn refusal(alone: &Found) -> Option<String> {
    if let Err(errors) = RuleSet::parse(&[("rules.toml", &rules(alone))], [0; 32]) {
        let first = errors.errors.first().map(|error| format!("{}; {}", error.message, error.help));
        return Some(first.unwrap_or_else(|| errors.to_string()));
    }
    let gateway = PeerName::new(DEFAULT_TRUST_DOMAIN, Role::Gateway, "main").ok()?;
    Ceiling::parse(&ceiling(alone, &gateway)).err().map(|error| error.to_string())
}

/// Writes them, where none of them is there.
pub(super) fn write(texts: &[Text], directory: &Path) -> Result<Vec<PathBuf>, OutputError> {
    let files = texts.iter().map(|(name, _)| directory.join(name)).collect::<Vec<_>>();
    if let Some(there) = files.iter().find(|path| path.exists()) {
        return Err(OutputError::Exists(there.clone()));
    }
    let failed = |path: &Path, source| OutputError::Write { path: path.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(|source| failed(directory, source))?;
    for (path, (_, text)) in files.iter().zip(texts) {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o644).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|source| failed(path, source))?;
    }
    Ok(files)
}

/// Workspaces of projects are directories that could be changed.
fn add_workspaces(found: &mut Found) {
    for workspace in found.projects.iter().filter_map(|project| project.workspace.clone()) {
        if !found.writable.contains(&workspace) {
            found.writable.push(workspace);
        }
    }
}

/// What nobody wrote down before, and is different here.
fn note_network(found: &mut Found) {
    found.lines.push(Line {
        file: String::new(),
        key: "(network)".to_owned(),
        value: String::new(),
        became: None,
        note: "commands reached the whole network; here they reach nothing, until a rule names a \
               profile such as `default-network` and the ceiling's `network.proxy` the destinations"
            .to_owned(),
    });
}

fn rules(found: &Found) -> String {
    let mut out = String::from(
        "# Rules made by `cofferdam migrate`. Read them: what was a string is a program with its\n\
         # first arguments now, and what is not named here is denied.\n\
         #   cofferdam policy check rules.toml\n\
         version = 1\n",
    );
    let Found { allowed, blocked, writable, readable, closed, limits, .. } = found;
    if !allowed.is_empty() {
        rule(&mut out, "allowed-commands", "allow", "from allowed_commands");
        programs(&mut out, allowed);
        out.push_str("shell = \"parsed\"\n[rule.grant]\nprofile = \"default\"\n");
        out.push_str("workspace_access = \"write\"\n");
        grant_limits(&mut out, limits);
    }
    if !blocked.is_empty() {
        rule(&mut out, "blocked-commands", "deny", "from blocked_commands");
        programs(&mut out, blocked);
    }
    for (id, effect, mode, list) in [
        ("files-to-change", "allow", "write", writable),
        ("files-to-read", "allow", "read", readable),
        ("closed-paths", "deny", "read", closed),
    ] {
        if list.is_empty() {
            continue;
        }
        rule(&mut out, id, effect, "from path_restrictions");
        out.push_str("paths = [\n");
        for path in list {
            _ = writeln!(out, "    {{ beneath = {}, mode = {} }},", quoted(path), quoted(mode));
        }
        out.push_str("]\n");
    }
    rule(&mut out, "look-around", "allow", "the host and what can run there");
    out.push_str("tools = [\"get_system_info\", \"list_hosts\"]\n");
    out
}

fn rule(out: &mut String, id: &str, effect: &str, reason: &str) {
    _ = write!(out, "\n[[rule]]\nid = \"{id}\"\neffect = \"{effect}\"\nreason = \"{reason}\"\n");
}

fn programs(out: &mut String, programs: &[Program]) {
    out.push_str("programs = [\n");
    for Program { name, first } in programs {
        let kind = if name.starts_with('/') { "path" } else { "name" };
        _ = write!(out, "    {{ {kind} = {}", quoted(name));
        if !first.is_empty() {
            let first: Vec<_> = first.iter().map(|word| quoted(word)).collect();
            _ = write!(out, ", args = [{}, {{ rest = true }}]", first.join(", "));
        }
        out.push_str(" },\n");
    }
    out.push_str("]\n");
}

fn grant_limits(out: &mut String, limits: &Limits) {
    let Limits { memory, processes, cpu_millis, usual_wall, output, file_size, open_files, .. } =
        limits;
    let size = |bytes: &Option<u64>| bytes.map(|bytes| format!("\"{bytes}B\""));
    let number = |number: &Option<u64>| number.map(|number| number.to_string());
    let limits = [
        ("memory", size(memory)),
        ("processes", number(processes)),
        ("cpu_millis", number(cpu_millis)),
        ("wall", usual_wall.map(|seconds| format!("\"{seconds}s\""))),
        ("output", size(output)),
        ("file_size", size(file_size)),
        ("open_files", number(open_files)),
    ];
    let set: Vec<_> = limits
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} = {}", value?)))
        .collect();
    if !set.is_empty() {
        _ = writeln!(out, "limits = {{ {} }}", set.join(", "));
    }
}

fn ceiling(found: &Found, gateway: &PeerName) -> String {
    let Found { writable, limits, .. } = found;
    let Limits {
        memory,
        processes,
        cpu_millis,
        usual_wall,
        most_wall,
        output,
        file_size,
        open_files,
    } = limits;
    let roots: Vec<_> = writable.iter().map(|path| quoted(path)).collect();
    let size = |bytes: &Option<u64>, usual: &str| {
        bytes.map_or(format!("\"{usual}\""), |bytes| format!("\"{bytes}B\""))
    };
    let number = |number: &Option<u64>, usual: u64| number.unwrap_or(usual).to_string();
    let wall = most_wall.or(*usual_wall).map_or("1h".to_owned(), |seconds| format!("{seconds}s"));
    format!(
        "# A ceiling made by `cofferdam migrate`: the most that any caller may ever get on this\n\
         # host. Read it, then put it at /etc/cofferdam/ceiling.toml, owned by root, mode 0644.\n\
         version = 1\n\n\
         [peers]\ngateways = [\"{gateway}\"]\n\n\
         [workspaces]\nroots = [{}]\nallow_root_owned = false\nallow_execute = true\n\n\
         [view]\nread = [\"/usr\", \"/etc\", \"/opt\", \"/dev/null\", \"/dev/zero\", \"/dev/full\", \
         \"/dev/random\", \"/dev/urandom\"]\n\n\
         [programs]\nexecute = [\"/usr\", \"/opt\"]\n\n\
         [profiles]\nallow = [\"readonly\", \"strict\", \"default\", \"build\"]\n\n\
         [network]\nallow_host = false\nproxy = []\n\n\
         [limits]\ncells = 64\nmemory = {}\nswap = \"0B\"\nprocesses = {}\ncpu_millis = {}\n\
         wall = \"{wall}\"\noutput = {}\nfile_size = {}\nopen_files = {}\nscratch = \"1GiB\"\n\n\
         [enforcement]\nallow_degraded = false\n",
        roots.join(", "),
        size(memory, "4GiB"),
        number(processes, 512),
        number(cpu_millis, 2000),
        size(output, "64MiB"),
        size(file_size, "4GiB"),
        number(open_files, 4096),
    )
}

/// What belongs into a gateway's configuration. A host's address and key are known
/// when its agent is set up, so they are left to be filled in.
fn hosts(projects: &[Project]) -> String {
    let mut out = String::from(
        "# Hosts and projects made by `cofferdam migrate`, to be put into gateway.toml. Address\n\
         # and key of a host are printed when its agent is set up: fill them in.\n",
    );
    let mut names: Vec<&str> = projects.iter().map(|project| project.host.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        _ = write!(
            out,
            "\n[[host]]\nname = {0}\n# address = \"{name}:8461\"\n\
             agent = \"spiffe://{DEFAULT_TRUST_DOMAIN}/agent/{name}\"\n# key = \"ed25519:…\"\n",
            quoted(name)
        );
    }
    for Project { name, host, workspace } in projects {
        _ = write!(out, "\n[[project]]\nname = {}\n", quoted(name));
        match workspace {
            Some(workspace) => _ = writeln!(out, "workspace = {}", quoted(workspace)),
            None => out.push_str("# workspace = \"/…\"\n"),
        }
        _ = writeln!(out, "hosts = [{}]", quoted(host));
    }
    out
}

/// A TOML basic string (TOML 1.0, «String»): JSON's escapes are TOML's, too, but
/// for DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}
