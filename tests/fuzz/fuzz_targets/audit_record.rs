//! Whatever bytes stand in a datagram of the audit socket, decoding,
//! attributing and explaining them neither panics nor grows past its bounds.
#![no_main]

use std::time::Instant;

use cofferdam_denials::{
    Attribution, Context, Event, Network, Place, RunKey, Started, explain, records,
};
use libfuzzer_sys::fuzz_target;

const KEY: RunKey = RunKey(1);

fn context() -> Context {
    Context {
        profile: "default".into(),
        workspace: "/srv/shop".into(),
        writable: true,
        profile_writes: true,
        executable: false,
        protected: vec!["/srv/shop/.git/hooks".into()],
        scratch: vec![Place { path: "/tmp".into(), execute: false }],
        network: Network::None,
        loopback: false,
        filter: "cell".into(),
        building: None,
        host_files: None,
    }
}

fuzz_target!(|data: &[u8]| {
    let now = Instant::now();
    let mut attribution = Attribution::new(b"/usr/libexec/cofferdam-warden".to_vec());
    attribution.run_started(Started { key: KEY, pid: Some(100), uid: Some(5000), since: now });
    let mut taken = 0_u64;
    for record in records(data).flatten() {
        if let Event::Access(access) = &record.event {
            assert!(!access.blockers.is_empty());
        }
        taken += 1;
        attribution.record(record, now, |_| Some(KEY));
    }
    let found = attribution.run_ended(KEY);
    let told: u64 = found.refusals.iter().map(|refusal| refusal.count).sum();
    assert!(told + found.more + found.own + attribution.unattributed() <= taken);
    let explained = explain(&found, &context());
    for succeeded in [true, false] {
        let text = explained.text(succeeded);
        assert!(text.lines().count() <= 20 && text.len() < 32 * 1024);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    }
});
