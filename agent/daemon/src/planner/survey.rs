//! What of the host a call may read, list and execute: Landlock's rules for it.
//!
//! - Programs that are named **one by one** bring exactly what the resolver found
//!   for them, as far as profile and ceiling go. No directory that the profile
//!   has for programs or libraries can be read then: whatever can be read can be
//!   handed to the dynamic loader, and runs.
//! - A **directory** of programs brings all of the profile's libraries, to be read
//!   and executed: nobody can tell which of its programs needs which.
//! - A grant with both has what either brings.
//!
//! Pure, and never more than the ceiling: a property test holds it to that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cofferdam_plan::{AbsolutePath, LandlockPlan, Rights};
use cofferdam_profile::Tree;
use cofferdam_profile::trees::{covers, intersection};
use cofferdam_programs::Combined;

use super::{PlanError, Purpose, absolute, worker_path};
use crate::cap::Capped;
use crate::facts::{Facts, Found};
use crate::programs::Pins;

/// Facts, and the rules for the host's files that follow from them: the part of
/// planning that is the same for many calls.
#[derive(Debug, Clone)]
pub struct Survey {
    facts: Facts,
    rules: Vec<LandlockPlan>,
    one_by_one: bool,
    pins: Arc<Pins>,
}

/// How far an offer is taken.
struct Bounds {
    read: Vec<Tree>,
    execute: Vec<Tree>,
}

impl Survey {
    /// What `capped` comes to on a host of which `facts` are true.
    ///
    /// # Errors
    /// Where the file worker is not to be had.
    pub fn of(capped: &Capped, facts: Facts, purpose: Purpose<'_>) -> Result<Self, PlanError> {
        let mut rules = Rules::default();
        // The builder's own passwd and group.
        for file in ["/etc/passwd", "/etc/group"] {
            rules.add(Path::new(file), Rights::READ);
        }
        let one_by_one = purpose == Purpose::Run && capped.programs.iter().all(|tree| tree.exact);
        for tree in &capped.read {
            if !one_by_one || is_data(tree, capped, &facts) {
                rules.add_tree(tree, &facts, Rights::READ);
            }
        }
        let bounds = match purpose {
            Purpose::Files(worker) => {
                rules.add(&worker_path(capped, &facts, worker)?, Rights::EXECUTE);
                rules.add_loaders(&facts, &capped.executable);
                // The worker is the agent's own: no profile needs to know it.
                Bounds { read: capped.view_bound.clone(), execute: capped.executable.clone() }
            }
            Purpose::Run => {
                let bounds = Bounds::of(capped);
                if !one_by_one {
                    rules.add_directories(capped, &facts, &bounds);
                }
                bounds
            }
        };
        if let Some(offer) = facts.offer() {
            rules.take(offer, capped, &bounds);
        }
        let pins = Arc::default();
        Ok(Self { rules: rules.into_plan(), facts, one_by_one, pins })
    }

    /// The same, with what the rules stand for on this host. Asks file systems.
    #[must_use]
    pub fn pinned(mut self) -> Self {
        self.pins = Arc::new(Pins::of(&self.rules, self.facts.links()));
        self
    }

    /// What the rules stand for.
    #[must_use]
    pub fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    /// The facts.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Landlock's rules for the host's files, in the order of paths.
    #[must_use]
    pub fn rules(&self) -> &[LandlockPlan] {
        &self.rules
    }

    /// Whether the file at the real path may be executed.
    #[must_use]
    pub fn executes(&self, real: &Path) -> bool {
        self.rules.iter().any(|rule| rule.rights.execute && real.starts_with(rule.path.as_path()))
    }

    /// Whether the file or directory at the real path may be read.
    #[must_use]
    pub fn reads(&self, real: &Path) -> bool {
        let may = |rights: Rights| rights.read || rights.execute;
        self.rules.iter().any(|rule| may(rule.rights) && real.starts_with(rule.path.as_path()))
    }

    /// What the programs come to that are granted one by one; `None` where whole
    /// directories are granted.
    #[must_use]
    pub fn named(&self) -> Option<&Combined> {
        self.facts.offer().filter(|_| self.one_by_one)
    }

    /// Why the file at the real path may not be executed, and what would allow it;
    /// `None` where it may, or where whole directories are granted.
    #[must_use]
    pub fn why_not(&self, real: &Path) -> Option<String> {
        let offer = self.named()?;
        (!self.executes(real)).then(|| offer.why_not(real))
    }
}

impl Bounds {
    /// Profile ∩ ceiling: a helper may come from wherever the profile has programs
    /// or libraries.
    fn of(capped: &Capped) -> Self {
        let profile = &capped.profile;
        let programs = [&profile.programs[..], &profile.libraries].concat();
        let all = [&profile.read[..], &programs].concat();
        Self {
            read: intersection(&all, &capped.view_bound),
            execute: intersection(&programs, &capped.executable),
        }
    }
}

/// Whether nothing in `tree` is a program or a library, as far as the profile
/// says; programs that the grant names apart.
fn is_data(tree: &Tree, capped: &Capped, facts: &Facts) -> bool {
    let real = |tree: &Tree| facts.of(&tree.path).map_or(tree.path.clone(), |it| it.real.clone());
    let places = [tree.path.clone(), real(tree)];
    let profile = &capped.profile;
    let mut programs = profile.programs.iter().chain(&profile.libraries);
    !programs.any(|program| {
        let overlaps = |at: &PathBuf| {
            let holds = |place: &PathBuf| at.starts_with(place);
            let within = |place: &PathBuf| !program.exact && place.starts_with(at);
            places.iter().any(|place| holds(place) || within(place))
        };
        !(program.exact && capped.programs.contains(program))
            && [program.path.clone(), real(program)].iter().any(overlaps)
    })
}

/// Rules in the making.
#[derive(Default)]
struct Rules(BTreeMap<AbsolutePath, Rights>);

impl Rules {
    fn add(&mut self, path: &Path, rights: Rights) {
        let Some(path) = absolute(path) else { return };
        let known = self.0.entry(path).or_insert(Rights::LIST);
        let Rights { read, write, execute } = *known;
        *known = Rights {
            read: read || rights.read,
            write: write || rights.write,
            execute: execute || rights.execute,
        };
    }

    fn add_tree(&mut self, tree: &Tree, facts: &Facts, rights: Rights) {
        let there = facts.of(&tree.path).filter(|resolved| resolved.found != Found::Nothing);
        if let Some(resolved) = there {
            self.add(&resolved.real, rights);
        }
    }

    fn add_loaders(&mut self, facts: &Facts, bound: &[Tree]) {
        for loader in facts.loaders().filter(|loader| covers(bound, loader)) {
            self.add(loader, Rights::EXECUTE);
        }
    }

    /// Directories of programs, libraries and loaders as a whole.
    fn add_directories(&mut self, capped: &Capped, facts: &Facts, bounds: &Bounds) {
        let libraries = intersection(&capped.profile.libraries, &capped.executable);
        let directories = capped.programs.iter().filter(|tree| !tree.exact).chain(&libraries);
        for tree in directories {
            let real = facts.of(&tree.path).map(|resolved| resolved.real.as_path());
            if real.is_some_and(|real| covers(&bounds.execute, real)) {
                self.add_tree(tree, facts, Rights::EXECUTE);
            }
        }
        self.add_loaders(facts, &bounds.execute);
    }

    /// What is offered, within bounds. What the cell itself may have written is
    /// none of the host's.
    fn take(&mut self, offer: &Combined, capped: &Capped, bounds: &Bounds) {
        let (taken, refused): (Vec<_>, Vec<_>) = offer
            .execute
            .iter()
            .partition(|path| covers(&bounds.execute, path) && !capped.is_own_place(path));
        for path in taken {
            self.add(path, Rights::EXECUTE);
        }
        // Read, it could be handed to the dynamic loader.
        let holds_refused = |tree: &Tree| refused.iter().any(|path| tree.covers(path));
        for place in &offer.read {
            let tree = Tree { path: place.path.clone(), exact: !place.directory };
            if !holds_refused(&tree) {
                self.add_within(tree, capped, &bounds.read, Rights::READ);
            }
        }
        for path in &offer.list {
            self.add_within(Tree::beneath(path), capped, &bounds.read, Rights::LIST);
        }
    }

    fn add_within(&mut self, tree: Tree, capped: &Capped, bound: &[Tree], rights: Rights) {
        for tree in intersection(&[tree], bound) {
            if !capped.is_own_place(&tree.path) {
                self.add(&tree.path, rights);
            }
        }
    }

    fn into_plan(self) -> Vec<LandlockPlan> {
        self.0.into_iter().map(|(path, rights)| LandlockPlan { path, rights }).collect()
    }
}
