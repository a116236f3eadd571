//! What Landlock's refusals mean.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::context::{Context, Network, Part, Remedy, Tried};
use super::{Meaning, Rank};
use crate::blocker::Blocker;
use crate::plain::plain;
use crate::record::Object;

/// Says what a refusal means. Of several blockers the one that says most counts.
pub(super) fn meaning(blockers: &[Blocker], object: &Object, context: &Context) -> Meaning {
    let told = |blocker: &&Blocker| MOST_TELLING.iter().position(|it| it == *blocker);
    let blocker = blockers.iter().min_by_key(|it| told(it).unwrap_or(MOST_TELLING.len()));
    let other = Blocker::Other("unknown".to_owned());
    let blocker = blocker.unwrap_or(&other);
    let (setting, grant) = governs(blocker, object, context);
    Meaning {
        operation: operation(blocker).to_owned(),
        object: name(object),
        setting: setting.to_owned(),
        grant,
        rank: rank(blocker),
    }
}

/// A move between directories is refused with all rights that are missing, a
/// write with reading, and so on: what is tried comes first.
const MOST_TELLING: &[Blocker] = &[
    Blocker::Refer,
    Blocker::Execute,
    Blocker::MakeReg,
    Blocker::MakeDir,
    Blocker::MakeSym,
    Blocker::MakeSock,
    Blocker::MakeFifo,
    Blocker::MakeChar,
    Blocker::MakeBlock,
    Blocker::RemoveFile,
    Blocker::RemoveDir,
    Blocker::WriteFile,
    Blocker::Truncate,
    Blocker::ReadFile,
    Blocker::ReadDir,
    Blocker::IoctlDev,
];

fn operation(blocker: &Blocker) -> &str {
    match blocker {
        Blocker::Execute => "execute the program",
        Blocker::WriteFile => "write the file",
        Blocker::ReadFile => "read the file",
        Blocker::ReadDir => "list the directory",
        Blocker::RemoveDir => "remove a directory from",
        Blocker::RemoveFile => "remove a file from",
        Blocker::MakeChar => "make a character device in",
        Blocker::MakeDir => "make a directory in",
        Blocker::MakeReg => "make a file in",
        Blocker::MakeSock => "make a Unix socket in",
        Blocker::MakeFifo => "make a named pipe in",
        Blocker::MakeBlock => "make a block device in",
        Blocker::MakeSym => "make a symbolic link in",
        Blocker::Refer => "move or link a file from or to the directory",
        Blocker::Truncate => "truncate the file",
        Blocker::IoctlDev => "control the device",
        Blocker::ResolveUnix => "connect to the Unix socket",
        Blocker::ChangeTopology => "change what is mounted at",
        Blocker::BindTcp => "listen on TCP",
        Blocker::ConnectTcp => "connect by TCP to",
        Blocker::BindUdp => "bind UDP",
        Blocker::ConnectSendUdp => "send by UDP to",
        Blocker::AbstractUnixSocket => "connect to the abstract Unix socket",
        Blocker::Signal => "signal the process",
        Blocker::Ptrace => "trace the process",
        Blocker::Other(_) => "do what this version has no word for, on",
    }
}

fn rank(blocker: &Blocker) -> Rank {
    match blocker {
        Blocker::ReadFile | Blocker::ReadDir | Blocker::IoctlDev => Rank::Usual,
        _ => Rank::Telling,
    }
}

/// The object's name, escaped.
fn name(object: &Object) -> Option<String> {
    match object {
        Object::Path { path, .. } => Some(plain(path)),
        Object::Mount { name } => Some(plain(name)),
        Object::AbstractSocket { name } => Some(format!("@{}", plain(name))),
        Object::Process { pid, name } => Some(format!("{} (pid {pid} of the host)", plain(name))),
        Object::Address { address: Some(address), port: Some(port) } => {
            Some(std::net::SocketAddr::new(*address, *port).to_string())
        }
        Object::Address { address: Some(address), port: None } => Some(address.to_string()),
        Object::Address { address: None, port: Some(port) } => Some(format!("port {port}")),
        Object::Address { address: None, port: None } | Object::None => None,
    }
}

/// The setting and the grant.
fn governs(blocker: &Blocker, object: &Object, context: &Context) -> (&'static str, String) {
    let path = match object {
        Object::Path { path, .. } => Path::new(OsStr::from_bytes(path)),
        _ => Path::new("/"),
    };
    match blocker {
        Blocker::Execute => execute(path, context),
        Blocker::ReadFile | Blocker::ReadDir => read(path, context),
        Blocker::MakeChar | Blocker::MakeBlock => {
            ("workspace.access", "none, no cell makes devices".to_owned())
        }
        Blocker::WriteFile
        | Blocker::Truncate
        | Blocker::RemoveDir
        | Blocker::RemoveFile
        | Blocker::MakeDir
        | Blocker::MakeReg
        | Blocker::MakeSock
        | Blocker::MakeFifo
        | Blocker::MakeSym => write(path, context),
        Blocker::Refer => match write(path, context) {
            (setting, _) if context.part(path).is_writable(context) => {
                (setting, "none between these directories; copy the file and remove it".to_owned())
            }
            refused => refused,
        },
        Blocker::IoctlDev => {
            ("view.show", "none, a cell's devices are for reading and writing".to_owned())
        }
        Blocker::ChangeTopology => ("view.show", "none, a cell's view is fixed".to_owned()),
        Blocker::BindTcp | Blocker::ConnectTcp | Blocker::BindUdp | Blocker::ConnectSendUdp => {
            network(blocker, object, context)
        }
        Blocker::ResolveUnix => {
            ("network.mode", "none, sockets of the host are out of reach of a cell".to_owned())
        }
        Blocker::AbstractUnixSocket | Blocker::Signal | Blocker::Ptrace => {
            ("session", "none, a run reaches its own processes only".to_owned())
        }
        Blocker::Other(name) => (
            "enforcement",
            format!("not known here; the kernel calls it `{}`", plain(name.as_bytes())),
        ),
    }
}

fn execute(path: &Path, context: &Context) -> (&'static str, String) {
    let building = |key: &str| match &context.building {
        Some(profile) => format!("a rule whose grant has profile `{profile}`"),
        None => format!("a profile with `{key}`, where the ceiling allows it"),
    };
    match context.part(path) {
        Part::Protected | Part::Workspace => {
            ("workspace.execute", building("workspace.execute = true"))
        }
        Part::Scratch(_) => ("scratch.execute", building("execute = true for this place")),
        Part::Elsewhere => {
            if let Some(Remedy { setting, grant }) = context.of_host(Tried::Execute, path) {
                return (setting, grant);
            }
            let path = plain(path.as_os_str().as_bytes());
            let grant = format!(
                "a rule whose grant has `programs = [\"{path}\"]`, and a profile whose `programs.execute` has it"
            );
            ("programs.execute", grant)
        }
    }
}

fn read(path: &Path, context: &Context) -> (&'static str, String) {
    match context.part(path) {
        Part::Protected | Part::Workspace => {
            ("workspace.access", "a rule whose grant has this workspace".to_owned())
        }
        Part::Scratch(_) => ("scratch", "a profile with this scratch place".to_owned()),
        Part::Elsewhere => {
            if let Some(Remedy { setting, grant }) = context.of_host(Tried::Read, path) {
                return (setting, grant);
            }
            let path = plain(path.as_os_str().as_bytes());
            (
                "view.read",
                format!(
                    "a profile whose `view.show` and `view.read` have `{path}`, beneath the ceiling's"
                ),
            )
        }
    }
}

fn write(path: &Path, context: &Context) -> (&'static str, String) {
    let places = || context.writable_places();
    match context.part(path) {
        Part::Protected => (
            "workspace.protect",
            "none in this profile, a person has to change it outside of the cell".to_owned(),
        ),
        Part::Workspace => ("workspace.access", to_write(context)),
        Part::Scratch(_) => ("scratch", "a profile with this scratch place".to_owned()),
        Part::Elsewhere => (
            "workspace.access",
            format!("none outside of the places that can be changed: {}", places()),
        ),
    }
}

/// What of grant and profile only reads.
fn to_write(context: &Context) -> String {
    let rule = "a rule whose grant has `workspace_access = \"write\"`";
    if context.profile_writes {
        return rule.to_owned();
    }
    let profile = plain(context.profile.as_bytes());
    format!("{rule} and a profile with `workspace.access = \"write\"`, which `{profile}` has not")
}

fn network(blocker: &Blocker, object: &Object, context: &Context) -> (&'static str, String) {
    if !context.loopback && is_loopback(blocker, object) {
        let proxy = match context.network {
            Network::Proxy => "; the proxy named by `HTTPS_PROXY` can be reached all the same",
            Network::None | Network::Host => "",
        };
        let profile = plain(context.profile.as_bytes());
        let grant =
            format!("a profile with `network.loopback = true`, which `{profile}` has not{proxy}");
        return ("network.loopback", grant);
    }
    let name = name(object).unwrap_or_else(|| "this destination".to_owned());
    match context.network {
        Network::None => (
            "network.mode",
            format!(
                "a profile with `network.mode = \"proxy\"` whose `network.allow` has the host of `{name}`"
            ),
        ),
        Network::Proxy => (
            "network.allow",
            "the proxy named by `HTTPS_PROXY`, if `network.allow` of the profile has the host"
                .to_owned(),
        ),
        Network::Host => {
            ("network.mode", "none, though the profile has the host's network".to_owned())
        }
    }
}

/// Whether it was about the cell's own loopback: to listen anywhere, or to
/// connect there. A connection to no address goes to loopback, and the kernel
/// leaves that address out of the record.
fn is_loopback(blocker: &Blocker, object: &Object) -> bool {
    let binds = matches!(blocker, Blocker::BindTcp | Blocker::BindUdp);
    binds
        || match object {
            Object::Address { address: Some(address), .. } => {
                address.to_canonical().is_loopback() || address.is_unspecified()
            }
            Object::Address { address: None, .. } => true,
            _ => false,
        }
}

impl Part<'_> {
    fn is_writable(self, context: &Context) -> bool {
        match self {
            Part::Workspace => context.writable,
            Part::Scratch(_) => true,
            Part::Protected | Part::Elsewhere => false,
        }
    }
}
