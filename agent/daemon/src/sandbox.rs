//! What held a run and what it ran into: part of every outcome of a run, in the
//! journal and on the wire.

use std::sync::Arc;

use cofferdam_denials::{Context, Explained, HostFiles, Network, Place};
use cofferdam_plan::LayerReport;
use cofferdam_plan::run::LoopbackHold;
use cofferdam_proto::exec::v1::{Connection, Denial, Layer, Sandbox};
use serde_json::{Value, json};

use crate::cap::{Capped, CappedLimits, CappedNetwork};
use crate::disks::{Bound, Room};
use crate::pipeline::wire_layer;
use crate::proxy::Traffic;
use crate::usage::CellUsage;

/// Denials and connections that a record holds of each.
const RECORDED: usize = 64;

/// Begins with what held it.
#[must_use]
pub fn of(layers: &[LayerReport], capped: &Capped, ceiling: [u8; 32]) -> Sandbox {
    let kernel = rustix::system::uname();
    Sandbox {
        layers: layers.iter().map(wire_layer).collect(),
        kernel: kernel.release().to_string_lossy().into_owned(),
        profile: capped.profile.name.clone(),
        profile_digest: capped.profile.digest().to_vec(),
        ceiling_digest: ceiling.to_vec(),
        ..Sandbox::default()
    }
}

/// The layer over TCP that a run without its cell's loopback has, or should have
/// had: it is the run's, not the cell's. None where nothing was asked for.
#[must_use]
pub fn loopback_layer(capped: &Capped, hold: LoopbackHold) -> Option<Layer> {
    if capped.profile.loopback {
        return None;
    }
    let (effective, detail) = match hold {
        LoopbackHold::Full => {
            let reached = match capped.network {
                CappedNetwork::Proxy(_) => "TCP to the run's own listener of the proxy only",
                CappedNetwork::None | CappedNetwork::Host => "no TCP on the cell's own loopback",
            };
            (true, format!("{reached} (`network.loopback = false`)"))
        }
        LoopbackHold::Lacking { abi } => {
            let found = match abi {
                0 => "this kernel has no Landlock".to_owned(),
                abi => format!("this kernel's Landlock, ABI {abi}, has no rights on TCP"),
            };
            let words = "(they came with ABI 4, Linux 6.7), so `network.loopback = false` is not \
                         held; the network namespace still is";
            (false, format!("{found} {words}"))
        }
    };
    Some(Layer { name: "landlock-network".to_owned(), effective, detail })
}

/// Adds what was refused; `unseen`: why that cannot be known.
pub fn tell_denials(sandbox: &mut Sandbox, explained: Option<Explained>, unseen: String) {
    sandbox.denials_unseen = unseen;
    let Some(Explained { denials, more, own: _, killing: _, loss }) = explained else { return };
    sandbox.denials_untold = more.saturating_add(loss.landlock);
    if loss.unknown && sandbox.denials_unseen.is_empty() {
        let words = "the kernel lost records while it ran: more may have been refused";
        words.clone_into(&mut sandbox.denials_unseen);
    }
    sandbox.denials = denials
        .into_iter()
        .map(|denial| Denial {
            layer: denial.layer.to_string(),
            operation: denial.operation,
            object: denial.object.unwrap_or_default(),
            count: u32::try_from(denial.count).unwrap_or(u32::MAX),
            setting: denial.setting,
            remedy: denial.grant,
        })
        .collect();
}

/// Adds the limits that it ran into and that are no outcome by themselves.
pub fn tell_limits(sandbox: &mut Sandbox, usage: &CellUsage, limits: &CappedLimits) {
    if usage.process_limit_hits > 0 {
        sandbox.denials.push(Denial {
            layer: "cgroup".to_owned(),
            operation: "make another process or thread".to_owned(),
            object: format!("the run has {} at most", limits.processes),
            count: u32::try_from(usage.process_limit_hits).unwrap_or(u32::MAX),
            setting: "limits.processes".to_owned(),
            remedy: "a grant, profile and ceiling with more `processes`".to_owned(),
        });
    }
}

/// Adds how the workspace stands on its disk. A run that failed may have met its end:
/// the kernel keeps no record of ENOSPC and EDQUOT.
pub fn tell_room(sandbox: &mut Sandbox, room: &std::io::Result<Room>, succeeded: bool) {
    let (effective, detail) = match room {
        Ok(room) => (room.is_bounded(), room.in_words()),
        Err(error) => (false, format!("the workspace's disk cannot be asked: {error}")),
    };
    sandbox.layers.push(Layer { name: "disk".to_owned(), effective, detail });
    let Some(room) = room.as_ref().ok().filter(|room| room.is_full() && !succeeded) else { return };
    let remedy = match room.bound {
        Bound::Quota => "none in a grant; remove files, or the host's owner raises the quota",
        Bound::Own | Bound::Nothing(_) => {
            "none in a grant; remove files, or the host's owner makes room on the disk"
        }
    };
    sandbox.denials.push(Denial {
        layer: "disk".to_owned(),
        operation: "write more to the workspace".to_owned(),
        object: "full when the run ended (ENOSPC, EDQUOT)".to_owned(),
        count: 1,
        setting: "the workspace's disk".to_owned(),
        remedy: remedy.to_owned(),
    });
}

/// Adds what was reached through the proxy.
pub fn tell_traffic(sandbox: &mut Sandbox, traffic: Traffic) {
    let Traffic { connections, untold } = traffic;
    sandbox.connections = connections;
    sandbox.connections_untold = untold;
}

/// Adds that its way out of the cell ended with the agent that gave it.
pub fn tell_way_out_ended(sandbox: &mut Sandbox) {
    sandbox.connections_untold = sandbox.connections_untold.saturating_add(1);
    sandbox.layers.push(Layer {
        name: "network".to_owned(),
        effective: true,
        detail: "its way out through the proxy ended when the agent was restarted; which \
                 connections it had made is not known"
            .to_owned(),
    });
}

/// What explanations of denials must know of the run.
#[must_use]
pub fn context(
    capped: &Capped,
    protected: Vec<std::path::PathBuf>,
    host_files: Arc<dyn HostFiles>,
) -> Context {
    Context {
        profile: capped.profile.name.clone(),
        workspace: capped.workspace.as_path().to_owned(),
        writable: capped.write,
        profile_writes: capped.profile.write,
        executable: capped.execute,
        protected,
        scratch: capped
            .scratch
            .iter()
            .map(|place| Place { path: place.path.as_path().to_owned(), execute: place.execute })
            .collect(),
        network: match capped.network {
            CappedNetwork::None => Network::None,
            CappedNetwork::Proxy(_) => Network::Proxy,
            CappedNetwork::Host => Network::Host,
        },
        loopback: capped.profile.loopback,
        filter: capped.profile.filter.clone(),
        building: capped.building.clone(),
        host_files: Some(host_files),
    }
}

/// For the journal.
#[must_use]
pub fn record(sandbox: &Sandbox) -> Value {
    let Sandbox {
        layers,
        kernel,
        profile,
        profile_digest,
        ceiling_digest,
        denials,
        denials_untold,
        denials_unseen,
        connections,
        connections_untold,
    } = sandbox;
    let layers: Vec<_> = layers
        .iter()
        .map(|it| json!({"name": it.name, "effective": it.effective, "detail": it.detail}))
        .collect();
    let denial = |it: &Denial| {
        json!({
            "layer": it.layer, "operation": it.operation, "object": it.object,
            "count": it.count, "setting": it.setting,
        })
    };
    let connection = |it: &Connection| {
        json!({
            "protocol": it.protocol, "name": it.name, "port": it.port, "address": it.address,
            "refused": it.refused, "sent": it.sent_bytes, "received": it.received_bytes,
        })
    };
    json!({
        "layers": layers,
        "kernel": kernel,
        "profile": profile,
        "profile_digest": hex(profile_digest),
        "ceiling_digest": hex(ceiling_digest),
        "denials": denials.iter().take(RECORDED).map(denial).collect::<Vec<_>>(),
        "denials_untold": denials_untold,
        "denials_unseen": denials_unseen,
        "connections": connections.iter().take(RECORDED).map(connection).collect::<Vec<_>>(),
        "connections_untold": connections_untold,
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use cofferdam_ceiling::Ceiling;
    use cofferdam_profile::Profiles;
    use cofferdam_proto::intent::v1::{Grant, WorkspaceAccess};

    use super::*;
    use crate::cap::{Need, cap};

    fn capped(profile: &str) -> Capped {
        let ceiling = include_str!("../../../packaging/config/ceiling.toml");
        let grant = Grant {
            profile: profile.to_owned(),
            workspace: "/srv/cofferdam/project".to_owned(),
            workspace_access: WorkspaceAccess::Read.into(),
            ..Grant::default()
        };
        let ceiling = Ceiling::parse(ceiling).unwrap();
        cap(grant, Need::Whatever, &Profiles::load(None).unwrap(), &ceiling).unwrap()
    }

    #[test]
    fn a_kernel_without_rights_on_tcp_is_told_as_a_layer_that_is_weaker() {
        let told = |abi| loopback_layer(&capped("strict"), LoopbackHold::Lacking { abi }).unwrap();
        let old = told(2);
        assert!(!old.effective);
        assert_eq!(
            old.detail,
            "this kernel's Landlock, ABI 2, has no rights on TCP (they came with ABI 4, Linux \
             6.7), so `network.loopback = false` is not held; the network namespace still is"
        );
        assert!(told(0).detail.starts_with("this kernel has no Landlock"));
        assert!(loopback_layer(&capped("strict"), LoopbackHold::Full).unwrap().effective);
    }

    #[test]
    fn a_run_with_its_cells_loopback_asks_for_no_layer_over_it() {
        assert_eq!(loopback_layer(&capped("default"), LoopbackHold::Full), None);
    }
}
