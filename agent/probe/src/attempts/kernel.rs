//! What the kernel shows as files: settings, processes, devices.

use std::fs;

use super::{Attempt, read, refused, write};

pub(super) const ALL: &[Attempt] = &[
    ("core-pattern", &[17], || write("/proc/sys/kernel/core_pattern")),
    ("sysctl-vm", &[17], || write("/proc/sys/vm/swappiness")),
    ("sysrq", &[17], || write("/proc/sysrq-trigger")),
    ("pid1-environ", &[18], || read("/proc/1/environ")),
    ("pid1-root", &[18], || {
        fs::read_dir("/proc/1/root/").map(|d| format!("{} entries", d.count()))
    }),
    ("pid1-mem", &[18], || write("/proc/1/mem")),
    ("pid1-exe", &[18, 22], || fs::read_link("/proc/1/exe").map(|path| path.display().to_string())),
    ("foreign-process", &[18, 48], || {
        let count = fs::read_dir("/proc")?
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().parse::<u32>().is_ok())
            .count();
        if count <= 2 {
            refused("only PID 1 and the probe are there")
        } else {
            Ok(format!("{count}"))
        }
    }),
    ("kcore", &[19], || read("/proc/kcore")),
    ("kallsyms", &[19], || read("/proc/kallsyms")),
    ("keys", &[19], || read("/proc/keys")),
    ("timer-list", &[19], || read("/proc/timer_list")),
    ("sys", &[20], || fs::read_dir("/sys").map(|d| format!("{} entries", d.count()))),
    ("dev-mem", &[20], || read("/dev/mem")),
    ("dev-kmsg", &[20], || read("/dev/kmsg")),
    ("dev-disk", &[20], || read("/dev/vda")),
    ("dev-fuse", &[20], || read("/dev/fuse")),
    ("dev-kvm", &[20], || fs::File::open("/dev/kvm").map(|_| "opened".into())),
];
