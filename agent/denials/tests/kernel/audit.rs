//! The host's side: what the warden does, and audit's switch (audit.h,
//! audit_status and audit_rule_data).

use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use cofferdam_denials::RECEIVE_BUFFER;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send,
    socket_with,
};

/// The same as the warden's; `src/socket_filter.rs` runs it against every type.
const SOCKET_FILTER: [(u16, u8, u8, u32); 6] = [
    (0x28, 0, 0, 4),
    (0x15, 3, 0, 1326_u16.swap_bytes() as u32),
    (0x15, 2, 0, 1423_u16.swap_bytes() as u32),
    (0x15, 1, 0, 1424_u16.swap_bytes() as u32),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, u32::MAX),
];

const AUDIT_GET: u16 = 1000;
const AUDIT_SET: u16 = 1001;
const AUDIT_ADD_RULE: u16 = 1011;
const AUDIT_DEL_RULE: u16 = 1012;

/// Audit as it was, restored when dropped.
pub(crate) struct On {
    switched: bool,
}

/// Makes sure that audit tells; the reason if it cannot.
pub(crate) fn ready() -> Result<On, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("needs root".into());
    }
    let network = |process| std::fs::read_link(format!("/proc/{process}/ns/net"));
    if network("1").is_ok_and(|first| network("self").is_ok_and(|own| own != first)) {
        return Err("needs the initial network namespace".into());
    }
    let [_, enabled, failure, ..] =
        status().map_err(|errno| format!("the kernel's audit cannot be asked: {errno}"))?;
    match (enabled, failure, std::env::var_os("COFFERDAM_TEST_AUDIT")) {
        (_, 2, _) => Err("audit is set to panic when a record is lost".into()),
        (0, _, None) => Err("audit is off; COFFERDAM_TEST_AUDIT=1 switches it on meanwhile".into()),
        (0, _, Some(_)) => {
            // «never,task» keeps the cost of it from processes that start now.
            ask(AUDIT_ADD_RULE, &never_task()).unwrap();
            ask(AUDIT_SET, &enable(1)).unwrap();
            Ok(On { switched: true })
        }
        _ => Ok(On { switched: false }),
    }
}

impl Drop for On {
    fn drop(&mut self) {
        if self.switched {
            ask(AUDIT_SET, &enable(0)).unwrap();
            ask(AUDIT_DEL_RULE, &never_task()).unwrap();
        }
    }
}

fn enable(on: u32) -> Vec<u8> {
    // `struct audit_status`: mask (AUDIT_STATUS_ENABLED), enabled, and the rest.
    [1, on, 0, 0, 0, 0, 0, 0, 0, 0_u32].iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn never_task() -> Vec<u8> {
    // `struct audit_rule_data`: AUDIT_FILTER_TASK, AUDIT_NEVER, no fields, for
    // every system call, three arrays of 64 words, no buffer.
    let mut words = vec![1, 0, 0];
    words.extend([u32::MAX; 64]);
    words.extend([0; 64 * 3 + 1]);
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn status() -> rustix::io::Result<[u32; 10]> {
    let answer = ask(AUDIT_GET, &[])?;
    let (words, _) = answer.as_chunks::<4>();
    let mut status = [0; 10];
    for (to, from) in status.iter_mut().zip(words) {
        *to = u32::from_ne_bytes(*from);
    }
    Ok(status)
}

/// Sends a request; for `AUDIT_GET` the answer comes back.
fn ask(kind: u16, body: &[u8]) -> rustix::io::Result<Vec<u8>> {
    let socket = open()?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    let length = u32::try_from(16 + body.len()).unwrap();
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    // NLM_F_REQUEST | NLM_F_ACK, sequence 1, port 0.
    message.extend([5, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend(body);
    send(&socket, &message, SendFlags::empty())?;
    loop {
        let mut buffer = [0; 8192];
        let (_, length) = recv(&socket, &mut buffer, RecvFlags::empty())?;
        let answer = &buffer[..length];
        match u16::from_ne_bytes([answer[4], answer[5]]) {
            // NLMSG_ERROR: 0 is the acknowledgement.
            2 => {
                let errno = i32::from_ne_bytes(answer[16..20].try_into().unwrap());
                if errno != 0 {
                    return Err(rustix::io::Errno::from_raw_os_error(-errno));
                }
                if kind != AUDIT_GET {
                    return Ok(Vec::new());
                }
            }
            AUDIT_GET => return Ok(answer[16..].to_vec()),
            _ => {}
        }
    }
}

fn open() -> rustix::io::Result<OwnedFd> {
    socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::AUDIT))
}

/// What the warden hands over: filtered and locked before it joins the group.
pub(crate) fn handed_over() -> OwnedFd {
    let socket = open().unwrap();
    let code = SOCKET_FILTER.map(|(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k });
    let program = libc::sock_fprog { len: 6, filter: code.as_ptr().cast_mut() };
    set(&socket, libc::SO_ATTACH_FILTER, &program).unwrap();
    set(&socket, libc::SO_LOCK_FILTER, &1_i32).unwrap();
    set(&socket, libc::SO_RCVBUFFORCE, &i32::try_from(RECEIVE_BUFFER).unwrap()).unwrap();
    // Last, and the only bind: what comes has passed the filter.
    bind(&socket, &SocketAddrNetlink::new(0, 1)).unwrap();
    socket
}

/// setsockopt(2) of `SOL_SOCKET`.
pub(crate) fn set<T>(socket: &OwnedFd, option: i32, value: &T) -> std::io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).unwrap();
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: `value` points to `length` bytes that outlive the call, and what
    // an attached program points to does so too.
    let done =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, length) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
