//! Lines 13 to 15 and 38: too much, too deep, too long, or nothing to read.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use cofferdam_proto::exec::v1::outcome::Ending;
use cofferdam_proto::file::v1::{
    DirectoryList, DirectoryListing, FileRead, FileSearch, ListDirectoryRequest, ReadFileRequest,
    SearchFilesRequest, SearchResult,
};
use cofferdam_proto::intent::v1::Limits;
use cofferdam_tests::caller::{Caller, reason, sh, wait};
use tonic::Status;

use crate::Bench;

fn read(caller: &Caller, path: &str) -> Result<Vec<u8>, Status> {
    let read = FileRead { path: path.into(), ..FileRead::default() };
    let request = ReadFileRequest { intent: Some(caller.signed(&read)), read: Some(read) };
    let answer = wait(caller.files().read_file(request))?;
    Ok(answer.into_inner().content.unwrap().data)
}

fn list(caller: &Caller, depth: u32) -> Result<DirectoryListing, Status> {
    let list = DirectoryList {
        path: b".".to_vec(),
        depth,
        max_entries: 10_000,
        include_hidden: true,
        ..DirectoryList::default()
    };
    let request = ListDirectoryRequest { intent: Some(caller.signed(&list)), list: Some(list) };
    Ok(wait(caller.files().list_directory(request))?.into_inner().listing.unwrap())
}

fn search(caller: &Caller, content: &str) -> Result<SearchResult, Status> {
    let search =
        FileSearch { path: b".".to_vec(), content: content.into(), ..FileSearch::default() };
    let request = SearchFilesRequest { intent: Some(caller.signed(&search)), search: Some(search) };
    Ok(wait(caller.files().search_files(request))?.into_inner().result.unwrap())
}

/// Resident memory of a process, in KiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn pipes_sockets_devices_and_sparse_files_never_hold_a_file_tool_up() {
    let bench = Bench::new("odd-files");
    assert_eq!(bench.caller.sh("mkfifo pipe; truncate -s 900G sparse || true").code(), 0);
    let _socket = std::os::unix::net::UnixListener::bind(bench.path("socket")).unwrap();
    symlink("/dev/zero", bench.path("zero")).unwrap();
    let began = Instant::now();
    for odd in ["pipe", "socket", "zero", "/dev/tty", "/proc/kmsg", "."] {
        let refused = read(&bench.caller, odd).expect_err(odd);
        assert!(reason(&refused).starts_with("FILE_"), "{odd}: {refused:?}");
    }
    // A sparse file is one, as far as it may be read at a time.
    let read = read(&bench.caller, "sparse");
    assert!(read.is_err() || read.is_ok_and(|data| data.len() <= 1 << 20));
    search(&bench.caller, "x").expect("a search passes them by");
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
}

#[test]
fn twenty_thousand_files_cost_bounded_time_and_memory() {
    let bench = Bench::new("many-files");
    let made = bench.caller.python(
        "import os\nfor n in range(20000):\n os.close(os.open(f'file-{n}', os.O_CREAT | os.O_WRONLY))",
    );
    assert_eq!(made.code(), 0, "{}", made.said());
    let before = resident(bench.host.agent_pid());
    let listed = list(&bench.caller, 1).unwrap();
    assert_eq!((listed.entries.len(), listed.truncated), (10_000, true));
    let found = search(&bench.caller, "needle").unwrap();
    assert_eq!(found.matches.len(), 0);
    let grown = resident(bench.host.agent_pid()).saturating_sub(before);
    assert!(grown < 64 * 1024, "the agent grew by {grown} KiB");
}

#[test]
fn a_very_deep_tree_is_walked_as_far_as_it_is_allowed() {
    let bench = Bench::new("deep-tree");
    let made = bench.caller.python(
        "import os\nfor n in range(400):\n os.mkdir('deep'); os.chdir('deep')\nopen('needle', 'w').write('needle')",
    );
    assert_eq!(made.code(), 0, "{}", made.said());
    let listed = list(&bench.caller, 32).unwrap();
    let deep = listed.entries.iter().filter(|entry| entry.path.starts_with(b"deep")).count();
    assert!(deep <= 32, "{deep}");
    search(&bench.caller, "needle").unwrap();
    // So deep that no path names it: removed by those who clean up, too.
    assert_eq!(bench.caller.sh("rm -r deep").code(), 0);
}

#[test]
fn names_that_are_not_utf8_and_as_long_as_can_be_are_listed_byte_by_byte() {
    let bench = Bench::new("odd-names");
    let made = bench.caller.python(
        "import os\nfor byte in 0xff, 0x0a, 0x1b, 0x80:\n open(bytes([byte]) * 255, 'w').write('needle')",
    );
    assert_eq!(made.code(), 0, "{}", made.said());
    let mut listed: Vec<_> =
        list(&bench.caller, 1).unwrap().entries.into_iter().map(|entry| entry.path).collect();
    // What holds the place of protected files is listed, too.
    listed.retain(|path| path.len() == 255);
    listed.sort();
    let expected = [0x0a, 0x1b, 0x80, 0xff].map(|byte| vec![byte; 255]);
    assert_eq!(listed, expected);
    assert_eq!(search(&bench.caller, "needle").unwrap().matches.len(), 4);
}

#[test]
fn a_scratch_place_is_full_at_its_limit_and_nothing_else_is() {
    let bench = Bench::new("full-scratch");
    for (way, caller) in bench.ways() {
        let ran = caller
            .sh("dd if=/dev/zero of=/dev/shm/big bs=1M count=100 2>&1; stat -c %s /dev/shm/big; \
             echo fine > /tmp/other; cat /tmp/other; rm /dev/shm/big");
        assert!(ran.out().contains("No space left"), "{way}: {}", ran.said());
        // 64 MiB, as the profile says.
        assert!(ran.out().contains("67108864\nfine"), "{way}: {}", ran.said());
        let many = caller.sh("cd /dev/shm; seq 20000 | xargs touch 2>&1 | grep -c 'No space'");
        assert_ne!(many.out(), "0", "{way}: as many files as anybody likes");
        assert_eq!(caller.sh("find /dev/shm -type f -delete").code(), 0);
    }
}

#[test]
fn a_file_over_the_limit_ends_the_run_and_the_outcome_names_the_limit() {
    let bench = Bench::new("file-size");
    let limits = Limits { file_size_bytes: 1 << 20, ..Limits::default() };
    for (way, caller) in bench.ways() {
        let ran = caller.limits(limits).run(sh("exec head -c 4M /dev/zero > big")).unwrap();
        match ran.ending() {
            Ending::LimitHit(hit) => assert_eq!(hit.limit, "file size", "{way}"),
            other => panic!("{way}: {other:?}"),
        }
    }
}

#[test]
fn endless_output_is_stopped_at_its_limit() {
    let bench = Bench::new("endless");
    let limits = Limits { output_bytes: 100_000, ..Limits::default() };
    for (way, caller) in bench.ways() {
        let ran = caller.limits(limits).run(sh("yes & exec yes >&2")).unwrap();
        match ran.ending() {
            Ending::LimitHit(hit) => assert_eq!(hit.limit, "output", "{way}"),
            other => panic!("{way}: {other:?}"),
        }
        let told = ran.stdout.len() as u64 + ran.stderr.len() as u64 + ran.gaps;
        assert!(told <= 100_000, "{way}: {told}");
    }
}

#[test]
fn output_that_nobody_reads_waits_in_the_cell_and_not_in_the_agent() {
    let bench = Bench::new("unread");
    let mut live = bench.caller.start(sh("echo begun; exec yes")).unwrap();
    live.until_says("begun");
    let before = resident(bench.host.agent_pid());
    std::thread::sleep(Duration::from_secs(2));
    let grown = resident(bench.host.agent_pid()).saturating_sub(before);
    assert!(grown < 32 * 1024, "the agent grew by {grown} KiB");
    assert!(live.ran.finished.is_none());
    live.cancel();
    drop(live);
}

#[test]
fn a_full_workspace_is_an_error_inside_and_no_harm_outside() {
    let test = "a_full_workspace_is_an_error_inside_and_no_harm_outside";
    if cofferdam_tests::skip_unless_root(test) {
        return;
    }
    if cofferdam_tests::skip_unless_owners_map_on_tmpfs(test) {
        return;
    }
    let mounts = "mkdir $WORK/full; mount -t tmpfs -o size=1m,nr_inodes=32,uid=61002,gid=61002 full $WORK/full";
    let setup = cofferdam_tests::host::Setup { mounts: mounts.to_owned(), ..Default::default() };
    let bench = Bench::on(cofferdam_tests::host::Host::start_with(setup), "filler");
    let full = bench.caller.clone().at(&bench.host.place().join("work/full"));
    let ran =
        full.sh("head -c 4M /dev/zero > big; for i in $(seq 50); do : > f$i; done; df . | tail -1");
    assert!(ran.said().contains("No space left"), "{}", ran.said());
    // A command runs there all the same, and a file tool says what is wrong.
    assert_eq!(full.clone().one_shot().sh("cat big | wc -c").code(), 0);
    let write = cofferdam_proto::file::v1::FileWrite {
        path: b"more".to_vec(),
        data: vec![b'x'; 1 << 20],
        ..Default::default()
    };
    let request = cofferdam_proto::file::v1::WriteFileRequest {
        intent: Some(full.signed(&write)),
        write: Some(write),
    };
    let refused = wait(full.files().write_file(request)).unwrap_err();
    assert_eq!(reason(&refused), "FILE_NO_SPACE", "{refused:?}");
    assert_eq!(bench.caller.sh("echo fine > made").code(), 0);
}

#[test]
fn input_as_large_as_a_request_may_be_arrives() {
    let bench = Bench::new("input");
    let stdin = vec![b'x'; 4 << 20];
    let command = cofferdam_proto::exec::v1::Command { stdin, ..sh("wc -c") };
    assert_eq!(bench.caller.run(command).unwrap().out(), "4194304");
}
