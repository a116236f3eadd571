//! The files of the authority: made at the beginning, and again when one generation
//! follows another.

use std::path::{Path, PathBuf};

use cofferdam_journal::PeerStep;
use cofferdam_trust::{Authority, SigningKey, hex};
use jiff::Timestamp;

use super::{GenerationEntry, Owner, OwnerError};
use crate::settings::Settings;
use crate::state::{Generation, Moment};

/// An authority's certificate, beneath its directory.
pub(crate) const CERTIFICATE: &str = "ca.crt";
/// The key that signs trust lists.
pub(crate) const TRUST_KEY: &str = "trust.key";

impl Owner<'_> {
    /// Makes what is missing of the authority, and keeps what is there. With `root` it
    /// is an intermediate beneath the root in that directory, which is made where it is
    /// missing and may then be taken offline.
    ///
    /// # Errors
    /// Where files cannot be made, or those there are no authority.
    pub fn begin(
        &self,
        settings: &Settings,
        root: Option<&Path>,
    ) -> Result<Vec<GenerationEntry>, OwnerError> {
        let directory = &settings.directory;
        let is_known = !self.state.read(Generation::all)?.is_empty();
        if is_known && !is_there(directory) {
            return Err(OwnerError::FilesGone(directory.clone()));
        }
        let authority = open_or_make(directory, root)?;
        let key = directory.join(TRUST_KEY);
        if !key.exists() {
            SigningKey::generate()?.save(&key)?;
        }
        let now = Moment::now();
        let generation = first(&authority, now);
        self.state.change(|it| {
            if !Generation::all(it)?.is_empty() {
                return Ok(());
            }
            generation.save(it)?;
            let detail = format!("the first certificate; its root is {}", hex(&generation.root));
            self.event("authority", PeerStep::Rotated, detail, now).note(it)
        })?;
        self.generations()
    }

    /// Lets a new generation follow: announced now, certifying later, and the one
    /// before it counts besides for a while. With `root` it is an intermediate beneath
    /// the root in that directory.
    ///
    /// # Errors
    /// Where there is none yet, one follows another already, or the root is away that
    /// the next intermediate needs. Nothing has changed then.
    pub fn rotate(
        &self,
        settings: &Settings,
        root: Option<&Path>,
    ) -> Result<Vec<GenerationEntry>, OwnerError> {
        let now = Moment::now();
        let all = self.state.read(Generation::all)?;
        let counting: Vec<_> = all.iter().filter(|it| it.counts(now)).collect();
        let last = match counting[..] {
            [] => return Err(OwnerError::NoAuthority),
            [last] => last.clone(),
            [first, ..] => {
                let until = first.retires_at.unwrap_or_default();
                let until =
                    i64::try_from(until).ok().and_then(|it| Timestamp::from_second(it).ok());
                let until = until.map_or_else(|| "later".to_owned(), |it| it.to_string());
                return Err(OwnerError::Rotating(until));
            }
        };
        let before = Authority::open(&settings.directory.join(&last.directory))?;
        if before.is_intermediate() && !root.is_some_and(is_there) {
            let (root, digest) = (root.map(Path::to_owned), hex(&before.root_digest()));
            return Err(OwnerError::RootAway { root, digest });
        }
        let id = last.id.saturating_add(1);
        let directory = format!("generation-{id}");
        let place = settings.directory.join(&directory);
        let authority = open_or_make(&place, root)?;
        let above = root.map(Authority::open).transpose()?.map(|root| root.root_digest());
        if authority.is_intermediate().then(|| authority.root_digest()) != above {
            return Err(OwnerError::Begun(place));
        }
        let (root, issues_from) = (authority.root_digest(), now.after(settings.announce));
        let ends_at = Moment::of(authority.not_after()).seconds();
        let retires_at = Some(issues_from.after(settings.overlap).seconds());
        self.state.change(|it| {
            Generation { retires_at, ..last }.save(it)?;
            let issues_from = issues_from.seconds();
            Generation { id, directory, root, issues_from, retires_at: None, ends_at }.save(it)?;
            let detail = format!("generation {id} is announced; its root is {}", hex(&root));
            self.event("authority", PeerStep::Rotated, detail, now).note(it)
        })?;
        self.generations()
    }

    /// Every generation, oldest first.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub fn generations(&self) -> Result<Vec<GenerationEntry>, OwnerError> {
        let now = Moment::now();
        let all = self.state.read(Generation::all)?;
        let id_of = |it: Option<&Generation>| it.map(|it| it.id);
        let (issuing, shown) =
            (id_of(Generation::issuing(&all, now)), id_of(Generation::shown(&all, now)));
        let entry = |it: &Generation| GenerationEntry {
            generation: it.id,
            directory: PathBuf::from(&it.directory),
            root: hex(&it.root),
            certifies_from: it.issues_from,
            retires_at: it.retires_at,
            ends_at: it.ends_at,
            certifies: issuing == Some(it.id),
            shown: shown == Some(it.id),
        };
        Ok(all.iter().map(entry).collect())
    }
}

/// The generation of an authority that was just made or found.
pub(crate) fn first(authority: &Authority, now: Moment) -> Generation {
    Generation {
        id: 1,
        directory: String::new(),
        root: authority.root_digest(),
        issues_from: now.seconds(),
        retires_at: None,
        ends_at: Moment::of(authority.not_after()).seconds(),
    }
}

/// Whether an authority was made there: its certificate is what comes last.
fn is_there(directory: &Path) -> bool {
    directory.join(CERTIFICATE).exists()
}

/// One that is there was made by a command that was killed before it said so; it has to
/// be what is wanted now.
fn open_or_make(directory: &Path, root: Option<&Path>) -> Result<Authority, OwnerError> {
    if is_there(directory) {
        return Ok(Authority::open(directory)?);
    }
    let Some(root) = root else { return Ok(Authority::create(directory)?) };
    let root = if is_there(root) { Authority::open(root)? } else { Authority::create(root)? };
    Ok(root.create_intermediate(directory)?)
}
