//! Every complaint names the field by its path.

use super::*;

fn workspace() -> AbsolutePath {
    AbsolutePath::new("/srv/project").unwrap()
}

fn good() -> exec::Command {
    exec::Command { program: b"git".to_vec(), ..exec::Command::default() }
}

fn complaint(change: impl FnOnce(&mut exec::Command)) -> String {
    let mut it = good();
    change(&mut it);
    command(it, &workspace(), &BTreeSet::new()).unwrap_err().path
}

fn variable(name: &str, value: &[u8]) -> exec::EnvironmentVariable {
    exec::EnvironmentVariable { name: name.to_owned(), value: value.to_vec() }
}

#[test]
fn a_good_command_is_taken_as_it_is() {
    let it = exec::Command {
        arguments: vec![b"caf\xe9".to_vec(), Vec::new()],
        environment: vec![variable("CI", b"1")],
        ..good()
    };
    let checked = command(it, &workspace(), &BTreeSet::new()).unwrap();
    assert_eq!(checked.arguments, [b"caf\xe9".to_vec(), Vec::new()]);
    assert_eq!(checked.working_directory, workspace());
}

#[test]
fn bad_commands_are_refused_with_the_fields_path() {
    assert_eq!(complaint(|c| c.program.clear()), "command.program");
    assert_eq!(complaint(|c| c.program = b"a/b".to_vec()), "command.program");
    assert_eq!(complaint(|c| c.program = vec![b'a'; 5000]), "command.program");
    assert_eq!(complaint(|c| c.program = b"a\0".to_vec()), "command.program");
    let nul = |c: &mut exec::Command| c.arguments = vec![b"a".to_vec(), b"b\0c".to_vec()];
    assert_eq!(complaint(nul), "command.arguments[1]");
    let long = |c: &mut exec::Command| c.arguments = vec![vec![b'a'; 10 << 20]];
    assert_eq!(complaint(long), "command.arguments[0]");
    let many = |c: &mut exec::Command| c.arguments = vec![Vec::new(); 20_000];
    assert_eq!(complaint(many), "command.arguments");
    let wide = |c: &mut exec::Command| c.arguments = vec![vec![b'a'; 100_000]; 11];
    assert_eq!(complaint(wide), "command.arguments");
    let reserved = |c: &mut exec::Command| {
        c.environment = vec![variable("CI", b""), variable("LD_PRELOAD", b"x")];
    };
    assert_eq!(complaint(reserved), "command.environment[1].name");
    let nul_value = |c: &mut exec::Command| c.environment = vec![variable("CI", b"\0")];
    assert_eq!(complaint(nul_value), "command.environment[0].value");
    assert_eq!(complaint(|c| c.stdin = vec![0; STDIN + 1]), "command.stdin");
}

#[test]
fn the_working_directory_stays_in_the_workspace() {
    let of = |text: &str| {
        let it = exec::Command { working_directory: text.into(), ..good() };
        command(it, &workspace(), &BTreeSet::new()).map(|c| c.working_directory.to_string())
    };
    assert_eq!(of("src/./a//").unwrap(), "/srv/project/src/a");
    assert_eq!(of("/srv/project/").unwrap(), "/srv/project");
    for outside in ["/", "/etc", "/srv/projectshop", "..", "src/../..", "a\0"] {
        assert_eq!(of(outside).unwrap_err().path, "command.working_directory", "{outside}");
    }
}

#[test]
fn the_largest_command_fits_into_a_plans_frame() {
    use cofferdam_plan::Frame;
    let arguments = vec![vec![b'a'; 100_000]; 10];
    let it = exec::Command { arguments, ..good() };
    let Command { program, arguments, .. } = command(it, &workspace(), &BTreeSet::new()).unwrap();
    let size = program.len() + arguments.iter().map(|a| a.len() + 4).sum::<usize>();
    assert!(size * 3 / 2 < cofferdam_plan::CellRequest::MAX_FRAME);
}

#[test]
fn file_operations_are_bounded() {
    use cofferdam_proto::file::v1::worker_request::Operation;
    use cofferdam_proto::file::v1::{
        DirectoryList, FileRead, FileSearch, FileWrite, ProgramLookup,
    };
    let complaint = |it: Operation| operation(&it).unwrap_err().path;
    let path = || b"a".to_vec();
    let read = |path, length| Operation::Read(FileRead { path, length, ..FileRead::default() });
    assert_eq!(complaint(read(Vec::new(), 0)), "read.path");
    assert_eq!(complaint(read(vec![b'a'; 5000], 0)), "read.path");
    assert_eq!(complaint(read(path(), u64::MAX)), "read.length");
    let mode = FileWrite { path: path(), mode: 0o4755, ..FileWrite::default() };
    assert_eq!(complaint(Operation::Write(mode)), "write.mode");
    let deep = DirectoryList { path: path(), depth: 33, ..DirectoryList::default() };
    assert_eq!(complaint(Operation::List(deep)), "list.depth");
    let empty = FileSearch { path: path(), ..FileSearch::default() };
    assert_eq!(complaint(Operation::Search(empty)), "search");
    let relative = ProgramLookup { program: b"a/b".to_vec(), directories: Vec::new() };
    assert_eq!(complaint(Operation::FindProgram(relative)), "query.program");
    assert_eq!(operation(&read(path(), 10)), Ok(()));
}

#[test]
fn a_run_id_is_a_uuid() {
    assert!(run_id("0192d4e0-7b3c-7cc0-8a3e-0123456789ab").is_ok());
    assert_eq!(run_id("1").unwrap_err().path, "run_id");
}
