//! The few system calls of PID 1 that have no safe wrapper: the only unsafe
//! code of this crate. PID 1 is single-threaded, which most of the reasons
//! below rest on.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn check(result: libc::c_int) -> rustix::io::Result<libc::c_int> {
    if result < 0 { Err(last_errno()) } else { Ok(result) }
}

/// SIGCHLD as a descriptor (signalfd(2)).
pub(crate) struct ChildSignals(OwnedFd);

impl ChildSignals {
    /// Blocks SIGCHLD and makes it readable.
    pub(crate) fn block() -> rustix::io::Result<Self> {
        let set = child_signal_set();
        // SAFETY: `set` is initialised and outlives the call; a null old set is allowed.
        check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) })?;
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
    /// The old one, with the child's pid.
    Parent(Pid),
}

/// fork(2).
pub(crate) fn fork() -> rustix::io::Result<Forked> {
    // SAFETY: the process is single-threaded, so that the child may run any code.
    let pid = check(unsafe { libc::fork() })?;
    Ok(Pid::from_raw(pid).map_or(Forked::Child, Forked::Parent))
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

/// Takes the end of one child, if one has ended: pid and wait status.
pub(crate) fn reap_one() -> Option<(Pid, i32)> {
    rustix::process::wait(WaitOptions::NOHANG).ok().flatten().map(raw)
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

fn raw((process, status): (Pid, WaitStatus)) -> (Pid, i32) {
    (process, status.as_raw())
}

/// What all reaped children used together.
pub(crate) struct ChildrenUsage {
    pub(crate) user_micros: u64,
    pub(crate) system_micros: u64,
    pub(crate) peak_resident_bytes: u64,
}

impl ChildrenUsage {
    /// getrusage(2) with `RUSAGE_CHILDREN`.
    pub(crate) fn now() -> Self {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: getrusage writes a whole `rusage` to a valid pointer.
        unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) };
        // SAFETY: all zeroes is a valid `rusage`, should the call have failed.
        let usage = unsafe { usage.assume_init() };
        let micros = |time: libc::timeval| {
            time.tv_sec.cast_unsigned() * 1_000_000 + time.tv_usec.cast_unsigned()
        };
        Self {
            user_micros: micros(usage.ru_utime),
            system_micros: micros(usage.ru_stime),
            peak_resident_bytes: usage.ru_maxrss.cast_unsigned() * 1024,
        }
    }
}
