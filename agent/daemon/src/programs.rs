//! The program list on this host: what granted programs need, and what calls may
//! have of the host for it.
//!
//! Programs are looked at by the resolver of `cofferdam-programs`, for the agent's
//! life, so that it remembers. Looking whether all is as it was takes some
//! milliseconds, so a survey that was made less than `TRUST` ago is taken again,
//! and one that was made less than `STALE` ago is, too, while the host is looked
//! at for the next call. Whether what its rules stand for was replaced meanwhile, as
//! by a package's upgrade, is looked at for each call ([`Pins`]): then the host is
//! looked at again at once.
//!
//! The pipeline asks for surveys; `cofferdam-agent programs` shows what the
//! resolver finds ([`shown`]).

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cofferdam_plan::AbsolutePath;
use cofferdam_profile::{Profile, Tree};
use cofferdam_programs::{Resolver, Root, Rules, RulesError};

use crate::cap::Capped;
use crate::cell::StartError;
use crate::facts::{Facts, Found, resolve};
use crate::planner::{PlanError, Purpose, Survey};

mod pins;
pub mod shown;

pub use pins::Pins;

/// How long what was looked at is taken for what is there.
const TRUST: Duration = Duration::from_secs(1);
/// How long a call need not wait until it is looked at again.
const STALE: Duration = Duration::from_secs(10);
/// Surveys that are remembered.
const SURVEYS: usize = 256;

/// What programs need, and what was found for calls lately.
#[derive(Debug)]
pub struct Programs {
    rules: Rules,
    resolvers: Mutex<HashMap<Surroundings, Arc<Resolver>>>,
    surveys: Arc<Surveys>,
}

/// What was found for calls lately.
#[derive(Debug, Default)]
struct Surveys(Mutex<HashMap<Question, Kept>>);

#[derive(Debug)]
struct Kept {
    survey: Arc<Survey>,
    /// When the host was looked at for it.
    looked: Instant,
    /// It is looked at again.
    coming: bool,
}

/// What of a profile a resolver must know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Surroundings {
    search_path: Vec<PathBuf>,
    /// Such as `RUSTUP_HOME`.
    directories: BTreeMap<String, PathBuf>,
}

/// What a survey is to answer: what calls within a grant may have of the host. Who
/// asks the same again keeps it, for it is long to make and quick to ask.
#[derive(Debug, Clone)]
pub struct Question(Arc<(u64, Asked)>);

/// All that a survey depends on, the host apart. Profiles do not change while the
/// agent lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    profile: String,
    worker: Option<PathBuf>,
    workspace: AbsolutePath,
    scratch: Vec<AbsolutePath>,
    trees: [Vec<Tree>; 5],
}

impl Programs {
    /// Nothing is looked at yet.
    ///
    /// # Errors
    /// Never in a build whose tests passed.
    pub fn new() -> Result<Self, RulesError> {
        let (resolvers, surveys) = (Mutex::default(), Arc::default());
        Ok(Self { rules: Rules::builtin()?, resolvers, surveys })
    }

    /// What of the host a call within `capped` may have. May ask file systems, and
    /// take its time.
    ///
    /// # Errors
    /// Where the file worker is not to be had, or the programs need more than can
    /// be looked at.
    pub fn survey(&self, capped: &Capped, purpose: Purpose<'_>) -> Result<Arc<Survey>, PlanError> {
        let question = Question::new(capped, purpose);
        let known = self.surveys.known(&question);
        let moved = known.survey().is_some_and(|survey| survey.pins().moved());
        self.take(known, moved, &question, capped)
    }

    /// The same for a question that is asked often, off the runtime's own threads.
    ///
    /// # Errors
    /// As [`Self::survey`].
    pub async fn answer(
        &self,
        question: &Question,
        capped: &Capped,
    ) -> Result<Arc<Survey>, PlanError> {
        let known = self.surveys.known(question);
        let moved = match known.survey() {
            Some(survey) => survey.pins().have_moved().await,
            None => false,
        };
        match known {
            Known::Fresh(survey) if !moved => Ok(survey),
            known => tokio::task::block_in_place(|| self.take(known, moved, question, capped)),
        }
    }

    /// Takes what is known where nothing moved, or looks at the host.
    fn take(
        &self,
        known: Known,
        moved: bool,
        question: &Question,
        capped: &Capped,
    ) -> Result<Arc<Survey>, PlanError> {
        if let (false, Known::Fresh(survey)) = (moved, &known) {
            return Ok(Arc::clone(survey));
        }
        let resolver = self.resolver(&capped.profile);
        if moved {
            resolver.doubt();
        } else if let Known::Stale(survey) = known {
            self.look_again(question.clone(), capped.clone(), resolver);
            return Ok(survey);
        }
        self.surveys.look(question, capped, &resolver)
    }

    fn look_again(&self, question: Question, capped: Capped, resolver: Arc<Resolver>) {
        let surveys = Arc::clone(&self.surveys);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = surveys.look(&question, &capped, &resolver) {
                tracing::debug!(%error, "a grant's programs cannot be looked at again");
                lock(&surveys.0).remove(&question);
            }
        });
    }

    /// Says of a program that may not be executed why it is not on the list.
    /// Blocks as [`Self::survey`] does, in a place where that is no harm.
    #[must_use]
    pub fn explain(&self, error: StartError, capped: &Capped, program: &[u8]) -> StartError {
        let program = Path::new(OsStr::from_bytes(program));
        let why_not = || self.why_not(capped, program);
        let why = error.is_refusal().then(|| tokio::task::block_in_place(why_not));
        error.because(why.flatten())
    }

    /// Why the grant does not let `program`, a path or a name, be executed, and
    /// what would; `None` where the list of programs is not the reason. May ask
    /// file systems.
    #[must_use]
    pub fn why_not(&self, capped: &Capped, program: &Path) -> Option<String> {
        let survey = self.survey(capped, Purpose::Run).ok()?;
        let path = &capped.profile.search_path;
        let candidates: Vec<PathBuf> = match program.components().count() {
            1 => path.iter().map(|directory| directory.as_path().join(program)).collect(),
            _ => vec![program.to_owned()],
        };
        let found = candidates.iter().filter(|it| it.is_absolute()).map(|it| resolve(it));
        let real = found.filter(|it| it.found == Found::File).map(|it| it.real).next()?;
        if capped.is_own_place(&real) { None } else { survey.why_not(&real) }
    }

    /// The resolver for cells of this profile.
    #[must_use]
    pub fn resolver(&self, profile: &Profile) -> Arc<Resolver> {
        let surroundings = Surroundings::of(profile);
        let mut resolvers = lock(&self.resolvers);
        let resolver = resolvers.entry(surroundings).or_insert_with_key(|surroundings| {
            let Surroundings { search_path, directories } = surroundings.clone();
            let resolver = Resolver::new(Root::host(), search_path, self.rules.clone());
            let resolver = resolver.looking_again_after(TRUST);
            Arc::new(directories.into_iter().fold(resolver, |resolver, (name, directory)| {
                resolver.with_variable(&name, directory)
            }))
        });
        Arc::clone(resolver)
    }
}

/// Whether a survey must be waited for.
enum Known {
    Fresh(Arc<Survey>),
    /// To be made again, by the one who got this.
    Stale(Arc<Survey>),
    Unknown,
}

impl Known {
    fn survey(&self) -> Option<&Arc<Survey>> {
        match self {
            Self::Fresh(survey) | Self::Stale(survey) => Some(survey),
            Self::Unknown => None,
        }
    }
}

impl Surveys {
    fn known(&self, question: &Question) -> Known {
        let mut surveys = lock(&self.0);
        let Some(kept) = surveys.get_mut(question) else { return Known::Unknown };
        let age = kept.looked.elapsed();
        let in_runtime = tokio::runtime::Handle::try_current().is_ok();
        if age >= STALE || (age >= TRUST && !in_runtime) {
            return Known::Unknown;
        }
        let survey = Arc::clone(&kept.survey);
        if age < TRUST || std::mem::replace(&mut kept.coming, true) {
            Known::Fresh(survey)
        } else {
            Known::Stale(survey)
        }
    }

    /// Looks at the host, and remembers.
    fn look(
        &self,
        question: &Question,
        capped: &Capped,
        resolver: &Resolver,
    ) -> Result<Arc<Survey>, PlanError> {
        let purpose = question.0.1.worker.as_deref().map_or(Purpose::Run, Purpose::Files);
        let looked = Instant::now();
        let facts = Facts::gather(capped, purpose, resolver)?;
        let survey = Arc::new(Survey::of(capped, facts, purpose)?.pinned());
        let mut surveys = lock(&self.0);
        if surveys.len() >= SURVEYS {
            surveys.retain(|_, kept| kept.looked.elapsed() < STALE);
        }
        if surveys.len() < SURVEYS || surveys.contains_key(question) {
            let kept = Kept { survey: Arc::clone(&survey), looked, coming: false };
            surveys.insert(question.clone(), kept);
        }
        Ok(survey)
    }
}

impl Surroundings {
    fn of(profile: &Profile) -> Self {
        let directory = |(name, value): (&String, &String)| {
            let path = PathBuf::from(value);
            path.is_absolute().then(|| (name.clone(), path))
        };
        Self {
            search_path: profile.search_path.iter().map(|it| it.as_path().to_owned()).collect(),
            directories: profile.environment.iter().filter_map(directory).collect(),
        }
    }
}

impl Question {
    /// Of calls within `capped`.
    #[must_use]
    pub fn new(capped: &Capped, purpose: Purpose<'_>) -> Self {
        let asked = Asked::of(capped, purpose);
        // Whose hash is the same need not be the same: they are compared, too.
        let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(&asked);
        Self(Arc::new((hash, asked)))
    }
}

impl Hash for Question {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.0);
    }
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Question {}

impl Asked {
    fn of(capped: &Capped, purpose: Purpose<'_>) -> Self {
        let Capped { show, read, programs, view_bound, executable, .. } = capped;
        Self {
            profile: capped.profile.name.clone(),
            worker: match purpose {
                Purpose::Files(worker) => Some(worker.to_owned()),
                Purpose::Run => None,
            },
            workspace: capped.workspace.clone(),
            scratch: capped.scratch.iter().map(|place| place.path.clone()).collect(),
            trees: [show, read, programs, view_bound, executable].map(Clone::clone),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
