//! The few system calls of PID 1 that have no safe wrapper: the only unsafe
//! code of this crate. PID 1 is single-threaded, which most of the reasons
//! below rest on.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn check(result: libc::c_int) -> rustix::io::Result<libc::c_int> {
    if result < 0 { Err(last_errno()) } else { Ok(result) }
}

/// SIGCHLD as a descriptor (signalfd(2)).
pub(crate) struct ChildSignals(OwnedFd);

impl ChildSignals {
    /// Blocks SIGCHLD, and nothing else, and makes it readable.
    pub(crate) fn block() -> rustix::io::Result<Self> {
        let set = child_signal_set();
        // SAFETY: `set` is initialised and outlives the call; a null old set is allowed.
        check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut()) })?;
        // SAFETY: `set` is initialised; -1 asks for a new descriptor.
        let fd = check(unsafe {
            libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        })?;
        // SAFETY: signalfd just made this descriptor, and nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Empties the descriptor.
    pub(crate) fn acknowledge(&self) {
        let mut record = [0; size_of::<libc::signalfd_siginfo>()];
        while rustix::io::read(&self.0, &mut record).is_ok_and(|length| length > 0) {}
    }
}

impl AsFd for ChildSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn child_signal_set() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set that it gets.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised by sigemptyset above, which cannot fail on a valid pointer.
    let mut set = unsafe { set.assume_init() };
    // SAFETY: the set is initialised and the signal number valid.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGCHLD) };
    set
}

/// Which side of a fork one is on.
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The old one, with the child's pid and pidfd.
    Parent { process: Pid, descriptor: OwnedFd },
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which call starts a process: PID 1's filter may have only one of them left.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fork<'a> {
    /// clone(2).
    Clone,
    /// clone3(2), straight into a cgroup of version 2 where there is one.
    Clone3(Option<&'a OwnedFd>),
}

/// fork(2) with a pidfd.
pub(crate) fn fork(by: Fork<'_>) -> rustix::io::Result<Forked> {
    let mut descriptor: libc::c_int = -1;
    let process = match by {
        Fork::Clone => clone(&mut descriptor),
        Fork::Clone3(cgroup) => clone3(cgroup, &mut descriptor),
    };
    if process < 0 {
        return Err(last_errno());
    }
    #[allow(clippy::cast_possible_truncation, reason = "a pid is a C int")]
    let Some(process) = Pid::from_raw(process as i32) else {
        return Ok(Forked::Child);
    };
    // SAFETY: CLONE_PIDFD made this descriptor for us, and nothing else owns it.
    Ok(Forked::Parent { process, descriptor: unsafe { OwnedFd::from_raw_fd(descriptor) } })
}

fn clone(descriptor: &mut libc::c_int) -> libc::c_long {
    let flags = libc::c_long::from(libc::CLONE_PIDFD | libc::SIGCHLD);
    let none: libc::c_long = 0;
    let descriptor = ptr::from_mut(descriptor);
    // SAFETY: without CLONE_VM this is fork(2): the child gets a copy of everything, and as the
    // process is single-threaded it may run any code. A null stack is the caller's; the pidfd is
    // written to where `descriptor` points (clone(2), the raw call of x86-64).
    unsafe { libc::syscall(libc::SYS_clone, flags, none, descriptor, none, none) }
}

fn clone3(cgroup: Option<&OwnedFd>, descriptor: &mut libc::c_int) -> libc::c_long {
    // SAFETY: all zeroes is a valid `clone_args`: nothing asked for.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(libc::CLONE_PIDFD.cast_unsigned());
    arguments.pidfd = ptr::from_mut(descriptor) as u64;
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    let size = size_of::<libc::clone_args>();
    // SAFETY: as above; the struct is valid for `size` bytes.
    unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size) }
}

/// A session keyring of its own (keyctl(2), `KEYCTL_JOIN_SESSION_KEYRING`).
pub(crate) fn join_new_keyring() -> rustix::io::Result<()> {
    let name: *const libc::c_char = ptr::null();
    let join = libc::c_long::from(libc::KEYCTL_JOIN_SESSION_KEYRING);
    // SAFETY: a null name asks for an anonymous keyring.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, join, name) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Overwrites this process's own arguments, which every process of the cell can
/// read (proc(5), `/proc/pid/cmdline`).
pub(crate) fn forget_arguments() {
    // Fields 48 and 49 of /proc/self/stat, counted behind the name: where they begin and end.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut ends = fields.split_whitespace().skip(45).map(str::parse::<usize>);
    if let (Some(Ok(start)), Some(Ok(end))) = (ends.next(), ends.next())
        && start != 0
        && start < end
    {
        // SAFETY: the kernel itself put `end - start` bytes of arguments there, on the stack, and
        // says so; std read them when the process started and keeps no reference into them.
        unsafe { ptr::write_bytes(ptr::with_exposed_provenance_mut::<u8>(start), 0, end - start) };
    }
}

/// Installs one seccomp program. `no_new_privs` must be set.
pub(crate) fn install_filter(program: &[[u8; 8]], logged: bool) -> rustix::io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::INVAL)?,
        // The kernel copies it by bytes: alignment does not matter.
        filter: program.as_ptr().cast_mut().cast(),
    };
    let mode = libc::c_long::from(libc::SECCOMP_SET_MODE_FILTER);
    let flags = if logged { libc::SECCOMP_FILTER_FLAG_LOG } else { 0 };
    // SAFETY: `program` points to `len` instructions that are static data; the kernel only reads.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Ignores no signal but SIGPIPE: what whoever started the warden ignores (a shell
/// SIGINT for what it puts into the background, systemd SIGPIPE) execve(2) would
/// hand down to every run.
pub(crate) fn forget_ignored_signals() {
    for signal in (1..=libc::SIGRTMAX()).filter(|signal| *signal != libc::SIGPIPE) {
        // SAFETY: SIG_DFL is a valid disposition; no handler of ours exists. Numbers that
        // cannot be set (the C library keeps 32 and 33) are refused and change nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Undoes [`ChildSignals::block`] in a child, and the ignored SIGPIPE of Rust's
/// runtime, so that programs start with the signals that they expect.
pub(crate) fn restore_signals() {
    let set = child_signal_set();
    // SAFETY: `set` is initialised and outlives the call.
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
    // SAFETY: SIG_DFL is a valid disposition; no handler of ours exists.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// dup2(2) onto one of the standard streams.
pub(crate) fn duplicate_onto(from: RawFd, number: RawFd) -> rustix::io::Result<()> {
    // SAFETY: dup2 on descriptors touches no memory; 0 to 2 are owned by nobody else here.
    check(unsafe { libc::dup2(from, number) }).map(drop)
}

/// Closes a descriptor that its owner in the child never drops: that process ends by
/// execve(2) or `_exit`.
pub(crate) fn close_in_child(descriptor: &OwnedFd) {
    // SAFETY: close touches no memory; who calls this in the child uses it no more.
    _ = unsafe { libc::close(descriptor.as_raw_fd()) };
}

/// execve(2); comes back only with an error.
pub(crate) fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> Errno {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: all three are NUL-ended strings and null-ended arrays that live until the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    last_errno()
}

/// _exit(2): no destructors, no flushing of the parent's buffers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing that follows could be unsound.
    unsafe { libc::_exit(code) }
}

/// SIGKILL to every process of the namespace but PID 1, at once (kill(2) with
/// pid -1).
pub(crate) fn kill_all() {
    // SAFETY: kill touches no memory. ESRCH means that nobody is left.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// Whether there is a process in the namespace besides PID 1, dead and not yet
/// reaped ones included (kill(2) with pid -1 and signal 0).
pub(crate) fn is_alone() -> bool {
    // SAFETY: kill touches no memory.
    unsafe { libc::kill(-1, 0) < 0 && last_errno() == Errno::SRCH }
}

/// Takes the end of one child, if one has ended: pid, wait status, and what it
/// and the children that it waited for used (wait4(2)).
pub(crate) fn reap_one() -> Option<(Pid, i32, Usage)> {
    let mut status = 0;
    // SAFETY: all zeroes is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid for the call.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage) };
    Pid::from_raw(pid.max(0)).map(|pid| (pid, status, Usage::of(&usage)))
}

/// Waits for any child; false when there is none.
pub(crate) fn reap_blocking() -> bool {
    rustix::process::wait(WaitOptions::empty()).is_ok()
}

/// Waits for this child.
pub(crate) fn reap(process: Pid) {
    // The only failure is that it was reaped already.
    _ = rustix::process::waitpid(Some(process), WaitOptions::empty());
}

/// What processes used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) user_micros: u64,
    pub(crate) system_micros: u64,
    /// Of the largest one.
    pub(crate) peak_resident_bytes: u64,
}

impl Usage {
    fn of(usage: &libc::rusage) -> Self {
        let micros = |time: libc::timeval| {
            time.tv_sec.cast_unsigned() * 1_000_000 + time.tv_usec.cast_unsigned()
        };
        Self {
            user_micros: micros(usage.ru_utime),
            system_micros: micros(usage.ru_stime),
            peak_resident_bytes: usage.ru_maxrss.cast_unsigned() * 1024,
        }
    }

    /// Adds what another process used.
    pub(crate) fn add(&mut self, other: Self) {
        self.user_micros += other.user_micros;
        self.system_micros += other.system_micros;
        self.peak_resident_bytes = self.peak_resident_bytes.max(other.peak_resident_bytes);
    }
}
