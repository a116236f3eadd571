//! What an earlier process left in the store, sorted by what it belongs to.
//!
//! Only the service manager hands descriptors over, and only what this service put
//! there; read strictly all the same: a name, a log or a strip that means nothing is
//! let go, and its run is lost.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use cofferdam_plan::{CellId, CellPlan, RunId};

use super::log::{Log, LogError};
use super::run::{KeptRun, Part};
use super::store::Store;
use super::{VERSION, cell, run};
use crate::cap::CappedLimits;

/// A run that was left.
#[derive(Debug)]
pub struct LeftRun {
    /// Its log, to go on with.
    pub kept: Arc<KeptRun>,
    /// What the log says.
    pub words: run::Words,
    /// The limits in there.
    pub limits: CappedLimits,
    /// Its other descriptors.
    pub parts: HashMap<Part, OwnedFd>,
}

/// A cell that was left.
#[derive(Debug)]
pub struct LeftCell {
    /// Its log.
    pub log: Log,
    /// What the log says.
    pub words: cell::Words,
    /// The plan in there.
    pub plan: CellPlan,
    /// The user in there: whose calls it serves, and for whom it counts.
    pub user: cell::User,
    /// Its control socket.
    pub socket: OwnedFd,
}

/// All that was left.
#[derive(Debug, Default)]
pub struct Left {
    /// Runs by their id.
    pub runs: HashMap<RunId, LeftRun>,
    /// Cells by their id.
    pub cells: HashMap<CellId, LeftCell>,
}

#[derive(Default)]
struct Pieces {
    runs: HashMap<RunId, (Option<OwnedFd>, HashMap<Part, OwnedFd>)>,
    cells: HashMap<CellId, (Option<OwnedFd>, Option<OwnedFd>)>,
}

impl Left {
    /// Sorts descriptors by their names. What cannot be used goes, out of the store,
    /// too.
    #[must_use]
    pub fn sort(store: &Store, descriptors: Vec<(String, OwnedFd)>) -> Self {
        let mut pieces = Pieces::default();
        for (name, descriptor) in descriptors {
            if pieces.add(&name, descriptor).is_none() {
                tracing::warn!(name, "the service manager kept something that is none of ours");
                store.let_go(&name);
            }
        }
        let mut left = Self::default();
        for (id, (log, parts)) in pieces.runs {
            match log.ok_or(LogError::Lacks("a log")).and_then(read_run) {
                Ok((log, words, limits)) => {
                    let kept = KeptRun::again(store, id, log);
                    left.runs.insert(id, LeftRun { kept, words, limits, parts });
                }
                Err(error) => {
                    tracing::warn!(%error, run = run::name(id, ""), "a run cannot go on");
                    store.let_go(&run::name(id, ""));
                    for part in Part::ALL {
                        store.let_go(&run::name(id, part.suffix()));
                    }
                }
            }
        }
        for (id, (socket, log)) in pieces.cells {
            match read_cell(log, socket) {
                Ok(cell) => _ = left.cells.insert(id, cell),
                Err(error) => {
                    tracing::warn!(%error, cell = %id, "a cell cannot go on");
                    for suffix in ["", ".log"] {
                        store.let_go(&cell::name(id, suffix));
                    }
                }
            }
        }
        left
    }
}

impl Pieces {
    fn add(&mut self, name: &str, descriptor: OwnedFd) -> Option<()> {
        if let Some(rest) = name.strip_prefix("cell-") {
            let (id, suffix) = rest.split_at_checked(32)?;
            let (socket, log) = self.cells.entry(CellId(bytes(id)?)).or_default();
            let place = match suffix {
                "" => socket,
                ".log" => log,
                _ => return None,
            };
            *place = Some(descriptor);
            return Some(());
        }
        let (id, suffix) = name.strip_prefix("run-")?.split_at_checked(32)?;
        let part = Part::ALL.into_iter().find(|part| part.suffix() == suffix);
        if part.is_none() && !suffix.is_empty() {
            return None;
        }
        let (log, parts) = self.runs.entry(RunId(bytes(id)?)).or_default();
        match part {
            Some(part) => _ = parts.insert(part, descriptor),
            None => *log = Some(descriptor),
        }
        Some(())
    }
}

/// 32 hexadecimal digits.
fn bytes(text: &str) -> Option<[u8; 16]> {
    let strict = text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it));
    let number = u128::from_str_radix(text, 16).ok().filter(|_| strict && text.len() == 32)?;
    Some(number.to_be_bytes())
}

fn read_run(log: OwnedFd) -> Result<(Log, run::Words, CappedLimits), LogError> {
    let (log, words) = Log::read::<run::Words>(log)?;
    check(words.version)?;
    let limits = words.limits.ok_or(LogError::Lacks("its limits"))?;
    Ok((log, words, limits))
}

fn read_cell(log: Option<OwnedFd>, socket: Option<OwnedFd>) -> Result<LeftCell, LogError> {
    let log = log.ok_or(LogError::Lacks("a log"))?;
    let (log, words) = Log::read::<cell::Words>(log)?;
    check(words.version)?;
    let plan = words.plan()?;
    let named = |user: &cell::User| !user.gateway.is_empty() && !user.user.is_empty();
    let user = words.user.clone().filter(named).ok_or(LogError::Lacks("its user"))?;
    let socket = socket.ok_or(LogError::Lacks("a socket"))?;
    Ok(LeftCell { log, words, plan, user, socket })
}

fn check(version: u32) -> Result<(), LogError> {
    if version == VERSION { Ok(()) } else { Err(LogError::Version(version)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::deaf::plan;
    use crate::restart::log::memory;

    fn log(version: u32) -> OwnedFd {
        let limits = Some(CappedLimits::default());
        kept(&run::Words { version, limits, ..run::Words::default() })
    }

    fn kept(words: &impl prost::Message) -> OwnedFd {
        Log::begin(words).unwrap().descriptor().unwrap()
    }

    fn whole_cell() -> cell::Words {
        let user =
            cell::User { gateway: "g".to_owned(), user: "ada".to_owned(), ..Default::default() };
        cell::Words {
            version: VERSION,
            plan: cell::Words::of_plan(&plan()),
            user: Some(user),
            ..cell::Words::default()
        }
    }

    fn null() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn what_belongs_together_is_found_by_its_names() {
        let id = "00112233445566778899aabbccddeeff";
        let named = |prefix: &str, suffix: &str| format!("{prefix}-{id}{suffix}");
        let left = Left::sort(
            &Store::default(),
            vec![
                (named("run", ".out"), null()),
                (named("run", ""), log(VERSION)),
                (named("cell", ".log"), kept(&whole_cell())),
                (named("cell", ""), null()),
            ],
        );
        let run = &left.runs[&RunId(bytes(id).unwrap())];
        assert!(run.parts.contains_key(&Part::Stdout) && run.parts.len() == 1);
        assert_eq!(left.cells.len(), 1);
    }

    #[test]
    fn names_and_logs_that_mean_nothing_leave_nothing() {
        let id = "00112233445566778899aabbccddeeff";
        let upper = id.to_uppercase();
        let names = [
            String::new(),
            "stored".to_owned(),
            "run-".to_owned(),
            format!("run-{}", &id[1..]),
            format!("run-{upper}"),
            format!("run-+{}", &id[1..]),
            format!("run-{id}.other"),
            format!("cell-{id}x"),
            "run-\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}x"
                .to_owned(),
        ];
        let hostile = names.into_iter().map(|name| (name, log(VERSION)));
        let random = memory("random").unwrap();
        std::os::unix::fs::FileExt::write_all_at(&random, &[0xff; 300], 0).unwrap();
        let more = [
            (format!("run-{id}.out"), null()),
            (format!("run-1{}", &id[1..]), log(VERSION + 1)),
            (format!("cell-{id}"), null()),
            (format!("cell-1{}.log", &id[1..]), random.into()),
        ];
        let left = Left::sort(&Store::default(), hostile.chain(more).collect());
        assert!(left.runs.is_empty() && left.cells.is_empty(), "{left:?}");
    }

    #[test]
    fn a_log_that_lacks_what_is_decided_by_is_refused() {
        let words = run::Words { version: VERSION, ..run::Words::default() };
        assert!(matches!(read_run(kept(&words)), Err(LogError::Lacks("its limits"))));
        let lacks = |words: &cell::Words| match read_cell(Some(kept(words)), Some(null())) {
            Err(LogError::Lacks(what)) => what,
            other => panic!("{other:?}"),
        };
        let whole = whole_cell();
        assert!(read_cell(Some(kept(&whole)), Some(null())).is_ok());
        assert_eq!(lacks(&cell::Words { plan: Vec::new(), ..whole.clone() }), "its plan");
        assert_eq!(lacks(&cell::Words { user: None, ..whole.clone() }), "its user");
        assert_eq!(lacks(&cell::Words { user: Some(cell::User::default()), ..whole }), "its user");
    }
}
