//! For tests: a cell whose PID 1 answers a first start, if it is to, and takes
//! nothing from then on; and a warden that does as it is told.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use cofferdam_plan::channel::{receive, send};
use cofferdam_plan::run::{Loopback, LoopbackHold, RunLimits};
use cofferdam_plan::{
    AbsolutePath, Access, CellEvent, CellId, CellPlan, CellRequest, FilterDigest, LayerSet, Limits,
    Network, RunId, RunPlan, WardenEvent, WardenRequest, WorkspacePlan,
};

use super::Cell;
use crate::warden::{Endpoint, Warden};

/// A cell, and what tells that the warden was asked to end it.
pub(crate) async fn cell(answers_first: bool) -> (Cell, Receiver<()>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let warden = Arc::new(Warden::new(Endpoint::Inherited(ours.into())).unwrap());
    let (destroyed, told) = channel();
    std::thread::spawn(move || {
        let (request, mut given) = receive::<WardenRequest>(&theirs).unwrap();
        let WardenRequest::Build(CellPlan { cell, .. }) = request else { panic!("{request:?}") };
        let building = WardenEvent::Building { cell, uid: 1, cgroup: String::new() };
        send(&theirs, &building, &[]).unwrap();
        let control = given.remove(0);
        send(&control, &CellEvent::Ready(Vec::new()), &[]).unwrap();
        if answers_first {
            let (request, _) = receive::<CellRequest>(&control).unwrap();
            let CellRequest::Start(plan) = request else { panic!("{request:?}") };
            let started = CellEvent::Started { run: plan.run, loopback: LoopbackHold::Full };
            send(&control, &started, &[]).unwrap();
        }
        // Its leaves are never empty.
        while let (WardenRequest::RemoveLeaf(leaf, _), _) = receive(&theirs).unwrap() {
            let event = WardenEvent::Leaf { leaf, there: true, detail: String::new() };
            send(&theirs, &event, &[]).unwrap();
        }
        destroyed.send(()).unwrap();
        send(&theirs, &WardenEvent::Gone { cell }, &[]).unwrap();
        drop(control);
    });
    (Cell::build(&warden, plan()).await.unwrap(), told)
}

/// A run whose plan has so many bytes of arguments.
pub(crate) fn run(id: u8, bytes: usize) -> RunPlan {
    RunPlan {
        run: RunId([id; 16]),
        program: b"true".to_vec(),
        search_path: Vec::new(),
        arguments: vec![vec![b'x'; bytes]],
        environment: Vec::new(),
        working_directory: path("/"),
        limits: RunLimits::default(),
        leaf: 0,
        landlock: Vec::new(),
        loopback: Loopback::Open,
        background: false,
        terminal: None,
    }
}

/// A plan for a cell that is never built.
pub(crate) fn plan() -> CellPlan {
    CellPlan {
        cell: CellId([7; 16]),
        subject: String::new(),
        profile: String::new(),
        hostname: String::new(),
        workspace: WorkspacePlan {
            path: path("/w"),
            access: Access::Read,
            execute: false,
            protected: Vec::new(),
            sockets: Vec::new(),
        },
        binds: Vec::new(),
        links: Vec::new(),
        scratch: Vec::new(),
        home: path("/h"),
        landlock: Vec::new(),
        network: Network::None,
        filter: FilterDigest([0; 32]),
        limits: Limits::default(),
        may_lack: LayerSet::NONE,
    }
}

fn path(text: &str) -> AbsolutePath {
    AbsolutePath::new(text).unwrap()
}
