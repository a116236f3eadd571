//! The bundle of the OCI runtimes (opencontainers/runtime-spec, config.md), and
//! the root directory in it.

use std::os::unix::fs::symlink;

use cofferdam_tests::measure::spawn::TRUE;
use serde_json::{Value, json};

use super::Place;

/// What the filter refuses; all else is allowed.
const REFUSED: [&str; 32] = [
    "acct",
    "add_key",
    "bpf",
    "chroot",
    "delete_module",
    "finit_module",
    "fsopen",
    "init_module",
    "io_uring_setup",
    "kexec_load",
    "keyctl",
    "mount",
    "move_mount",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "reboot",
    "request_key",
    "setns",
    "swapoff",
    "swapon",
    "syslog",
    "umount2",
    "unshare",
    "userfaultfd",
    "vhangup",
];

/// Directories of the root that something is mounted on.
const POINTS: [&str; 11] =
    ["dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "var", "workspace"];

/// The links of a root whose programs are all in /usr.
const LINKS: [(&str, &str); 4] =
    [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];

/// Makes root and configuration.
pub(super) fn make(place: &Place) -> anyhow::Result<()> {
    for point in POINTS {
        std::fs::create_dir_all(place.root.join(point))?;
    }
    for (link, target) in LINKS {
        symlink(target, place.root.join(link))?;
    }
    let text = serde_json::to_vec_pretty(&config(place))?;
    Ok(std::fs::write(place.bundle.join("config.json"), text)?)
}

fn config(place: &Place) -> Value {
    let mount = |destination: &str, kind: &str, source: &str, options: &str| {
        let options: Vec<_> = options.split(',').collect();
        json!({ "destination": destination, "type": kind, "source": source, "options": options })
    };
    let namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
    let namespaces = namespaces.map(|kind| json!({ "type": kind }));
    let workspace = place.workspace.display().to_string();
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 65534, "gid": 65534 },
            "args": [TRUE],
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/workspace",
            "capabilities": {},
            "noNewPrivileges": true,
        },
        "root": { "path": "root", "readonly": true },
        "hostname": "cell",
        "mounts": [
            mount("/proc", "proc", "proc", "nosuid,noexec,nodev"),
            mount("/dev", "tmpfs", "tmpfs", "nosuid,mode=755,size=1m"),
            mount("/tmp", "tmpfs", "tmpfs", "nosuid,nodev,size=16m"),
            mount("/usr", "bind", "/usr", "rbind,ro,nosuid,nodev"),
            mount("/etc", "bind", "/etc", "rbind,ro,nosuid,nodev,noexec"),
            mount("/workspace", "bind", &workspace, "rbind,rw,nosuid,nodev,noexec"),
        ],
        "linux": {
            "namespaces": namespaces,
            "cgroupsPath": "/cofferdam-bench",
            "resources": {
                "memory": { "limit": 256 << 20 },
                "pids": { "limit": 64 },
                "cpu": { "quota": 200_000, "period": 100_000 },
            },
            "seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{ "names": REFUSED, "action": "SCMP_ACT_ERRNO" }],
            },
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list"],
            "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}
