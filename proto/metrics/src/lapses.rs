//! When certificates and lists end.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use cofferdam_trust::{Lapse, Outlook};

use crate::readings::{Labels, Readings};

/// What was warned of is warned of again after so long.
const AGAIN: Duration = Duration::from_hours(24);

/// Something that ends, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsing {
    /// `own`, `front`, `authority`, `root`, `trust_list`.
    pub what: &'static str,
    /// Of an authority's certificate, its generation; else empty.
    pub generation: String,
    /// When it ends.
    pub lapse: Lapse,
}

impl Lapsing {
    /// Of which there is one.
    #[must_use]
    pub fn of(what: &'static str, lapse: Lapse) -> Self {
        Self { what, generation: String::new(), lapse }
    }

    fn labels(&self) -> Labels {
        let generation = Some(("generation", self.generation.clone()));
        let generation = generation.filter(|(_, of)| !of.is_empty());
        [("what", self.what.to_owned())].into_iter().chain(generation).collect()
    }
}

/// Reads when these end.
pub fn read_lapses(all: &[Lapsing], now: SystemTime, into: &mut Readings) {
    #[allow(clippy::cast_precision_loss, reason = "seconds of centuries are whole in a float")]
    let left = |it: &Lapsing| it.lapse.left_seconds(now) as f64;
    into.gauges(
        "lapse_left_seconds",
        "Seconds until a certificate, root or trust list ends; negative: since then",
        all.iter().map(|it| (it.labels(), left(it))),
    );
    into.gauges(
        "lapse_life_seconds",
        "Seconds from the beginning of a certificate, root or trust list to its end",
        all.iter().map(|it| (it.labels(), it.lapse.life().as_secs_f64())),
    );
}

/// When to warn of what ends: when that begins, when it gets worse, and once a day.
#[derive(Debug, Default)]
pub struct Rhythm(BTreeMap<String, (Outlook, SystemTime)>);

impl Rhythm {
    /// Whether to warn of `name` now, which is taken as done.
    pub fn is_news(&mut self, name: &str, outlook: Outlook, now: SystemTime) -> bool {
        // What it is about may be gone: what is long past is forgotten.
        self.0.retain(|_, (_, at)| now.duration_since(*at).is_ok_and(|age| age < AGAIN));
        let known = self.0.get(name).is_some_and(|(before, _)| *before == outlook);
        if !known {
            self.0.insert(name.to_owned(), (outlook, now));
        }
        !known
    }
}
