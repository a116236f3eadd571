//! The built-in profiles mean what their names say, inheritance finds its way,
//! and every mistake is told with its key.

use super::*;
use crate::trees::covers;
use crate::{Network, Tree};

/// A profile that says everything, in few words.
const WHOLE: &str = r#"
version = 1
[workspace]
access = "write"
protect = [".git/hooks"]
[view]
read = ["/usr/share/", "/etc"]
[programs]
path = ["/usr/bin"]
execute = ["/usr/bin/"]
libraries = ["/usr/lib/"]
[home]
path = "/home/cell"
size = "64MiB"
[[scratch]]
path = "/tmp"
size = "1MiB"
[network]
mode = "proxy"
allow = ["crates.io:443", "*.npmjs.org:443"]
[syscalls]
filter = "cell"
[limits]
memory = "1GiB"
processes = 100
cpu_millis = 1000
wall = "1m"
idle = "10s"
output = "1MiB"
file_size = "1MiB"
open_files = 100
[environment]
set = { LANG = "C.UTF-8" }
allow = ["GIT_DIR"]
[enforcement]
may_lack = ["cgroup"]
"#;

fn host(files: &[(&str, &str)]) -> Result<Profiles, ProfileError> {
    Profiles::of(&files.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect())
}

/// What is wrong with a child of [`WHOLE`] that says `text`.
fn mistake(text: &str) -> String {
    let child = format!("version = 1\ninherits = \"whole\"\n{text}");
    host(&[("whole", WHOLE), ("child", &child)]).expect_err(text).to_string()
}

#[test]
fn the_built_in_profiles_mean_what_their_names_say() {
    let profiles = Profiles::load(None).unwrap();
    let of = |name| profiles.get(name).unwrap();
    assert!(!of("readonly").write && !of("readonly").execute);
    for name in ["default", "default-network", "strict"] {
        assert!(of(name).write && !of(name).execute, "{name}");
    }
    for name in ["build", "build-network"] {
        assert!(of(name).write && of(name).execute, "{name}");
    }
    for profile in profiles.iter() {
        assert!(!profile.allow_degraded(), "{}", profile.name);
        assert_eq!(profile.scratch[0].path, profile.home, "{}", profile.name);
        assert!(!profile.protect.is_empty(), "{}", profile.name);
        let proxy = matches!(profile.network, Network::Proxy(_));
        assert_eq!(proxy, profile.name.ends_with("-network"), "{}", profile.name);
        let served = !["readonly", "strict"].contains(&profile.name.as_str());
        assert_eq!(profile.loopback, served, "{}", profile.name);
        let filter = if profile.name == "strict" { "strict" } else { "cell" };
        assert_eq!(profile.filter, filter, "{}", profile.name);
    }
    assert_eq!(of("strict").inherits, ["default", "default-network", "build-network"]);
}

#[test]
fn program_directories_are_not_readable_by_themselves() {
    for profile in Profiles::load(None).unwrap().iter() {
        let (read, execute) = (profile.readable(), profile.executable());
        assert!(!covers(&read, Path::new("/usr/bin/git")), "{}", profile.name);
        for library in ["/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/libexec/gcc/cc1"] {
            assert!(covers(&read, Path::new(library)), "{}", profile.name);
            assert!(covers(&execute, Path::new(library)), "{}", profile.name);
        }
    }
}

#[test]
fn libraries_come_as_a_whole_only_with_directories_of_programs() {
    let named = WHOLE.replace("execute = [\"/usr/bin/\"]", "execute = [\"/usr/bin/git\"]");
    let named = Profiles::parse("named", &named).unwrap();
    let library = Tree::parse("/usr/lib/").unwrap();
    assert!(!named.names_directories());
    assert!(!named.readable().contains(&library) && !named.executable().contains(&library));
    assert_eq!(named.libraries, [library]);
}

#[test]
fn a_hosts_own_profiles_are_read_from_their_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ours.toml"), WHOLE).unwrap();
    std::fs::write(dir.path().join("notes.txt"), "not a profile").unwrap();
    let profiles = Profiles::load(Some(dir.path())).unwrap();
    assert!(profiles.get("ours").is_some() && profiles.get("default").is_some());
    assert_eq!(profiles.names().count(), BUILT_IN.len() + 1);
    std::fs::write(dir.path().join("large.toml"), " ".repeat(70_000)).unwrap();
    let error = Profiles::load(Some(dir.path())).unwrap_err().to_string();
    assert!(error.contains("large.toml") && error.contains("64 KiB"), "{error}");
}

#[test]
fn a_child_has_from_its_parent_what_it_does_not_say() {
    let child = "version = 1\ninherits = \"whole\"\n[limits]\nmemory = \"1MiB\"\n";
    let profiles = host(&[("whole", WHOLE), ("a-child", child)]).unwrap();
    let (whole, child) = (profiles.get("whole").unwrap(), profiles.get("a-child").unwrap());
    let mut expected = whole.clone();
    expected.name = "a-child".into();
    expected.inherits = vec!["whole".into()];
    expected.limits.memory_bytes = 1 << 20;
    assert_eq!(*child, expected);
    assert_eq!(child.session.idle_millis, 600_000);
    assert_eq!(child.limits.cpu_weight, 100);
}

#[test]
fn what_a_child_protects_and_sets_is_on_top_of_its_parents() {
    let child = "version = 1\ninherits = \"whole\"\nworkspace.protect = [\"x\"]\n\
                 environment.set = { LANG = \"C\", CI = \"1\" }\n";
    let profiles = host(&[("whole", WHOLE), ("child", child)]).unwrap();
    let child = profiles.get("child").unwrap();
    assert_eq!(
        child.protect.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [".git/hooks", "x"]
    );
    assert_eq!(child.environment["LANG"], "C");
    assert_eq!(child.environment.len(), 2);
}

#[test]
fn a_host_that_replaces_a_built_in_profile_replaces_that_one_only() {
    let wide = WHOLE.replace("read = [\"/usr/share/\", \"/etc\"]", "read = [\"/srv\"]");
    let profiles = host(&[("build-network", &wide)]).unwrap();
    assert!(covers(&profiles.get("build-network").unwrap().read, Path::new("/srv/x")));
    assert!(!covers(&profiles.get("default").unwrap().read, Path::new("/srv/x")));
    let narrow = "version = 1\ninherits = \"default\"\nlimits.wall = \"1m\"\n";
    let profiles = host(&[("default", narrow)]).unwrap();
    assert_eq!(profiles.get("default").unwrap().limits.wall_millis, 60_000);
    assert_eq!(profiles.get("strict").unwrap().limits.wall_millis, 300_000);
}

#[test]
fn loopback_is_given_only_by_who_says_so_and_a_child_can_take_it_away() {
    let loopback = |text: &str| Profiles::parse("p", text).unwrap().loopback;
    assert!(!loopback(WHOLE), "nobody said it");
    let says = WHOLE.replace("[network]", "[network]\nloopback = true");
    assert!(loopback(&says));
    let child = "version = 1\ninherits = \"p\"\n";
    let of = |text: &str| {
        let profiles = host(&[("p", &says), ("child", &format!("{child}{text}"))]).unwrap();
        profiles.get("child").unwrap().loopback
    };
    assert!(of("") && !of("network.loopback = false\n"));
}

#[test]
fn with_the_hosts_network_there_is_no_loopback_to_take_away() {
    let own = "allow = [\"crates.io:443\", \"*.npmjs.org:443\"]\n";
    let whole = WHOLE.replace("mode = \"proxy\"", "mode = \"host\"").replace(own, "");
    assert!(Profiles::parse("p", &whole).unwrap().loopback);
    let child = "version = 1\ninherits = \"p\"\nnetwork = { mode = \"none\", loopback = false }\n";
    let profiles = host(&[("p", &whole), ("child", child)]).unwrap();
    assert!(!profiles.get("child").unwrap().loopback);
}

#[test]
fn circles_and_unknown_parents_are_told() {
    let child = |parent: &str| format!("version = 1\ninherits = \"{parent}\"\n");
    let error = |files: &[(&str, &str)]| host(files).unwrap_err().to_string();
    let circle = error(&[("a", &child("b")), ("b", &child("c")), ("c", &child("a"))]);
    assert!(circle.contains("`a` → `b` → `c` → `a`"), "{circle}");
    let own = error(&[("a", &child("a"))]);
    assert!(own.contains("`a` → `a`"), "{own}");
    let unknown = error(&[("a", &child("defualt")), ("zebra", WHOLE)]);
    assert!(unknown.contains("`defualt`") && unknown.contains("`default`"), "{unknown}");
    assert!(unknown.contains("`zebra`"), "{unknown}");
}

#[test]
fn mistakes_are_named_with_their_key() {
    for (from, to, words) in [
        ("version = 1", "version = 2", ["`version`", "reads 1"]),
        ("[syscalls]", "[sycalls]", ["sycalls", "line"]),
        ("filter = \"cell\"", "filter = \"none\"", ["`syscalls.filter`", "`cell`, `strict`"]),
        ("filter = \"cell\"", "", ["`syscalls.filter` is missing", "inherits"]),
        ("\"/usr/lib/\"", "\"usr/lib\"", ["`programs.libraries`", "usr/lib"]),
        ("path = \"/home/cell\"", "path = \"home\"", ["`home.path`", "not absolute"]),
        ("path = \"/tmp\"", "path = \"/home/cell\"", ["`scratch.path`", "twice"]),
        ("path = \"/tmp\"", "path = \"/usr/lib/x\"", ["`scratch.path`", "view.show"]),
        ("size = \"1MiB\"", "size = \"1B\"", ["`scratch.size`", "/tmp"]),
        ("memory = \"1GiB\"", "memory = \"0B\"", ["`limits.memory`", "is 0"]),
        ("idle = \"10s\"", "idle = \"0s\"", ["`limits.idle`", "leave the key out"]),
        ("wall = \"1m\"", "wall = \"1 minute\"", ["1 minute", "30s"]),
        ("[limits]", "[limits]\ncpu_weight = 0", ["`limits.cpu_weight`", "1 to 10000"]),
        ("mode = \"proxy\"", "mode = \"all\"", ["unknown variant `all`", "proxy"]),
        ("mode = \"proxy\"", "mode = \"host\"", ["`network.allow`", "mode = \"proxy\""]),
        (
            "mode = \"proxy\"\nallow = [\"crates.io:443\", \"*.npmjs.org:443\"]",
            "mode = \"host\"\nloopback = false",
            ["`network.loopback`", "`network.mode = \"host\"`"],
        ),
        ("\"crates.io:443\", \"*.npmjs.org:443\"", "", ["`network.allow`", "is empty"]),
        ("crates.io:443", "crates.io", ["`network.allow`", "crates.io"]),
        ("LANG =", "\"LA NG\" =", ["`environment`", "LA NG"]),
        (".git/hooks", "/.git/hooks", ["`workspace.protect`", "absolute"]),
        (".git/hooks", "../x", ["`workspace.protect`", "`..`"]),
        ("[\"cgroup\"]", "[\"cgroups\"]", ["`enforcement.may_lack`", "`landlock`"]),
        ("[\"cgroup\"]", "true", ["may_lack", "\"all\""]),
        ("may_lack = [\"cgroup\"]", "allow_degraded = true", ["allow_degraded", "may_lack"]),
    ] {
        let changed = WHOLE.replacen(from, to, 1);
        assert_ne!(changed, WHOLE, "{from}");
        let error = Profiles::parse("p", &changed).expect_err(to).to_string();
        assert!(error.contains("`p`") && words.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[test]
fn a_child_that_is_wider_is_told_where_and_what_its_parent_has() {
    for (text, words) in [
        ("view.read = [\"/etc/\", \"/var\"]", ["`view.read`", "/var/", "/usr/share/"]),
        ("view.show = [\"/opt\"]", ["`view.show`", "/opt/", "/etc/"]),
        ("programs.execute = [\"/opt/x\"]", ["`programs.execute`", "/opt/x", "/usr/bin/"]),
        ("programs.libraries = [\"/usr\"]", ["`programs.libraries`", "/usr/", "/usr/lib/"]),
        ("workspace.execute = true", ["`workspace.execute`", "true", "false"]),
        ("home.size = \"1GiB\"", ["`scratch.size`", "1GiB", "64MiB"]),
        ("home.path = \"/root\"", ["`scratch.path`", "/root", "/home/cell"]),
        ("home.execute = true", ["`scratch.execute`", "true", "false"]),
        ("scratch = [{ path = \"/a\", size = \"1MiB\" }]", ["`scratch.path`", "/a", "/tmp"]),
        ("network.mode = \"host\"", ["`network.mode`", "\"host\"", "\"proxy\""]),
        (
            "network.allow = [\"crates.io:80\"]",
            ["`network.allow`", "crates.io:80", "crates.io:443"],
        ),
        ("network.loopback = true", ["`network.loopback`", "true", "false"]),
        ("limits.memory = \"2GiB\"", ["`limits.memory`", "\"2GiB\"", "\"1GiB\""]),
        ("limits.swap = \"1B\"", ["`limits.swap`", "\"1B\"", "\"0B\""]),
        ("limits.wall = \"90s\"", ["`limits.wall`", "\"90s\"", "\"1m\""]),
        ("limits.idle = \"11s\"", ["`limits.idle`", "\"11s\"", "\"10s\""]),
        ("limits.cpu_weight = 101", ["`limits.cpu_weight`", "101", "100"]),
        ("session.idle = \"1h\"", ["`session.idle`", "\"1h\"", "\"10m\""]),
        ("session.background = true", ["`session.background`", "true", "false"]),
        ("environment.allow = [\"LD_PRELOAD\"]", ["`environment.allow`", "LD_PRELOAD", "GIT_DIR"]),
        ("enforcement.may_lack = [\"seccomp\"]", ["`enforcement.may_lack`", "seccomp", "cgroup"]),
    ] {
        let error = mistake(text);
        let told = ["`child`", "`whole`, which it inherits"];
        assert!(told.iter().chain(&words).all(|word| error.contains(word)), "{error}");
    }
}

#[test]
fn a_filter_can_be_inherited_and_made_stricter_but_not_looser() {
    let strict = WHOLE.replace("filter = \"cell\"", "filter = \"strict\"");
    let child = "version = 1\ninherits = \"parent\"\nsyscalls.filter = \"cell\"\n";
    let error = host(&[("parent", &strict), ("child", child)]).unwrap_err().to_string();
    assert!(error.contains("`syscalls.filter` is \"cell\""), "{error}");
    let child = child.replace("cell", "strict");
    assert!(host(&[("parent", WHOLE), ("child", &child)]).is_ok());
}

#[test]
fn a_digest_changes_with_the_meaning_and_with_nothing_else() {
    let digest = |text: &str| Profiles::parse("p", text).unwrap().digest();
    let same = [
        ("version = 1", "version = 1\ndescription = \"other words\""),
        ("[\"/usr/share/\", \"/etc\"]", "[\"/etc/\", \"/usr/share\", \"/etc/ssl\"]"),
        ("\"1GiB\"", "\"1024MiB\""),
    ];
    for (from, to) in same {
        assert_eq!(digest(WHOLE), digest(&WHOLE.replacen(from, to, 1)), "{to}");
    }
    for (from, to) in [
        ("\"write\"", "\"read\""),
        (".git/hooks", ".git"),
        ("/usr/bin/", "/usr/bin/git"),
        ("crates.io", "crate.io"),
        ("\"cell\"", "\"strict\""),
        ("[network]", "[network]\nloopback = true"),
        ("C.UTF-8", "C"),
        ("[\"cgroup\"]", "[]"),
        ("processes = 100", "processes = 99"),
    ] {
        assert_ne!(digest(WHOLE), digest(&WHOLE.replacen(from, to, 1)), "{to}");
    }
}
