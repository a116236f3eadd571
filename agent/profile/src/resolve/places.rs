//! Paths: what is shown, read, executed and written.

use cofferdam_plan::AbsolutePath;

use super::{Problem, required};
use crate::file::{HomeSection, ProgramsSection, ScratchSection, ViewSection};
use crate::trees::{Tree, covers, minimal};
use crate::{Profile, RelativePath, Scratch};

/// The most entries of one list of paths.
const MAX_PATHS: usize = 1024;
/// The most directories of the search path; what a plan holds.
const MAX_SEARCH_PATH: usize = 64;
/// The most scratch places, the home among them; what a plan holds.
const MAX_SCRATCH: usize = 16;
/// The most protected paths; what a plan holds.
const MAX_PROTECTED: usize = 256;
/// The least that a file system holds: one page.
const MIN_SCRATCH: u64 = 4096;

/// The paths of a profile.
pub(super) struct Places {
    pub(super) show: Vec<Tree>,
    pub(super) read: Vec<Tree>,
    pub(super) programs: Vec<Tree>,
    pub(super) libraries: Vec<Tree>,
    pub(super) search_path: Vec<AbsolutePath>,
    pub(super) home: AbsolutePath,
    pub(super) scratch: Vec<Scratch>,
}

pub(super) fn resolve(
    view: ViewSection,
    programs: ProgramsSection,
    home: HomeSection,
    scratch: Option<Vec<ScratchSection>>,
    parent: Option<&Profile>,
) -> Result<Places, Problem> {
    let ViewSection { show, read } = view;
    let ProgramsSection { path, execute, libraries } = programs;
    let read = own("view.read", read, whole)?;
    let read = required("view.read", read, parent.map(|p| p.read.clone()))?;
    let programs = own("programs.execute", execute, Tree::parse)?;
    let programs = required("programs.execute", programs, parent.map(|p| p.programs.clone()))?;
    let libraries = own("programs.libraries", libraries, whole)?
        .or_else(|| parent.map(|p| p.libraries.clone()))
        .unwrap_or_default();
    let show = match own("view.show", show, whole)?.or_else(|| parent.map(|p| p.show.clone())) {
        Some(show) => show,
        None => minimal([&read[..], &programs, &libraries].concat()),
    };
    let scratch = scratch_places(home, scratch, parent)?;
    if let Some(place) = scratch.iter().find(|place| covers(&show, place.path.as_path())) {
        let problem = format!("`{}` lies in what `view.show` mounts; choose another", place.path);
        return Err(("scratch.path", problem));
    }
    let home = scratch[0].path.clone();
    let search_path = search_path(path, parent)?;
    Ok(Places { show, read, programs, libraries, search_path, home, scratch })
}

/// What a file says, where it says something; nothing twice, sorted.
fn own(
    key: &'static str,
    texts: Option<Vec<String>>,
    parse: fn(&str) -> Option<Tree>,
) -> Result<Option<Vec<Tree>>, Problem> {
    let Some(texts) = texts else { return Ok(None) };
    if texts.len() > MAX_PATHS {
        return Err((key, format!("has {} entries; at most {MAX_PATHS}", texts.len())));
    }
    let one = |text: &String| {
        let problem = || format!("has `{text}`, no absolute path without `.`, `..` or `//`");
        parse(text).ok_or_else(|| (key, problem()))
    };
    texts.iter().map(one).collect::<Result<_, _>>().map(minimal).map(Some)
}

/// With all beneath it, with or without a slash at its end: for what is shown and
/// read, there is nothing else.
fn whole(text: &str) -> Option<Tree> {
    Tree::parse(text).map(|tree| Tree { exact: false, ..tree })
}

fn search_path(
    own: Option<Vec<String>>,
    parent: Option<&Profile>,
) -> Result<Vec<AbsolutePath>, Problem> {
    const KEY: &str = "programs.path";
    let one = |text: &String| absolute(KEY, text);
    let own = own.map(|texts| texts.iter().map(one).collect::<Result<Vec<_>, _>>()).transpose()?;
    let path = required(KEY, own, parent.map(|p| p.search_path.clone()))?;
    match path.len() {
        1..=MAX_SEARCH_PATH => Ok(path),
        _ => Err((KEY, format!("needs 1 to {MAX_SEARCH_PATH} directories"))),
    }
}

fn absolute(key: &'static str, text: &str) -> Result<AbsolutePath, Problem> {
    AbsolutePath::new(text).map_err(|problem| (key, format!("has `{text}`: {problem}")))
}

/// The scratch places, the home first.
fn scratch_places(
    home: HomeSection,
    others: Option<Vec<ScratchSection>>,
    parent: Option<&Profile>,
) -> Result<Vec<Scratch>, Problem> {
    let inherited = parent.and_then(|p| p.scratch.split_first());
    let HomeSection { path, size, execute } = home;
    let path = path.map(|text| absolute("home.path", &text)).transpose()?;
    let from_home = inherited.map(|(home, _)| home);
    let mut places = vec![Scratch {
        path: required("home.path", path, from_home.map(|home| home.path.clone()))?,
        bytes: required("home.size", size.map(|size| size.0), from_home.map(|home| home.bytes))?,
        execute: execute.or(from_home.map(|home| home.execute)).unwrap_or(false),
    }];
    match others {
        Some(others) => {
            for ScratchSection { path, size, execute } in others {
                let path = absolute("scratch.path", &path)?;
                places.push(Scratch { path, bytes: size.0, execute });
            }
        }
        None => places.extend(inherited.map(|(_, others)| others.to_vec()).unwrap_or_default()),
    }
    check(&places)?;
    Ok(places)
}

fn check(places: &[Scratch]) -> Result<(), Problem> {
    if places.len() > MAX_SCRATCH {
        return Err(("scratch", format!("has more than {MAX_SCRATCH} places, home and all")));
    }
    for (index, Scratch { path, bytes, execute: _ }) in places.iter().enumerate() {
        if *bytes < MIN_SCRATCH {
            return Err(("scratch.size", format!("of `{path}` is less than 4KiB")));
        }
        if places[..index].iter().any(|other| other.path == *path) {
            return Err(("scratch.path", format!("names `{path}` twice")));
        }
    }
    Ok(())
}

/// The parent's and the file's: protecting more is narrower.
pub(super) fn protect(
    own: &[String],
    parent: Option<&Profile>,
) -> Result<Vec<RelativePath>, Problem> {
    let mut all = parent.map(|p| p.protect.clone()).unwrap_or_default();
    for text in own {
        let path = RelativePath::new(text.as_str())
            .map_err(|problem| ("workspace.protect", format!("has `{text}`, which {problem}")))?;
        all.push(path);
    }
    all.sort();
    all.dedup();
    match all.len() {
        0..=MAX_PROTECTED => Ok(all),
        many => Err(("workspace.protect", format!("has {many} paths; at most {MAX_PROTECTED}"))),
    }
}
