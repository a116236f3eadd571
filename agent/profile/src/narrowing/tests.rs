//! A child is never wider than its parent, compared with a check that knows
//! nothing of keys: it asks, place by place, what each of the two lets a cell do.

use std::path::{Path, PathBuf};

use cofferdam_proxy_protocol::Target;
use proptest::prelude::*;

use super::*;
use crate::trees::covers;
use crate::{Destination, Profiles, RelativePath};

/// A parent that has something of everything.
fn parent() -> Profile {
    let mut profile = Profiles::load(None).unwrap().get("build-network").unwrap().clone();
    for (field, choice) in (0..FIELDS).map(|field| (field, 1)) {
        change(&mut profile, field, choice);
    }
    profile
}

const FIELDS: usize = 27;
const CHOICES: usize = 4;

/// Gives one field one of a few values; which are wider is not said here.
fn change(profile: &mut Profile, field: usize, choice: usize) {
    let flag = choice.is_multiple_of(2);
    let number = [50, 100, 200, 400][choice];
    let trees = || {
        let lists: [&[&str]; CHOICES] = [&["/a/"], &["/a/", "/b/c/"], &["/a/b", "/b/c/d"], &["/"]];
        lists[choice].iter().map(|text| Tree::parse(text).unwrap()).collect::<Vec<_>>()
    };
    let count = u32::try_from(choice).unwrap();
    let limits = &mut profile.limits;
    match field {
        0 => profile.write = flag,
        1 => profile.execute = flag,
        2 => profile.show = trees(),
        3 => profile.read = trees(),
        4 => profile.programs = trees(),
        5 => profile.libraries = trees(),
        6 => profile.scratch[0].bytes = number,
        7 => profile.scratch.iter_mut().skip(1).for_each(|place| place.execute = flag),
        8 => profile.scratch.truncate(choice + 1),
        9 => profile.network = network(choice),
        10 => profile.filter = ["cell", "strict"][choice % 2].to_owned(),
        11 => limits.memory_bytes = number,
        12 => limits.swap_bytes = number,
        13 => limits.processes = count,
        14 => limits.cpu_millis = count,
        15 => limits.cpu_weight = count,
        16 => limits.io_bytes_per_second = [0, 10, 20, 0][choice],
        17 => limits.wall_millis = number,
        18 => limits.idle_millis = [None, Some(10), Some(20), None][choice],
        19 => limits.output_bytes = number,
        20 => (limits.file_size_bytes, limits.open_files) = (number, count),
        21 => profile.session.idle_millis = number,
        22 => profile.session.background = flag,
        23 => profile.allowed_variables = subset(["GIT_DIR".to_owned(), "CC".to_owned()], choice),
        24 => profile.loopback = flag,
        25 => profile.may_lack = subset([Layer::Cgroup, Layer::User], choice),
        _ => profile.protect = protections(choice),
    }
}

fn network(choice: usize) -> Network {
    let proxy = |texts: &[&str]| {
        Network::Proxy(texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Destination>>())
    };
    match choice {
        0 => Network::None,
        1 => proxy(&["a.example:443", "*.b.example:1-9000"]),
        2 => proxy(&["x.b.example:443"]),
        _ => Network::Host,
    }
}

/// The items whose bit is set in `choice`.
fn subset<T: Ord>(all: [T; 2], choice: usize) -> BTreeSet<T> {
    all.into_iter().zip([1, 2]).filter(|(_, bit)| choice & bit != 0).map(|(it, _)| it).collect()
}

fn protections(choice: usize) -> Vec<RelativePath> {
    let lists: [&[&str]; CHOICES] =
        [&[".git"], &[".git/hooks", ".envrc"], &[".git", ".envrc"], &[]];
    lists[choice].iter().map(|text| RelativePath::new(*text).unwrap()).collect()
}

/// Everything that a profile lets a cell do, asked one by one: each is a
/// question, and how much of it there is. More is wider.
fn abilities(profile: &Profile) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    let mut add = |question: String, amount: u64| all.push((question, amount));
    add("write".into(), profile.write.into());
    add("execute what was made".into(), profile.execute.into());
    let (readable, executable) = (profile.readable(), profile.executable());
    for path in paths() {
        let told = path.display();
        add(format!("see {told}"), covers(&profile.show, &path).into());
        add(format!("read {told}"), covers(&readable, &path).into());
        add(format!("execute {told}"), covers(&executable, &path).into());
        add(format!("be given the library {told}"), covers(&profile.libraries, &path).into());
    }
    for path in [".git", ".git/hooks", ".git/hooks/x", ".git/x", ".envrc", ".envrc2", "src"] {
        let kept = |it: &RelativePath| Path::new(path).ancestors().any(|up| up == it.as_path());
        add(format!("change {path}"), u64::from(!profile.protect.iter().any(kept)));
    }
    for path in ["/home/cell", "/tmp", "/var/tmp", "/dev/shm", "/else"] {
        let place = profile.scratch.iter().find(|it| it.path.as_path() == Path::new(path));
        add(format!("fill {path}"), place.map_or(0, |it| it.bytes));
        add(format!("execute in {path}"), place.is_some_and(|it| it.execute).into());
    }
    for target in ["a.example:443", "a.example:80", "x.b.example:443", "b.example:443", "1.2.3.4:1"]
    {
        let target: Target = target.parse().unwrap();
        let reached = match &profile.network {
            Network::None => false,
            Network::Proxy(allowed) => allowed.iter().any(|it| it.allows(&target)),
            Network::Host => true,
        };
        add(format!("connect to {target:?}"), reached.into());
    }
    add("serve on loopback".into(), profile.loopback.into());
    add("past the proxy".into(), u64::from(profile.network == Network::Host));
    add("fork".into(), u64::from(profile.filter != "strict"));
    add("background".into(), profile.session.background.into());
    add("idle cell".into(), profile.session.idle_millis);
    for name in ["GIT_DIR", "CC", "LD_PRELOAD"] {
        add(format!("set {name}"), profile.allowed_variables.contains(name).into());
    }
    for layer in [Layer::Cgroup, Layer::User, Layer::Seccomp] {
        add(format!("lack {layer:?}"), profile.may_lack.contains(&layer).into());
    }
    all.extend(amounts(profile));
    all
}

fn amounts(profile: &Profile) -> Vec<(String, u64)> {
    let it = &profile.limits;
    let or_any = |bounded: bool, value: u64| if bounded { value } else { u64::MAX };
    [
        ("memory", it.memory_bytes),
        ("swap", it.swap_bytes),
        ("processes", it.processes.into()),
        ("cpu", it.cpu_millis.into()),
        ("weight", it.cpu_weight.into()),
        ("io", or_any(it.io_bytes_per_second > 0, it.io_bytes_per_second)),
        ("wall", it.wall_millis),
        ("silence", it.idle_millis.unwrap_or(u64::MAX)),
        ("output", it.output_bytes),
        ("file size", it.file_size_bytes),
        ("open files", it.open_files.into()),
    ]
    .map(|(name, amount)| (name.to_owned(), amount))
    .to_vec()
}

/// Every path of up to four parts over a small alphabet: deeper than any tree
/// that the profiles here name.
fn paths() -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from("/")];
    for _ in 0..4 {
        let deeper = all.iter().flat_map(|path| ["a", "b", "c", "d"].map(|part| path.join(part)));
        all = [PathBuf::from("/")].into_iter().chain(deeper).collect();
    }
    all
}

fn is_wider(child: &Profile, parent: &Profile) -> bool {
    abilities(child).iter().zip(abilities(parent)).any(|(own, bound)| {
        assert_eq!(own.0, bound.0);
        own.1 > bound.1
    })
}

fn changed(profile: &Profile, changes: &[(usize, usize)]) -> Profile {
    let mut profile = profile.clone();
    for &(field, choice) in changes {
        change(&mut profile, field, choice);
    }
    profile
}

fn changes() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec((0..FIELDS, 0..CHOICES), 0..3)
}

proptest! {
    #[test]
    fn a_child_is_taken_if_and_only_if_it_can_do_nothing_more(
        first in changes(), second in changes(),
    ) {
        let parent = changed(&parent(), &first);
        let child = changed(&parent, &second);
        prop_assert_eq!(check(&child, &parent).is_err(), is_wider(&child, &parent));
    }

    #[test]
    fn narrowing_composes(first in changes(), second in changes(), third in changes()) {
        let top = changed(&parent(), &first);
        let middle = changed(&top, &second);
        let bottom = changed(&middle, &third);
        if check(&middle, &top).is_ok() && check(&bottom, &middle).is_ok() {
            prop_assert_eq!(check(&bottom, &top), Ok(()));
        }
    }
}

#[test]
fn every_profile_is_within_itself() {
    let all = Profiles::load(None).unwrap();
    for profile in all.iter() {
        assert_eq!(check(profile, profile), Ok(()), "{}", profile.name);
    }
}
