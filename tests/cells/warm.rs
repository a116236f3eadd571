//! A cell that stays: runs beside each other and one after the other, each with
//! a cgroup leaf and a Landlock layer of its own.

use std::io::{Read, Write};
use std::time::Duration;

use cofferdam_plan::{
    CellRequest, LandlockPlan, Limits, Rights, RunId, RunPlan, RunStep, TerminalSize,
};
use cofferdam_tests::skip_unless_root;
use cofferdam_tests::warden::{Cell, cell_plan, path, run_plan};

use crate::Bench;

/// A run of a shell script with a number for its id and its leaf.
fn script(bench: &mut Bench, cell: &Cell, number: u8, script: &str) -> RunPlan {
    let leaf = bench.warden.leaf(cell, number.into(), Limits::default()).expect("a leaf");
    let mut plan = run_plan(bench.path(), &["sh", "-c", script]);
    plan.run = RunId([number; 16]);
    plan.leaf = leaf;
    plan
}

fn code(wait_status: i32) -> i32 {
    assert!(libc::WIFEXITED(wait_status), "{wait_status:#x}");
    libc::WEXITSTATUS(wait_status)
}

#[test]
fn runs_of_a_cell_go_on_beside_each_other() {
    if skip_unless_root("runs_of_a_cell_go_on_beside_each_other") {
        return;
    }
    let mut bench = Bench::new();
    let cell = bench.cell();
    let plan = script(&mut bench, &cell, 1, "read line < /tmp/fifo; echo $line");
    // The second one feeds the first, and ends first.
    std::assert_eq!(cell.run(bench.path(), &["mkfifo", "/tmp/fifo"]).unwrap().code(), Some(0));
    let mut first = cell.start(plan).unwrap();
    let plan = script(&mut bench, &cell, 2, "echo hello > /tmp/fifo");
    let second = cell.run_plan(plan).unwrap();
    assert_eq!(second.code(), Some(0));
    let mut said = String::new();
    first.stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello\n");
    assert_eq!(code(cell.wait(RunId([1; 16])).wait_status), 0);
    bench.warden.end(cell);
}

#[test]
fn what_a_run_forked_ends_with_it_and_nothing_else_does() {
    if skip_unless_root("what_a_run_forked_ends_with_it_and_nothing_else_does") {
        return;
    }
    let mut bench = Bench::new();
    let cell = bench.cell();
    let plan = script(&mut bench, &cell, 1, "exec sleep 1000");
    let neighbour = cell.start(plan).unwrap();
    let plan = script(&mut bench, &cell, 2, "setsid sleep 1001 & setsid sleep 1002 & exit 3");
    let ran = cell.run_plan(plan).unwrap();
    assert_eq!(ran.code(), Some(3));
    let plan = script(&mut bench, &cell, 3, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
    let seen = cell.run_plan(plan).unwrap().stdout;
    assert!(seen.contains("sleep 1000"), "{seen}");
    assert!(!seen.contains("sleep 1001") && !seen.contains("sleep 1002"), "{seen}");
    cell.tell(&CellRequest::Kill(RunId([1; 16])));
    let ending = cell.wait(RunId([1; 16]));
    assert_eq!(libc::WTERMSIG(ending.wait_status), libc::SIGKILL);
    assert!(ending.cancelled);
    drop(neighbour);
    bench.warden.end(cell);
}

#[test]
fn a_background_run_leaves_its_children_to_the_cell_and_they_end_with_it() {
    if skip_unless_root("a_background_run_leaves_its_children_to_the_cell_and_they_end_with_it") {
        return;
    }
    let mut bench = Bench::new();
    let cell = bench.cell();
    let mut plan =
        script(&mut bench, &cell, 1, "setsid sleep 1003 >&- 2>&- & echo $! > /tmp/pid; exit 0");
    plan.background = true;
    assert_eq!(cell.run_plan(plan).unwrap().code(), Some(0));
    // In the middle of an exec a process has no arguments to show: look until it has, for as
    // long as a run may take.
    let look = "until tr '\\0' ' ' < /proc/$(cat /tmp/pid)/cmdline | grep -x 'sleep 1003 '; \
                do kill -0 $(cat /tmp/pid) || exit 1; done";
    let plan = script(&mut bench, &cell, 2, look);
    let seen = cell.run_plan(plan).unwrap();
    assert_eq!(seen.code(), Some(0), "{seen:?}");
    bench.warden.end(cell);
    assert!(!alive("sleep\u{0}1003"), "it outlives its cell");
}

/// Whether a process with this command line lives on the host.
fn alive(command: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read_to_string(entry.path().join("cmdline"))
            .is_ok_and(|line| line.contains(command))
    })
}

#[test]
fn a_background_run_needs_a_leaf() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let mut plan = run_plan(bench.path(), &["true"]);
    plan.background = true;
    let (step, errno) = cell.run_plan(plan).unwrap_err();
    assert_eq!((step, errno), (RunStep::Cgroup, libc::EOPNOTSUPP));
    bench.warden.end(cell);
}

#[test]
fn without_a_leaf_a_second_run_is_refused_while_one_goes_on() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let mut plan = run_plan(bench.path(), &["sleep", "1000"]);
    plan.run = RunId([1; 16]);
    let running = cell.start(plan).unwrap();
    let refused = cell.run(bench.path(), &["true"]).unwrap_err();
    assert_eq!(refused, (RunStep::Plan, libc::EBUSY));
    cell.tell(&CellRequest::Kill(RunId([1; 16])));
    cell.wait(RunId([1; 16]));
    drop(running);
    assert_eq!(cell.run(bench.path(), &["true"]).unwrap().code(), Some(0));
    bench.warden.end(cell);
}

#[test]
fn a_leaf_that_was_never_made_is_refused() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let mut plan = run_plan(bench.path(), &["true"]);
    plan.leaf = 77;
    assert_eq!(cell.run_plan(plan).unwrap_err(), (RunStep::Cgroup, libc::ENOENT));
    assert_eq!(cell.run(bench.path(), &["true"]).unwrap().code(), Some(0));
    bench.warden.end(cell);
}

#[test]
fn a_run_can_have_less_memory_than_its_cell() {
    if skip_unless_root("a_run_can_have_less_memory_than_its_cell") {
        return;
    }
    let mut bench = Bench::new();
    let cell = bench.cell();
    let limits = Limits { memory_bytes: 16 << 20, ..Limits::default() };
    let leaf = bench.warden.leaf(&cell, 1, limits).unwrap();
    let mut plan = run_plan(bench.path(), &["tail", "/dev/zero"]);
    plan.leaf = leaf;
    let ran = cell.run_plan(plan).unwrap();
    assert_eq!(libc::WTERMSIG(ran.ending.wait_status), libc::SIGKILL, "{ran:?}");
    // The cell itself did not notice.
    assert_eq!(cell.run(bench.path(), &["true"]).unwrap().code(), Some(0));
    bench.warden.end(cell);
}

#[test]
fn a_fork_bomb_in_a_leaf_dies_whole_while_a_neighbour_lives() {
    if skip_unless_root("a_fork_bomb_in_a_leaf_dies_whole_while_a_neighbour_lives") {
        return;
    }
    let mut bench = Bench::new();
    let mut plan = cell_plan(bench.path());
    plan.limits.processes = 200;
    let cell = bench.warden.build(plan).unwrap();
    let plan = script(&mut bench, &cell, 1, "exec sleep 1000");
    let neighbour = cell.start(plan).unwrap();
    let limits = Limits { processes: 100, ..Limits::default() };
    let leaf = bench.warden.leaf(&cell, 2, limits).unwrap();
    let mut plan = run_plan(bench.path(), &["bash", "-c", "b() { b | b & }; b; wait; sleep 1000"]);
    plan.run = RunId([2; 16]);
    plan.leaf = leaf;
    plan.limits.wall_millis = 1000;
    plan.limits.grace_millis = 50;
    let ran = cell.run_plan(plan).unwrap();
    assert!(ran.ending.timed_out);
    let plan = script(&mut bench, &cell, 3, "ls -d /proc/[0-9]*");
    let seen = cell.run_plan(plan).unwrap().stdout;
    // PID 1, the neighbour, the shell and ls.
    assert!(seen.lines().count() <= 5, "{seen}");
    cell.tell(&CellRequest::Kill(RunId([1; 16])));
    cell.wait(RunId([1; 16]));
    drop(neighbour);
    bench.warden.end(cell);
}

#[test]
fn a_run_can_be_narrower_than_its_cell() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let mut plan = run_plan(bench.path(), &["bash", "-c", "ls / >/dev/null; echo x > made; id"]);
    let rule = |at, rights| LandlockPlan { path: path(at), rights };
    plan.landlock = vec![
        rule("/usr/lib", Rights::EXECUTE),
        rule("/usr/lib64", Rights::EXECUTE),
        rule("/usr/bin/bash", Rights::EXECUTE),
        rule("/usr/bin/ls", Rights::EXECUTE),
        rule("/etc", Rights::READ),
    ];
    let ran = cell.run_plan(plan).unwrap();
    assert_eq!(ran.code(), Some(126), "{ran:?}");
    assert!(ran.stderr.contains("id: Permission denied"), "{}", ran.stderr);
    assert!(ran.stderr.contains("made: Permission denied"), "{}", ran.stderr);
    // Its cell is as it was.
    assert_eq!(cell.run(bench.path(), &["id"]).unwrap().code(), Some(0));
    bench.warden.end(cell);
}

#[test]
fn a_run_cannot_be_wider_than_its_cell() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let mut plan = run_plan(bench.path(), &["sh", "-c", "cp /usr/bin/id /tmp/id && /tmp/id"]);
    let rule = |at, rights| LandlockPlan { path: path(at), rights };
    let all = Rights { read: true, write: true, execute: true };
    plan.landlock = vec![rule("/", all)];
    let ran = cell.run_plan(plan).unwrap();
    assert_eq!(ran.code(), Some(126), "{ran:?}");
    bench.warden.end(cell);
}

#[test]
fn a_run_can_have_a_terminal_and_only_its_own() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let mut plan =
        run_plan(bench.path(), &["sh", "-c", "tty; stty size; ls /dev/pts; read x; echo got $x"]);
    plan.terminal = Some(TerminalSize { rows: 33, columns: 99 });
    let run = plan.run;
    let mut running = cell.start(plan).unwrap();
    let mut terminal = std::fs::File::from(running.terminal.take().unwrap());
    terminal.write_all(b"typed\n").unwrap();
    let mut said = Vec::new();
    // Ends with EIO when the other end is closed.
    _ = terminal.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    // What is typed is echoed whenever it comes.
    for line in ["/dev/pts/0\r\n", "33 99\r\n", "0  ptmx\r\n"] {
        assert!(said.contains(line), "{said:?} has no {line:?}");
    }
    assert!(said.contains("got typed"), "{said}");
    assert_eq!(code(cell.wait(run).wait_status), 0);
    bench.warden.end(cell);
}

#[test]
fn a_socket_that_listens_in_the_cell_is_reached_from_inside_and_served_from_outside() {
    let mut bench = Bench::new();
    let cell = bench.cell();
    let (port, listener) = cell.listen();
    let serving = std::thread::spawn(move || {
        let (mut caller, _) = listener.accept().unwrap();
        caller.write_all(b"from outside").unwrap();
    });
    let line = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3");
    let ran = cell.run(bench.path(), &["bash", "-c", &line]).unwrap();
    assert_eq!(ran.stdout, "from outside", "{}", ran.stderr);
    serving.join().unwrap();
    // The same port outside is another place.
    let outside = std::net::TcpStream::connect_timeout(
        &([127, 0, 0, 1], port).into(),
        Duration::from_millis(500),
    );
    assert!(outside.is_err());
    bench.warden.end(cell);
}

#[test]
fn protected_paths_of_a_workspace_stay_as_they_are() {
    let mut bench = Bench::new();
    let workspace = bench.path().to_owned();
    std::fs::create_dir_all(workspace.join(".git/hooks")).unwrap();
    std::fs::write(workspace.join(".git/config"), "[core]\n").unwrap();
    let mut plan = cell_plan(&workspace);
    plan.workspace.protected =
        vec![path(workspace.join(".git/hooks")), path(workspace.join(".git/config"))];
    let cell = bench.warden.build(plan).unwrap();
    for attempt in [
        "echo x > .git/hooks/pre-commit",
        "echo x > .git/config",
        "mv .git/config .git/other",
        "mv .git/hooks .git/others",
        "rm -rf .git/hooks",
        "chmod 777 .git/hooks",
        "ln -sf /tmp/x .git/config",
        "mv .git moved && mkdir .git && echo x > .git/config && test \"$(cat moved/config)\" != '[core]'",
    ] {
        let ran = cell.run(&workspace, &["bash", "-c", attempt]).unwrap();
        assert_ne!(ran.code(), Some(0), "{attempt}: {ran:?}");
    }
    assert_eq!(
        std::fs::read_to_string(workspace.join(".git/config")).unwrap_or_default(),
        "[core]\n"
    );
    bench.warden.end(cell);
}

#[test]
fn a_socket_in_the_workspace_that_is_masked_cannot_be_reached() {
    let mut bench = Bench::new();
    let workspace = bench.path().to_owned();
    let socket = workspace.join("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut plan = cell_plan(&workspace);
    plan.workspace.sockets = vec![path(&socket)];
    let cell = bench.warden.build(plan).unwrap();
    let script = "import socket; socket.socket(socket.AF_UNIX).connect('docker.sock')";
    let ran = cell.run(&workspace, &["python3", "-c", script]).unwrap();
    assert_ne!(ran.code(), Some(0), "{ran:?}");
    bench.warden.end(cell);
}

#[test]
fn names_of_sockets_that_are_none_change_nothing_and_those_behind_a_link_are_masked() {
    let mut bench = Bench::new();
    let workspace = bench.path().to_owned();
    std::fs::create_dir(workspace.join("real")).unwrap();
    std::os::unix::fs::symlink("real", workspace.join("link")).unwrap();
    std::os::unix::fs::symlink("loop", workspace.join("loop")).unwrap();
    std::fs::write(workspace.join("file"), "").unwrap();
    let socket = workspace.join("real/socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut plan = cell_plan(&workspace);
    let names = ["", "missing", "missing/a", "file", "file/a", "loop", "loop/a", "link/socket"];
    plan.workspace.sockets = names
        .map(|name| path(workspace.join(name).components().collect::<std::path::PathBuf>()))
        .to_vec();
    let cell = bench.warden.build(plan).unwrap();
    let script = "import socket; socket.socket(socket.AF_UNIX).connect('real/socket')";
    let ran = cell.run(&workspace, &["python3", "-c", script]).unwrap();
    assert_ne!(ran.code(), Some(0), "{ran:?}");
    let ran = cell.run(&workspace, &["sh", "-c", "echo x > file && echo x > new"]).unwrap();
    assert_eq!(ran.code(), Some(0), "{ran:?}");
    bench.warden.end(cell);
}

#[test]
fn a_cell_can_have_more_runs_one_after_the_other_than_leaves_at_a_time() {
    const RUNS: u32 = 600;
    if skip_unless_root("a_cell_can_have_more_runs_one_after_the_other_than_leaves_at_a_time") {
        return;
    }
    let mut bench = Bench::new();
    let cell = bench.cell();
    for number in 1..=RUNS {
        let leaf = bench.warden.leaf(&cell, number, Limits::default()).unwrap();
        let mut plan = run_plan(bench.path(), &["true"]);
        plan.leaf = leaf;
        assert_eq!(cell.run_plan(plan).unwrap().code(), Some(0));
        bench.warden.remove_leaf(&cell, number);
    }
    bench.warden.end(cell);
}
