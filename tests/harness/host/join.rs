//! How a host joins its gateway: by `cofferdam-agent enroll`, as its service user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use super::{Host, SERVICE, own};
use crate::warden::is_root;

impl Host {
    /// The command by which it joins the gateway whose authority is at `authority`,
    /// which reaches it at `address`.
    ///
    /// # Panics
    /// When the token cannot be written.
    #[must_use]
    pub fn enroll(&self, authority: &str, token: &str, address: &str) -> Command {
        let place = self.place();
        let file = place.join("agent/token");
        _ = fs::remove_file(&file);
        fs::write(&file, token).expect("the token's file");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("its mode");
        let mut command = Command::new(self.reachable("cofferdam-agent"));
        command
            .args(["enroll", "--gateway", authority, "--address", address, "--token-file"])
            .arg(&file)
            .arg("--config")
            .arg(place.join("agent/agent.toml"));
        if is_root() {
            own(&file, SERVICE);
            command.uid(SERVICE).gid(SERVICE);
        }
        command
    }

    /// What it has of its authority, once it joined.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.place().join("agent/identity/identity.json")
    }

    /// What `cofferdam-agent status` says, or nothing where the agent does not answer.
    ///
    /// # Panics
    /// When the command cannot be started.
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        let mut command = Command::new(self.reachable("cofferdam-agent"));
        command.args(["status", "--json", "--config"]).arg(self.place().join("agent/agent.toml"));
        if is_root() {
            command.uid(SERVICE).gid(SERVICE);
        }
        let output = command.output().expect("cofferdam-agent status starts");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}
