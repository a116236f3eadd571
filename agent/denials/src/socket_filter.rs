//! The filter that the warden puts on the audit socket and locks before it
//! hands the socket to the agent: nothing but the three types of records that
//! are decoded here gets through. The warden has this constant in its own code;
//! here it is run against every type.
//!
//! `struct sock_filter`: code, jump if true, jump if false, operand
//! (Documentation/networking/filter.rst). `ld` reads in network order and the
//! header is in the machine's, so the types are written with their bytes turned.

/// `BPF_LD | BPF_H | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K`, `BPF_RET | BPF_K`.
const SOCKET_FILTER: [(u16, u8, u8, u32); 6] = [
    (0x28, 0, 0, 4), // load nlmsg_type, at offset 4 of struct nlmsghdr
    (0x15, 3, 0, 1326_u16.swap_bytes() as u32), // AUDIT_SECCOMP: keep
    (0x15, 2, 0, 1423_u16.swap_bytes() as u32), // AUDIT_LANDLOCK_ACCESS: keep
    (0x15, 1, 0, 1424_u16.swap_bytes() as u32), // AUDIT_LANDLOCK_DOMAIN: keep
    (0x06, 0, 0, 0), // drop
    (0x06, 0, 0, u32::MAX), // keep all of it
];

/// Bytes that the filter keeps of a packet; 0 drops it, as does an access
/// beyond its end.
fn run(filter: &[(u16, u8, u8, u32)], packet: &[u8]) -> u32 {
    let (mut accumulator, mut at) = (0, 0);
    loop {
        let (code, jump_true, jump_false, operand) = filter[at];
        at += 1;
        match code {
            0x28 => match packet.get(operand as usize..operand as usize + 2) {
                Some(half) => accumulator = u32::from(u16::from_be_bytes([half[0], half[1]])),
                None => return 0,
            },
            0x15 if accumulator == operand => at += usize::from(jump_true),
            0x15 => at += usize::from(jump_false),
            0x06 => return operand,
            other => panic!("no such instruction here: {other:#x}"),
        }
    }
}

#[test]
fn of_every_type_there_is_only_three_get_through() {
    let passed = |kind: &u16| {
        let packet = crate::netlink::tests::datagram(*kind, b"audit(1.000:1): ");
        run(&SOCKET_FILTER, &packet) != 0
    };
    assert_eq!((0..=u16::MAX).filter(passed).collect::<Vec<_>>(), [1326, 1423, 1424]);
}

#[test]
fn a_packet_without_a_header_is_dropped() {
    assert_eq!(run(&SOCKET_FILTER, &[0x8f, 0x05]), 0);
}
