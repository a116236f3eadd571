//! The command lines.

use cofferdam_tests::measure::spawn::TRUE;

/// How one tool is called.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) program: &'static str,
    /// Debian's package.
    pub(super) package: &'static str,
    pub(super) arguments: Vec<String>,
    /// Whether the filter is its standard input; else nothing is.
    pub(super) takes_filter: bool,
}

impl Line {
    /// `text` split at blanks. Paths of the place stand in it by their names.
    fn new(names: (&'static str, &'static str, &'static str), text: &str) -> Self {
        let (name, program, package) = names;
        let arguments = text.split_whitespace().map(str::to_owned).collect();
        Self { name, program, package, arguments, takes_filter: false }
    }

    fn running(mut self, program: &str) -> Self {
        self.arguments.push(program.to_owned());
        self
    }
}

/// One of each tool.
pub(super) fn all() -> [Line; 7] {
    [
        unshare(),
        bubblewrap(),
        firejail(),
        nspawn(),
        oci(("runc", "runc", "runc"), ""),
        oci(("crun", "crun", "crun"), ""),
        oci(("gVisor", "runsc", "runsc"), "--network=none --ignore-cgroups"),
    ]
}

/// The floor: namespaces and dropped rights, but the whole host's files,
/// writable, and no filter.
fn unshare() -> Line {
    let text = "--mount --pid --ipc --uts --net --cgroup --fork --kill-child --mount-proc \
        setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all \
        --no-new-privs --";
    Line::new(("unshare and setpriv", "unshare", "util-linux"), text).running(TRUE)
}

fn bubblewrap() -> Line {
    let text = "--unshare-all --uid 65534 --gid 65534 --hostname cell \
        --ro-bind /usr /usr --ro-bind /etc /etc \
        --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
        --proc /proc --dev /dev --tmpfs /tmp --bind WORKSPACE WORKSPACE --chdir WORKSPACE \
        --cap-drop ALL --new-session --die-with-parent --clearenv --seccomp 0 --";
    let line = Line::new(("bubblewrap", "bwrap", "bubblewrap"), text).running(TRUE);
    Line { takes_filter: true, ..line }
}

fn firejail() -> Line {
    let text = "--quiet --noprofile --hostname=cell --ipc-namespace --net=none \
        --private-tmp --private-dev --private-cwd=WORKSPACE --read-only=/ \
        --read-write=WORKSPACE --caps.drop=all --nonewprivs --nogroups --seccomp --";
    Line::new(("firejail", "firejail", "firejail"), text).running(TRUE)
}

fn nspawn() -> Line {
    let text = "--quiet --register=no --keep-unit --link-journal=no --directory=ROOT \
        --read-only --bind-ro=/usr --bind-ro=/etc --tmpfs=/tmp --bind=WORKSPACE:/workspace \
        --private-network --user=daemon --no-new-privileges=yes --drop-capability=all --as-pid2";
    let names = ("systemd-nspawn", "systemd-nspawn", "systemd-container");
    Line::new(names, text).running(TRUE)
}

/// The runtimes read all else from the bundle's `config.json`.
fn oci(names: (&'static str, &'static str, &'static str), options: &str) -> Line {
    Line::new(names, &format!("{options} run --bundle BUNDLE cofferdam-bench"))
}
