//! What a profile means, in plain words. Pure.

use cofferdam_filter::{Extent, Refusal, refusals};
use cofferdam_profile::trees::intersection;
use cofferdam_profile::{Network, Profile, Scratch, Tree, in_bytes, in_time, layer_name};

use super::page::{Line, Section};

/// The width of the column of terms.
const TERMS: usize = 16;

/// All sections, what matters most first.
pub(super) fn sections(profile: &Profile) -> Vec<Section> {
    vec![
        changes(profile),
        executes(profile),
        reads(profile),
        network(profile),
        limits(profile),
        session(profile),
        environment(profile),
        missing(profile),
        syscalls(profile),
    ]
}

fn text(text: impl Into<String>) -> Line {
    Line::Text(text.into())
}

fn item(term: &str, text: impl Into<String>) -> Line {
    Line::Item(term.to_owned(), TERMS, text.into())
}

fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn changes(profile: &Profile) -> Section {
    let workspace = if profile.write { "may be changed" } else { "read-only" };
    let mut lines = vec![item("workspace", workspace)];
    if profile.write && !profile.protect.is_empty() {
        let kept = list(&profile.protect);
        lines.push(item("protected in it", format!("{kept}: read-only, with all beneath them")));
    }
    for (index, Scratch { path, bytes, execute: _ }) in profile.scratch.iter().enumerate() {
        let home = if index == 0 { "; the home" } else { "" };
        let words =
            format!("{}, private, empty at first, gone with the cell{home}", in_bytes(*bytes));
        lines.push(item(&path.to_string(), words));
    }
    lines.push(item("all else", "cannot be changed"));
    Section { title: "What may be changed", lines }
}

fn executes(profile: &Profile) -> Section {
    let mut lines = vec![item("programs", list(&profile.programs))];
    if !profile.libraries.is_empty() {
        let which = if profile.names_directories() {
            "all, because programs are named by their directories"
        } else {
            "those that the named programs need"
        };
        lines.push(item(
            "libraries",
            format!("in {}: {which}", list(profile.libraries.iter().map(place))),
        ));
    }
    let places = profile.scratch.iter().filter(|place| place.execute);
    let places = places.map(|place| place.path.to_string());
    let workspace = profile.execute.then(|| "the workspace".to_owned());
    let made = list(workspace.into_iter().chain(places));
    let made = if made.is_empty() { "cannot be executed".into() } else { format!("in {made}") };
    lines.push(item("what runs made", made));
    lines.push(item("looked up in", list(&profile.search_path)));
    Section { title: "What may be executed", lines }
}

/// What is mounted and may be read; of what is only mounted, names can be seen.
fn reads(profile: &Profile) -> Section {
    let readable = profile.readable();
    let named = profile.show.iter().filter(|tree| !readable.iter().any(|it| it.contains(tree)));
    let named: Vec<_> = named.map(place).collect();
    let mut lines = vec![item("workspace", "all of it")];
    let files = intersection(&profile.read, &profile.show);
    lines.push(item("files", list(files.iter().map(place))));
    if profile.names_directories() && !profile.libraries.is_empty() {
        lines.push(item("libraries", "all of those above"));
    }
    if !named.is_empty() {
        lines.push(item("names only", format!("of what else lies in {}", list(named))));
    }
    lines.push(item("all else", "is not there"));
    Section { title: "What may be read, in the view that a cell has", lines }
}

/// A tree where it does not matter whether it is a file or a directory.
fn place(tree: &Tree) -> String {
    tree.path.display().to_string()
}

fn network(profile: &Profile) -> Section {
    let words = match &profile.network {
        Network::None => "None but the cell's own loopback.".to_owned(),
        Network::Host => {
            let words = "The host's own: all that the host reaches, and what listens on it.";
            return Section { title: "Network", lines: vec![text(words)] };
        }
        Network::Proxy(allowed) => {
            let proxy = "Through a proxy, which resolves names itself, and only to";
            format!("{proxy} {}. There is no other way out.", list(allowed))
        }
    };
    let loopback = match (profile.loopback, &profile.network) {
        (true, _) => "runs of a session listen and connect there, and reach each other",
        (false, Network::Proxy(_)) => {
            "nobody listens there by TCP, and a run connects by TCP to its own listener of the \
             proxy only"
        }
        (false, _) => "nobody listens or connects there by TCP",
    };
    Section { title: "Network", lines: vec![text(words), item("loopback", loopback)] }
}

fn limits(profile: &Profile) -> Section {
    let it = &profile.limits;
    let cpu = format!("{}.{:02} CPUs", it.cpu_millis / 1000, it.cpu_millis % 1000 / 10);
    let silence = it.idle_millis.map_or("not limited".to_owned(), |millis| {
        format!("a run that prints nothing for {} is ended", in_time(millis))
    });
    let disk = match it.io_bytes_per_second {
        0 => "not limited".to_owned(),
        bytes => format!("{} a second to read, and as much to write", in_bytes(bytes)),
    };
    let lines = vec![
        item(
            "memory",
            format!("{}, and {} of swap", in_bytes(it.memory_bytes), in_bytes(it.swap_bytes)),
        ),
        item("processes", format!("{}, threads counted", it.processes)),
        item("processor", format!("{cpu}; weight {} of 1 to 10000", it.cpu_weight)),
        item("disk", disk),
        item("time of a run", in_time(it.wall_millis)),
        item("silence", silence),
        item("output of a run", in_bytes(it.output_bytes)),
        item("one file", in_bytes(it.file_size_bytes)),
        item("open files", format!("{} of one process", it.open_files)),
    ];
    Section { title: "Limits, unless a grant or the ceiling says less", lines }
}

fn session(profile: &Profile) -> Section {
    let background = if profile.session.background {
        "What a run leaves running lives on until the cell ends."
    } else {
        "What a run leaves running ends with the run."
    };
    let idle = in_time(profile.session.idle_millis);
    let words = format!("A cell without a run ends after {idle}. {background}");
    Section { title: "Session", lines: vec![text(words)] }
}

fn environment(profile: &Profile) -> Section {
    let set = profile.environment.iter().map(|(name, value)| format!("{name}={value}"));
    let mut lines =
        vec![item("set", list(["PATH", "HOME", "USER", "LOGNAME", "SHELL"]) + ", " + &list(set))];
    let reserved = "any, but those that change which programs run (PATH, LD_PRELOAD, GIT_SSH, …)";
    let allowed = match list(&profile.allowed_variables) {
        none if none.is_empty() => reserved.to_owned(),
        some => format!("{reserved}; of these {some}"),
    };
    lines.push(item("a call may set", allowed));
    Section { title: "Environment", lines }
}

fn missing(profile: &Profile) -> Section {
    let words = if profile.may_lack.is_empty() {
        "None. Where the kernel cannot give a layer, there is no cell.".to_owned()
    } else {
        let layers = list(profile.may_lack.iter().map(|layer| layer_name(*layer)));
        format!("{layers}: if the ceiling agrees, too. Each outcome says what was missing.")
    };
    Section { title: "Layers that may be missing", lines: vec![text(words)] }
}

fn syscalls(profile: &Profile) -> Section {
    let head = format!(
        "Filter `{}`. Foreign ABIs end the process; calls that nobody knows do not exist.",
        profile.filter
    );
    let mut lines = vec![text(head)];
    for (extent, heading) in [
        (Extent::Always, "Refused:"),
        (Extent::SomeArguments, "Refused with some arguments:"),
        (Extent::NoSuchCall, "Answered as if they did not exist, so that programs fall back:"),
    ] {
        lines.push(text(heading));
        let its = refusals(&profile.filter).filter(|refusal| refusal.extent == extent);
        lines.extend(its.map(|Refusal { syscalls, reason, .. }| {
            Line::Item("-".into(), 1, format!("{}: {reason}", list(*syscalls)))
        }));
    }
    Section { title: "System calls", lines }
}

#[cfg(test)]
mod tests {
    use cofferdam_profile::Profiles;

    use super::*;

    fn page(name: &str) -> String {
        let profiles = Profiles::load(None).unwrap();
        let mut out = Vec::new();
        for section in sections(profiles.get(name).unwrap()) {
            section.write(&mut out, 80).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    /// Whoever changes a built-in profile or its words sees here what people read.
    #[test]
    fn the_words_are_those_that_were_looked_at() {
        for (name, looked_at) in [
            ("strict", include_str!("words/strict.txt")),
            ("build-network", include_str!("words/build-network.txt")),
        ] {
            let page = page(name);
            assert_eq!(page, looked_at, "{name} reads now:\n{page}");
        }
    }

    #[test]
    fn no_line_is_longer_than_the_page() {
        for name in ["readonly", "default", "build", "strict", "build-network"] {
            let page = page(name);
            let longest = page.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(80), "{name}: {longest:?}\n{page}");
        }
    }
}
