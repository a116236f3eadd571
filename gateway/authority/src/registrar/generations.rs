//! The certificate authorities behind the generations that count, with their keys.

use std::path::Path;
use std::sync::Arc;

use cofferdam_trust::{Authority, Lapse};

use super::{OpenError, Registrar};
use crate::owner::first;
use crate::roster::GenerationLapse;
use crate::state::{Generation, Moment, State};

/// Those that counted when they were loaded, oldest first.
#[derive(Debug)]
pub(crate) struct Generations(Vec<(Generation, Authority)>);

impl Generations {
    /// Opens those that the state names. An authority that was made by other means
    /// becomes the first.
    pub(super) fn open(directory: &Path, state: &State, now: Moment) -> Result<Self, OpenError> {
        let mut rows = state.read(Generation::all)?;
        if rows.is_empty() {
            let generation = first(&Authority::open(directory)?, now);
            state.change(|it| generation.save(it))?;
            rows.push(generation);
        }
        Self::load(directory, rows, now)
    }

    fn load(directory: &Path, rows: Vec<Generation>, now: Moment) -> Result<Self, OpenError> {
        let mut all = Vec::new();
        for row in rows.into_iter().filter(|row| row.counts(now)) {
            let directory = directory.join(&row.directory);
            let authority = Authority::open(&directory)?;
            if authority.root_digest() != row.root {
                return Err(OpenError::OtherRoot { directory, generation: row.id });
            }
            all.push((row, authority));
        }
        if all.is_empty() {
            return Err(OpenError::NoGeneration);
        }
        Ok(Self(all))
    }

    fn rows(&self) -> Vec<Generation> {
        self.0.iter().map(|(row, _)| row.clone()).collect()
    }

    /// Which one certifies.
    pub(crate) fn issuing(&self, now: Moment) -> Option<&Authority> {
        let rows = self.rows();
        self.of(Generation::issuing(&rows, now)?)
    }

    /// Which one the listener shows.
    pub(crate) fn shown(&self, now: Moment) -> Option<&Authority> {
        let rows = self.rows();
        self.of(Generation::shown(&rows, now)?)
    }

    fn of(&self, row: &Generation) -> Option<&Authority> {
        self.0.iter().find(|(it, _)| it.id == row.id).map(|(_, authority)| authority)
    }

    /// Those that count, oldest first.
    pub(crate) fn counting(&self, now: Moment) -> impl Iterator<Item = &Authority> {
        self.0.iter().filter(move |(row, _)| row.counts(now)).map(|(_, authority)| authority)
    }

    /// The numbers of the one that certifies, the one that is shown, and all that count.
    pub(crate) fn roles(&self, now: Moment) -> Vec<u32> {
        let rows = self.rows();
        let special = [Generation::issuing(&rows, now), Generation::shown(&rows, now)];
        let counting = rows.iter().filter(|row| row.counts(now));
        special.into_iter().flatten().chain(counting).map(|row| row.id).collect()
    }

    /// When the newest ends, and its root: an older one retires in time.
    pub(super) fn lapses(&self, now: Moment) -> Vec<GenerationLapse> {
        let lasting = |row: &Generation| row.counts(now) && row.retires_at.is_none();
        let lapse = |(row, authority): &(Generation, Authority)| {
            Some(GenerationLapse {
                generation: row.id,
                certificate: authority.lapse()?,
                root: Lapse::of_certificate(authority.root_der(), false).ok()?,
            })
        };
        self.0.iter().filter(|(row, _)| lasting(row)).filter_map(lapse).collect()
    }

    /// When the next of this changes by itself.
    pub(super) fn next_change(&self, now: Moment) -> Option<u64> {
        Generation::next_change(&self.rows(), now)
    }
}

impl Registrar {
    /// Those that count, opened anew where the state names others.
    pub(super) fn current_generations(&self, now: Moment) -> Result<Arc<Generations>, OpenError> {
        let rows: Vec<_> =
            self.state.read(Generation::all)?.into_iter().filter(|it| it.counts(now)).collect();
        let there = self.generations.load_full();
        if there.rows() == rows {
            return Ok(there);
        }
        let fresh = Arc::new(Generations::load(&self.settings.directory, rows, now)?);
        self.generations.store(Arc::clone(&fresh));
        Ok(fresh)
    }
}
