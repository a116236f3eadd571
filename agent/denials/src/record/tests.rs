//! Real records of kernel 6.18, as its socket gave them.

use proptest::prelude::*;

use super::*;
use crate::netlink::tests::datagram;

fn read(kind: u16, text: &str) -> Result<Record, DecodeError> {
    let datagram = datagram(kind, text.as_bytes());
    let mut records = records(&datagram);
    let record = records.next().expect("a record");
    assert!(records.next().is_none());
    record
}

fn refused(text: &str) -> Access {
    match read(kind::LANDLOCK_ACCESS, text).unwrap().event {
        Event::Access(access) => access,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_read_names_domain_path_and_file() {
    let record = read(
        1423,
        "audit(1795271011.809:43): domain=17e8bd2e0 blockers=fs.read_file path=\"/etc/shadow\" dev=\"vda\" ino=817",
    )
    .unwrap();
    assert_eq!(record.stamp, Stamp { seconds: 1_795_271_011, millis: 809, serial: 43 });
    let path = Object::Path {
        path: b"/etc/shadow".to_vec(),
        device: Some(b"vda".to_vec()),
        inode: Some(817),
        request: None,
    };
    let access = Access { domain: 0x1_7e8b_d2e0, blockers: vec![Blocker::ReadFile], object: path };
    assert_eq!(record.event, Event::Access(access));
}

#[test]
fn a_name_with_a_blank_comes_in_digits() {
    let access = refused(
        "audit(1795271011.809:57): domain=17e8bd2e0 blockers=fs.make_reg,fs.refer path=2F7372762F6F757420646972 dev=\"vda\" ino=10330298",
    );
    assert_eq!(access.blockers, [Blocker::MakeReg, Blocker::Refer]);
    let Object::Path { path, .. } = access.object else { panic!("{access:?}") };
    assert_eq!(path, b"/srv/out dir");
}

#[test]
fn every_right_at_once_is_read() {
    let access = refused(
        "audit(1795271011.809:59): domain=17e8bd2e0 blockers=fs.execute,fs.write_file,fs.read_file,fs.read_dir,fs.remove_dir,fs.remove_file,fs.make_char,fs.make_dir,fs.make_reg,fs.make_sock,fs.make_fifo,fs.make_block,fs.make_sym,fs.refer,fs.truncate,fs.ioctl_dev path=2F7372762F6F757420646972 dev=\"vda\" ino=10330298",
    );
    assert_eq!(access.blockers, Blocker::KNOWN[..16]);
}

#[test]
fn addresses_and_ports_are_read_as_far_as_they_are_there() {
    let object = |rest: &str| {
        refused(&format!("audit(1795271011.813:62): domain=17e8bd2e0 blockers=net.{rest}")).object
    };
    let address = |text: &str, port| Object::Address {
        address: Some(text.parse().unwrap()),
        port: Some(port),
    };
    assert_eq!(object("connect_tcp daddr=127.0.0.1 dest=22"), address("127.0.0.1", 22));
    assert_eq!(object("bind_tcp saddr=127.0.0.1 src=22"), address("127.0.0.1", 22));
    assert_eq!(object("connect_tcp daddr=::1 dest=443"), address("::1", 443));
    assert_eq!(object("connect_tcp"), Object::None);
}

#[test]
fn processes_and_sockets_are_read() {
    let object = |rest: &str| {
        refused(&format!("audit(1795271011.813:67): domain=17e8bd2e0 blockers={rest}")).object
    };
    let process = |pid, name: &str| Object::Process { pid, name: name.into() };
    assert_eq!(object("scope.signal opid=1 ocomm=\"systemd\""), process(1, "systemd"));
    assert_eq!(object("ptrace opid=30780 ocomm=\"bash\""), process(30780, "bash"));
    assert_eq!(
        object("scope.abstract_unix_socket path=006F75746572206162737472616374"),
        Object::AbstractSocket { name: b"outer abstract".to_vec() }
    );
    let terminal = object("fs.ioctl_dev path=\"/dev/tty\" dev=\"devtmpfs\" ino=9 ioctlcmd=0x5413");
    assert!(matches!(terminal, Object::Path { request: Some(0x5413), .. }), "{terminal:?}");
}

#[test]
fn the_life_of_a_domain_is_read() {
    let allocated = read(
        1424,
        "audit(1795271011.809:43): domain=17e8bd2e0 status=allocated mode=enforcing pid=30909 uid=0 exe=\"/usr/bin/python3.11\" comm=\"python3\"",
    );
    let expected = Domain::Allocated {
        domain: 0x1_7e8b_d2e0,
        pid: 30909,
        uid: 0,
        exe: b"/usr/bin/python3.11".to_vec(),
        comm: b"python3".to_vec(),
    };
    assert_eq!(allocated.unwrap().event, Event::Domain(expected));
    let gone =
        read(1424, "audit(1795271011.893:75): domain=17e8bd2e0 status=deallocated denials=32");
    let expected = Domain::Deallocated { domain: 0x1_7e8b_d2e0, denials: 32 };
    assert_eq!(gone.unwrap().event, Event::Domain(expected));
}

#[test]
fn a_refused_call_names_its_process_and_number() {
    let record = read(
        1326,
        "audit(1795271012.109:79): auid=4294967295 uid=0 gid=0 ses=4294967295 pid=31033 comm=\"unshare\" exe=\"/usr/bin/unshare\" sig=0 arch=c000003e syscall=272 compat=0 ip=0x7f429777b0f7 code=0x50000",
    );
    let expected = Seccomp {
        pid: 31033,
        uid: 0,
        comm: b"unshare".to_vec(),
        exe: b"/usr/bin/unshare".to_vec(),
        signal: 0,
        architecture: 0xc000_003e,
        syscall: 272,
        verdict: 0x5_0000,
    };
    assert_eq!(record.unwrap().event, Event::Seccomp(expected));
}

#[test]
fn a_call_that_killed_names_its_signal() {
    let record = read(
        1326,
        "audit(1795271012.213:80): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=31074 comm=\"unshare\" exe=\"/usr/bin/unshare\" sig=31 arch=40000003 syscall=-1 compat=0 ip=0x7f93117020f7 code=0x80000000",
    );
    let Event::Seccomp(call) = record.unwrap().event else { panic!("no call") };
    let told = (call.signal, call.architecture, call.syscall, call.verdict);
    assert_eq!(told, (31, 0x4000_0003, u32::MAX, 0x8000_0000));
}

#[test]
fn what_is_missing_is_named() {
    let error = |kind, text: &str| read(kind, &format!("audit(1.000:1): {text}")).unwrap_err();
    assert_eq!(error(1423, "blockers=fs.execute"), DecodeError::Field("domain"));
    assert_eq!(error(1423, "domain=zz blockers=a"), DecodeError::Field("domain"));
    assert_eq!(error(1423, "domain=1 blockers="), DecodeError::Field("blockers"));
    assert_eq!(error(1424, "domain=1 status=new"), DecodeError::Field("status"));
    assert_eq!(error(1424, "domain=1 status=deallocated"), DecodeError::Field("denials"));
    assert_eq!(error(1326, "pid=99999999999"), DecodeError::Field("pid"));
    assert_eq!(read(1326, "type=1326").unwrap_err(), DecodeError::Start);
}

#[test]
fn other_types_are_passed_over() {
    let mut both = datagram(1300, b"audit(1.000:1): arch=c000003e");
    both.resize(both.len().next_multiple_of(4), 0);
    both.extend(datagram(1424, b"audit(1.000:1): domain=1 status=deallocated denials=1"));
    assert_eq!(records(&both).count(), 1);
}

proptest! {
    #[test]
    fn no_text_confuses_the_decoder(
        kind in prop::sample::select(vec![1326_u16, 1423, 1424]),
        text in "(audit\\(1\\.000:1\\): )?([a-z]{1,8}=(\"[a-z/]{0,9}\"|[0-9A-Fa-f]{0,9}|-1)? ?){0,9}",
        cut in 0..64_usize,
    ) {
        let datagram = datagram(kind, text.as_bytes());
        let kept = datagram.len().saturating_sub(cut);
        for record in records(&datagram[..kept]).flatten() {
            if let Event::Access(access) = record.event {
                prop_assert!(!access.blockers.is_empty() && access.blockers.len() <= MAX_BLOCKERS);
            }
        }
    }
}
