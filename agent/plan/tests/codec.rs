//! Decoding is total: hostile bytes are refused, and every value has exactly
//! one encoding.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use cofferdam_plan::run::{Loopback, LoopbackHold, RunSignal};
use cofferdam_plan::{
    AbsolutePath, Access, BindPlan, CellEvent, CellId, CellPlan, CellRequest, Decode, DecodeError,
    Encode, FilterDigest, LandlockPlan, Layer, LayerSet, Leaf, Limits, LinkPlan, Network, Rights,
    RunId, RunLimits, RunPlan, ScratchPlan, WardenEvent, WardenRequest, WorkspacePlan,
};
use proptest::prelude::*;

fn path() -> impl Strategy<Value = AbsolutePath> {
    prop::collection::vec("[a-zA-Z0-9_-]{1,12}", 0..5)
        .prop_map(|parts| AbsolutePath::new(format!("/{}", parts.join("/"))).unwrap())
}

fn rights() -> impl Strategy<Value = Rights> {
    any::<(bool, bool, bool)>().prop_map(|(read, write, execute)| Rights { read, write, execute })
}

prop_compose! {
    fn cell_plan()(
        (cell, filter, network, degraded, writable, execute) in
            any::<([u8; 16], [u8; 32], bool, bool, bool, bool)>(),
        (memory_bytes, swap_bytes, processes, cpu_millis, cpu_weight, io_bytes, io_device) in
            any::<(u64, u64, u32, u32, u32, u64, (u32, u32))>(),
        (protected, sockets) in
            (prop::collection::vec(path(), 0..4), prop::collection::vec(path(), 0..4)),
        labels in ["[ -~]{0,64}", "[ -~]{0,64}", "[ -~]{0,64}"],
        workspace in path(),
        home in path(),
        binds in prop::collection::vec((path(), any::<bool>()), 0..6),
        links in prop::collection::vec((path(), "[a-z/]{1,20}"), 0..4),
        scratch in prop::collection::vec((path(), any::<u64>(), any::<bool>()), 0..4),
        rules in prop::collection::vec((path(), rights()), 0..8),
    ) -> CellPlan {
        let [subject, profile, hostname] = labels;
        CellPlan {
            cell: CellId(cell),
            subject,
            profile,
            hostname,
            workspace: WorkspacePlan {
                path: workspace,
                access: if writable { Access::Write } else { Access::Read },
                execute,
                protected,
                sockets,
            },
            binds: binds.into_iter().map(|(path, execute)| BindPlan { path, execute }).collect(),
            links: links
                .into_iter()
                .map(|(path, target)| LinkPlan { path, target: target.into_bytes() })
                .collect(),
            scratch: scratch
                .into_iter()
                .map(|(path, bytes, execute)| ScratchPlan { path, bytes, execute })
                .collect(),
            home,
            landlock: rules.into_iter().map(|(path, rights)| LandlockPlan { path, rights }).collect(),
            network: if network { Network::Host } else { Network::None },
            filter: FilterDigest(filter),
            limits: Limits {
                memory_bytes, swap_bytes, processes, cpu_millis, cpu_weight, io_bytes, io_device,
            },
            may_lack: if degraded { LayerSet::NONE.with(Layer::Cgroup) } else { LayerSet::NONE },
        }
    }
}

fn is_total<P: Decode + Encode + std::fmt::Debug>(body: &[u8]) {
    if let Ok(value) = P::from_frame(body) {
        assert_eq!(value.to_frame(), body);
    }
}

proptest! {
    #[test]
    fn a_cell_plan_survives_the_way(plan in cell_plan()) {
        let request = WardenRequest::Build(plan);
        prop_assert_eq!(WardenRequest::from_frame(&request.to_frame()).unwrap(), request);
    }

    #[test]
    fn a_plan_cut_short_or_prolonged_is_refused(plan in cell_plan(), cut in any::<prop::sample::Index>()) {
        let mut body = WardenRequest::Build(plan).to_frame();
        let short = &body[..cut.index(body.len())];
        prop_assert!(WardenRequest::from_frame(short).is_err());
        body.push(0);
        prop_assert_eq!(
            WardenRequest::from_frame(&body).unwrap_err(),
            DecodeError::Trailing(1)
        );
    }

    #[test]
    fn a_plan_with_one_byte_changed_is_refused_or_means_exactly_its_bytes(
        plan in cell_plan(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = WardenRequest::Build(plan).to_frame();
        let at = at.index(body.len());
        body[at] = byte;
        is_total::<WardenRequest>(&body);
    }

    #[test]
    fn random_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..512)) {
        is_total::<WardenRequest>(&body);
        is_total::<WardenEvent>(&body);
        is_total::<CellRequest>(&body);
        is_total::<CellEvent>(&body);
    }
}

#[test]
fn a_list_that_claims_more_than_it_may_is_refused_before_memory_is_taken() {
    let plan = run_plan(Loopback::Closed);
    let mut body = CellRequest::Start(plan).to_frame();
    // The count of the search path: after version, tag, run id, length and program.
    let count = 1 + 1 + 16 + 4 + 4;
    body[count..count + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = CellRequest::from_frame(&body).unwrap_err();
    assert!(matches!(error, DecodeError::TooLong("search_path", ..)), "{error}");
}

#[test]
fn a_frame_of_another_version_is_refused() {
    let mut body = WardenRequest::Destroy(CellId([3; 16])).to_frame();
    body[0] = 1;
    assert_eq!(WardenRequest::from_frame(&body), Err(DecodeError::Version(1)));
}

#[test]
fn what_is_said_and_asked_of_a_leaf_survives_the_way() {
    let leaf = Leaf { cell: CellId([3; 16]), number: 7 };
    for end in [false, true] {
        let request = WardenRequest::RemoveLeaf(leaf, end);
        assert_eq!(WardenRequest::from_frame(&request.to_frame()).unwrap(), request);
        let event = WardenEvent::Leaf { leaf, there: end, detail: "why".to_owned() };
        assert_eq!(WardenEvent::from_frame(&event.to_frame()).unwrap(), event);
    }
    let mut body = WardenRequest::RemoveLeaf(leaf, true).to_frame();
    *body.last_mut().unwrap() = 2;
    assert_eq!(WardenRequest::from_frame(&body), Err(DecodeError::Unknown("end", 2)));
}

fn loopback() -> impl Strategy<Value = Loopback> {
    prop_oneof![
        Just(Loopback::Closed),
        any::<std::num::NonZeroU16>().prop_map(Loopback::Only),
        Just(Loopback::Open),
    ]
}

/// A run of `true` that reaches this.
fn run_plan(loopback: Loopback) -> RunPlan {
    RunPlan {
        run: RunId([0; 16]),
        program: b"true".to_vec(),
        search_path: Vec::new(),
        arguments: vec![b"true".to_vec()],
        environment: Vec::new(),
        working_directory: AbsolutePath::new("/").unwrap(),
        limits: RunLimits::default(),
        leaf: 0,
        landlock: Vec::new(),
        loopback,
        background: false,
        terminal: None,
    }
}

proptest! {
    #[test]
    fn what_a_run_reaches_survives_the_way(loopback in loopback()) {
        let request = CellRequest::Start(run_plan(loopback));
        prop_assert_eq!(CellRequest::from_frame(&request.to_frame()).unwrap(), request);
    }

    #[test]
    fn a_run_with_one_byte_changed_is_refused_or_means_exactly_its_bytes(
        loopback in loopback(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = CellRequest::Start(run_plan(loopback)).to_frame();
        let at = at.index(body.len());
        body[at] = byte;
        is_total::<CellRequest>(&body);
    }

    #[test]
    fn how_far_a_run_is_held_survives_the_way(abi in any::<Option<u8>>()) {
        let loopback = abi.map_or(LoopbackHold::Full, |abi| LoopbackHold::Lacking { abi });
        let event = CellEvent::Started { run: RunId([4; 16]), loopback };
        prop_assert_eq!(CellEvent::from_frame(&event.to_frame()).unwrap(), event);
    }
}

#[test]
fn a_port_that_is_none_and_a_reach_without_a_name_are_refused() {
    let body = CellRequest::Start(run_plan(Loopback::Only(80.try_into().unwrap()))).to_frame();
    // Before what lives on and the terminal: tag and port.
    let tag = body.len() - 2 - 3;
    for (change, error) in [
        ([1, 0, 0], DecodeError::Unknown("loopback.port", 0)),
        ([3, 80, 0], DecodeError::Unknown("loopback", 3)),
        ([0xff, 80, 0], DecodeError::Unknown("loopback", 0xff)),
    ] {
        let mut body = body.clone();
        body[tag..tag + 3].copy_from_slice(&change);
        assert_eq!(CellRequest::from_frame(&body), Err(error));
    }
}

#[test]
fn every_signal_has_one_encoding_and_no_other_number_is_taken() {
    for signal in RunSignal::ALL {
        let request = CellRequest::Signal(RunId([7; 16]), signal);
        assert_eq!(CellRequest::from_frame(&request.to_frame()).unwrap(), request);
    }
    let mut body = CellRequest::Signal(RunId([7; 16]), RunSignal::Hangup).to_frame();
    let last = body.len() - 1;
    let known = RunSignal::ALL.map(|signal| signal as u8);
    for number in (0..=u8::MAX).filter(|number| !known.contains(number)) {
        body[last] = number;
        assert!(CellRequest::from_frame(&body).is_err(), "{number}");
    }
}
