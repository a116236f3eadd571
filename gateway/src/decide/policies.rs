//! The policy in force, and how another one takes its place.
//!
//! Invariant: a policy is judged completely and recorded before it decides, and
//! takes the place of the one before at once. Whoever holds one decides by it
//! until the end, whatever happens meanwhile. What cannot be read, is not right
//! or cannot be recorded changes nothing, and is told: loudly in the log, in the
//! journal, and by `/healthz`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use cofferdam_journal::{AppendError, Digest, PolicyStep};
use cofferdam_policy::RuleSet;
use cofferdam_trust::{PolicyVersions, TrustedKeys};
use tokio::sync::watch;

use super::source::{Loaded, Source};
use super::{Policy, PolicyError};
use crate::config::Config;
use crate::record::Recorder;
use crate::signed_rules::Verified;

/// Between two looks at files that somebody is writing.
const SETTLE: Duration = Duration::from_millis(100);
/// So often at most; whoever writes for longer is judged as it is.
const SETTLING: usize = 20;

/// Rules that may decide, before they do.
pub(crate) struct Judged {
    source: Source,
    loaded: Loaded,
    keys: TrustedKeys,
    versions: PolicyVersions,
}

/// The policy in force and where it comes from.
#[derive(Debug)]
pub(crate) struct Policies {
    now: ArcSwap<Policy>,
    files: Mutex<Files>,
    refused: AtomicBool,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Files {
    rules: Watched,
    shadow: Option<Watched>,
}

/// Where rules come from, and what was there when they were last judged.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    shadow: bool,
    /// Whose signature they need; nobody: none.
    keys: TrustedKeys,
    /// The highest version of signed rules so far; `None` for shadow rules.
    versions: Option<PolicyVersions>,
    seen: Result<Source, String>,
    /// What was seen is not in force.
    refused: bool,
}

impl Judged {
    /// Reads and judges the rules that `config` names.
    pub(crate) fn load(config: &Config) -> Result<Self, PolicyError> {
        let keys = config.rules_keys.clone();
        let versions = PolicyVersions::new(config.state.with_extension("policy.json"));
        let source = Source::deciding(&config.rules, &keys)?;
        let loaded = source.judge()?;
        if let Some(signed) = &loaded.signed {
            versions.take(&signed.word)?;
        }
        Ok(Self { source, loaded, keys, versions })
    }
}

impl Policies {
    /// Has these rules decide, and those look on that `config` names for that;
    /// where the latter are not right, nobody does.
    pub(crate) fn begin(
        config: &Config,
        Judged { source, loaded, keys, versions }: Judged,
        recorder: &Recorder,
    ) -> Result<Self, AppendError> {
        let Loaded { rules, signed } = loaded;
        let digest = Some(Digest(*rules.digest()));
        let watched = Watched {
            path: config.rules.clone(),
            shadow: false,
            keys,
            versions: Some(versions),
            seen: Ok(source),
            refused: false,
        };
        let record = watched.record(PolicyStep::Loaded, digest, signed.as_ref(), "");
        let version = recorder.policy(record)?;
        let mut policy = Policy { rules: Arc::new(rules), version, signed, shadow: None };
        let mut shadow = None;
        if let Some(path) = &config.rules_shadow {
            let mut watched = Watched::unseen(path, &config.rules_keys);
            if let Some(rules) = watched.look(None, None, false, recorder) {
                policy = rules.into_policy(&policy);
            }
            shadow = Some(watched);
        }
        Ok(Self {
            now: ArcSwap::from_pointee(policy),
            refused: AtomicBool::new(shadow.as_ref().is_some_and(|shadow| shadow.refused)),
            files: Mutex::new(Files { rules: watched, shadow }),
            changed: watch::Sender::default(),
        })
    }

    /// The policy in force.
    pub(crate) fn now(&self) -> Arc<Policy> {
        self.now.load_full()
    }

    /// Changes each time that another policy comes into force.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Whether what lies on the disk is not what is in force, because it is not
    /// right.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Looks at the files, and takes what is new there where it is right; with
    /// `again` also what was refused or taken before. Blocks.
    pub(crate) fn look(&self, again: bool, recorder: &Recorder) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let Files { rules, shadow } = &mut *files;
        for watched in [Some(rules), shadow.as_mut()].into_iter().flatten() {
            let now = self.now();
            let (in_force, signed) = match &now.shadow {
                Some(shadow) if watched.shadow => (Some(&shadow.rules), shadow.signed.as_ref()),
                None if watched.shadow => (None, None),
                _ => (Some(&*now.rules), now.signed.as_ref()),
            };
            if let Some(taken) = watched.look(in_force, signed, again, recorder) {
                self.now.store(Arc::new(taken.into_policy(&now)));
                self.changed.send_replace(());
            }
        }
        let refused = files.rules.refused || files.shadow.as_ref().is_some_and(|it| it.refused);
        self.refused.store(refused, Ordering::Relaxed);
    }
}

/// Rules that were recorded as taken.
struct Taken {
    rules: RuleSet,
    signed: Option<Verified>,
    version: u64,
    shadow: bool,
}

impl Taken {
    /// The policy that follows on `before`.
    fn into_policy(self, before: &Policy) -> Policy {
        let Self { rules, signed, version, shadow } = self;
        if shadow {
            let looking_on = Some(Arc::new(Loaded { rules, signed }));
            let Policy { rules, version, signed, shadow: _ } = before;
            let (rules, signed) = (Arc::clone(rules), signed.clone());
            return Policy { rules, version: *version, signed, shadow: looking_on };
        }
        Policy { rules: Arc::new(rules), version, signed, shadow: before.shadow.clone() }
    }
}

impl Watched {
    /// Rules that are to look on. They may be of any version: an older one than
    /// decides can be tried out, too.
    fn unseen(path: &Path, keys: &TrustedKeys) -> Self {
        Self {
            path: path.to_owned(),
            shadow: true,
            keys: keys.clone(),
            versions: None,
            seen: Err(String::new()),
            refused: false,
        }
    }

    /// The rules that are there, where they are others than those in force, right
    /// and recorded.
    fn look(
        &mut self,
        in_force: Option<&RuleSet>,
        signed: Option<&Verified>,
        again: bool,
        recorder: &Recorder,
    ) -> Option<Taken> {
        let found = self.find(again)?;
        let judged = match &found {
            Ok(source) => self.judge(source).map_err(|error| error.to_string()),
            Err(error) => Err(error.clone()),
        };
        self.seen = found;
        match judged {
            Ok(loaded)
                if !self.refused
                    && in_force.is_some_and(|it| it.digest() == loaded.rules.digest())
                    && signed == loaded.signed.as_ref() =>
            {
                tracing::info!(path = %self.path.display(), "the rules are those in force already");
                None
            }
            Ok(loaded) => self.take(loaded, recorder),
            Err(error) => {
                self.refuse(&error, in_force, recorder);
                None
            }
        }
    }

    /// Judges what was read; rules that were signed never go back.
    fn judge(&self, source: &Source) -> Result<Loaded, PolicyError> {
        let loaded = source.judge()?;
        if let (Some(signed), Some(versions)) = (&loaded.signed, &self.versions) {
            versions.take(&signed.word)?;
        }
        Ok(loaded)
    }

    /// What is there now; none: what was there last time.
    fn find(&self, again: bool) -> Option<Result<Source, String>> {
        let read = || {
            let read = if self.shadow { Source::looking_on } else { Source::deciding };
            read(&self.path, &self.keys).map_err(|error| error.to_string())
        };
        let mut found = read();
        if same(&found, &self.seen) {
            return again.then_some(found);
        }
        // Somebody may be in the middle of writing.
        for _ in 0..SETTLING {
            std::thread::sleep(SETTLE);
            let next = read();
            let settled = same(&found, &next);
            found = next;
            if settled {
                break;
            }
        }
        Some(found)
    }

    fn take(&mut self, loaded: Loaded, recorder: &Recorder) -> Option<Taken> {
        let Loaded { rules, signed } = loaded;
        let digest = Digest(*rules.digest());
        let record = self.record(PolicyStep::Loaded, Some(digest), signed.as_ref(), "");
        match recorder.policy(record) {
            Ok(version) => {
                self.refused = false;
                let (path, shadow) = (self.path.display(), self.shadow);
                tracing::info!(%path, shadow, version, %digest, rules = rules.len(), "rules taken");
                Some(Taken { rules, signed, version, shadow })
            }
            Err(error) => {
                self.refused = true;
                tracing::error!(%error, "new rules are not taken, because that cannot be recorded");
                None
            }
        }
    }

    fn refuse(&mut self, error: &str, in_force: Option<&RuleSet>, recorder: &Recorder) {
        self.refused = true;
        let path = self.path.display();
        let kind = if self.shadow { "SHADOW RULES" } else { "RULES" };
        let stay = match (self.shadow, in_force) {
            (true, None) => "no shadow rules look on",
            _ => "those taken before stay in force",
        };
        tracing::error!("THE {kind} IN {path} ARE REFUSED; {stay}: {error}");
        let digest = in_force.map(|rules| Digest(*rules.digest()));
        if let Err(error) = recorder.policy(self.record(PolicyStep::Refused, digest, None, error)) {
            tracing::error!(%error, "that rules were refused could not be recorded");
        }
    }

    fn record(
        &self,
        step: PolicyStep,
        policy_digest: Option<Digest>,
        signed: Option<&Verified>,
        error: &str,
    ) -> cofferdam_journal::Policy {
        cofferdam_journal::Policy {
            step,
            shadow: self.shadow,
            path: self.path.display().to_string(),
            policy_digest,
            signed_version: signed.map(|signed| signed.word.version),
            signed_by: signed.map(|signed| signed.statement.key_id.clone()),
            error: error.to_owned(),
        }
    }
}

fn same(one: &Result<Source, String>, other: &Result<Source, String>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one.says_the_same(other),
        (Err(one), Err(other)) => one == other,
        _ => false,
    }
}
