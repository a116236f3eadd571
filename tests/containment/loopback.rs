//! Line 43: what a profile takes away of the cell's own loopback is gone by the
//! kernel's word, the outcome says who holds it, and a refusal says what would
//! allow it.

use cofferdam_proto::exec::v1::{Layer, Sandbox};
use cofferdam_tests::caller::{Ran, command};

use crate::Bench;

/// Listens and connects; prints how each went.
const TRY: &str = "
import errno, socket
def tried(name, act):
    try: act(); print(name, 'done')
    except OSError as error: print(name, errno.errorcode[error.errno])
def listen():
    global server
    server = socket.create_server(('127.0.0.1', 8080))
tried('listen', listen)
tried('connect', lambda: socket.create_connection(('127.0.0.1', 8080)))
raise SystemExit(1)
";

pub(crate) fn sandbox(ran: &Ran) -> Sandbox {
    ran.finished.clone().unwrap().sandbox.unwrap()
}

/// The layer of the receipt; none where the profile leaves the loopback.
pub(crate) fn layer(sandbox: &Sandbox) -> Option<&Layer> {
    sandbox.layers.iter().find(|layer| layer.name == "landlock-network")
}

#[test]
fn a_profile_without_loopback_has_neither_servers_nor_clients_there() {
    let bench = Bench::new("closed-loopback");
    let open = bench.caller.clone().python(TRY);
    assert_eq!(open.out(), "listen done\nconnect done", "{}", open.said());
    assert_eq!(layer(&sandbox(&open)), None);
    for profile in ["readonly", "strict"] {
        let caller = bench.caller.clone().profile(profile);
        // A strict cell has one program, and the shell is none of Python's parents.
        let ran = caller.run(command(&["/usr/bin/python3", "-c", TRY])).unwrap();
        let sandbox = sandbox(&ran);
        let layer = layer(&sandbox).unwrap_or_else(|| panic!("{profile}: {:?}", ran.ending()));
        assert!(layer.detail.contains("`network.loopback = false`"), "{layer:?}");
        if !layer.effective {
            println!("skipped: {}", layer.detail);
            assert!(layer.detail.contains("ABI 4, Linux 6.7"), "{layer:?}");
            continue;
        }
        assert_eq!(ran.out(), "listen EACCES\nconnect EACCES", "{profile}: {}", ran.said());
        told(&sandbox, profile);
    }
}

/// Where the kernel tells, both are told with what would allow them.
fn told(sandbox: &Sandbox, profile: &str) {
    if !sandbox.denials_unseen.is_empty() {
        println!("skipped: {}", sandbox.denials_unseen);
        return;
    }
    for operation in ["listen on TCP", "connect by TCP to"] {
        let denials = &sandbox.denials;
        let denial = denials.iter().find(|it| it.operation == operation);
        let denial = denial.unwrap_or_else(|| panic!("{operation}: {sandbox:?}"));
        assert_eq!((&*denial.layer, &*denial.object), ("Landlock", "127.0.0.1:8080"), "{denial:?}");
        assert_eq!(denial.setting, "network.loopback", "{denial:?}");
        let remedy = format!("a profile with `network.loopback = true`, which `{profile}` has not");
        assert_eq!(denial.remedy, remedy);
    }
}
