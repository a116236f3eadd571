//! The rule language: what it is, and the set of rules that decides.
//!
//! A rule file is TOML, `version = 1`. Words:
//! - a **rule** has an id, an effect (allow, ask, deny), selectors (for which
//!   calls it is meant), what it names (programs, paths, tools), and what it
//!   gives (the grant);
//! - **default deny**: what no rule permits is denied; deny beats ask beats
//!   allow; the order of rules and files never matters;
//! - a **scope** says whose rule it is: system, organisation, project, user. The
//!   widest scope that has an allow or ask rule at all is the base: nothing is
//!   permitted that it does not permit. A narrower scope that has allow or ask
//!   rules for this caller, host and project must permit the call too, and its
//!   grant narrows; a narrower scope that has none leaves the call as it is. A
//!   deny rule of any scope denies;
//! - where **several rules of one scope** permit the same thing, the most
//!   specific one gives the grant: the narrower program or path pattern, then
//!   the one with more selectors, then the smaller id in byte order;
//! - **paths** are about file tools and redirections; what a program opens by
//!   itself is the matter of the cell that it runs in;
//! - **services** are about units of a host's service manager, of which a tool of
//!   the agent tells; no cell reaches it;
//! - an argument or program that is **not known before running** permits nothing
//!   and is taken as a match of a deny rule.
//!
//! Invariant: a [`RuleSet`] exists only where every file was right as a whole.

pub(crate) mod argument;
mod case;
pub(crate) mod condition;
pub(crate) mod consent;
mod error;
mod file;
mod include;
pub(crate) mod matching;
mod pack;
pub(crate) mod place;
pub(crate) mod program;
mod raw;
mod resolve;
pub(crate) mod role;
pub(crate) mod rule;
pub(crate) mod selector;
pub(crate) mod service;
pub(crate) mod text;

use std::collections::BTreeMap;

pub(crate) use argument::Surroundings;
pub use case::{Case, TestResult};
pub use condition::LAYERS;
pub use error::{Excerpt, Place, RuleError, RuleErrors};
pub(crate) use error::{append_place, escaped};
pub use include::{Include, MAX_INCLUDES};
pub use pack::{PACKS, Pack};

use crate::decide::Index;
use crate::grant::ProfileOrder;
use error::{Report, Source, line_starts};
use file::File;
use include::Includes;
use resolve::{Resolver, RoleNames, Sets, Uses};
use role::Roles;
use rule::{Rule, SCOPES, Scope};

/// The rules of all files, checked and resolved.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// In the byte order of their ids.
    pub(crate) rules: Vec<Rule>,
    pub(crate) roles: Roles,
    pub(crate) order: ProfileOrder,
    /// The widest scope that permits anything; none: nothing is permitted.
    pub(crate) base: Option<Scope>,
    pub(crate) digest: [u8; 32],
    cases: Vec<Case>,
    pub(crate) index: Index,
    /// Names of sets that nothing uses, and where they are.
    pub(crate) unused_sets: Vec<(String, Place)>,
    /// Names of roles that nothing refers to, and where they are.
    pub(crate) unused_roles: Vec<(String, Place)>,
}

impl RuleSet {
    /// Reads rule files, given as name and text. `digest` is the caller's
    /// digest of those texts; it stands in each decision.
    ///
    /// # Errors
    /// All that is wrong, as far as it can be told at once; also an `include`,
    /// because rules would be missing: see [`parse_whole`](Self::parse_whole).
    pub fn parse(files: &[(&str, &str)], digest: [u8; 32]) -> Result<Self, RuleErrors> {
        Self::read(files, Includes::Refused, |_| digest)
    }

    /// As [`parse`](Self::parse), of files together with all those that they
    /// include. `digest` is asked for the digest of these texts and of the packs
    /// that they use, which come behind them.
    ///
    /// # Errors
    /// All that is wrong, as far as it can be told at once.
    pub fn parse_whole(
        files: &[(&str, &str)],
        digest: impl FnOnce(&[(&str, &str)]) -> [u8; 32],
    ) -> Result<Self, RuleErrors> {
        Self::read(files, Includes::Followed, digest)
    }

    fn read(
        files: &[(&str, &str)],
        includes: Includes,
        digest: impl FnOnce(&[(&str, &str)]) -> [u8; 32],
    ) -> Result<Self, RuleErrors> {
        let mut report = Report::default();
        let lines: Vec<Vec<usize>> = files.iter().map(|(_, text)| line_starts(text)).collect();
        let mut read: Vec<File<'_>> = files
            .iter()
            .zip(&lines)
            .map(|((file, text), lines)| file::read(Source { file, text, lines }, &mut report))
            .collect();
        if includes == Includes::Refused {
            include::refuse(&read, &mut report);
        }
        let sets = Sets::collect(&mut read, &mut report);
        let order = profile_order(&mut read, &mut report);
        let (role_names, role_set) = resolve::resolve_roles(&mut read, &sets, &mut report);
        let Uses { rules: packed, packs, .. } =
            Uses::collect(&mut read, &sets, &role_names, &mut report);
        let (rules, cases) = resolve_all(read, packed, &sets, &role_names, &mut report);
        report.finish()?;
        let packs: Vec<(String, &str)> =
            packs.into_values().map(|pack| (pack.file(), pack.text)).collect();
        let packs = packs.iter().map(|(file, text)| (file.as_str(), *text));
        let digest = digest(&files.iter().copied().chain(packs).collect::<Vec<_>>());
        let base = SCOPES
            .into_iter()
            .find(|scope| rules.values().any(|rule| rule.scope == *scope && rule.is_positive()));
        let rules: Vec<Rule> = rules.into_values().collect();
        let index = Index::new(&rules);
        let (unused_sets, unused_roles) = (sets.into_unused(), role_names.into_unused());
        Ok(Self {
            rules,
            roles: role_set,
            order,
            base,
            digest,
            cases,
            index,
            unused_sets,
            unused_roles,
        })
    }

    /// The digest that was given with the files.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The profiles, from narrow to wide, as far as the files order them.
    pub fn profiles(&self) -> &[String] {
        self.order.names()
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule, so that everything is denied.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The tests of the files, in their order.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Decides every test of the files.
    pub fn run_tests(&self) -> Vec<TestResult> {
        self.cases.iter().map(|case| case.run(self)).collect()
    }

    /// The tests that fail, as errors; whoever loads rules refuses them then.
    pub fn check_tests(&self) -> Result<(), Vec<TestResult>> {
        let failed: Vec<TestResult> =
            self.run_tests().into_iter().filter(|result| !result.passed).collect();
        if failed.is_empty() { Ok(()) } else { Err(failed) }
    }
}

/// One file says the order of profiles.
fn profile_order(files: &mut [File<'_>], report: &mut Report) -> ProfileOrder {
    let mut order: Option<Vec<String>> = None;
    for file in files {
        let Some(profiles) = file.profiles.take() else { continue };
        let span = profiles.span();
        let profiles = profiles.into_inner();
        let mut sorted = profiles.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() != profiles.len() {
            report.add(file.source, span, "profiles", "a profile is listed twice; take one out");
        } else if order.is_some() {
            report.add(
                file.source,
                span,
                "profiles",
                "another file lists the profiles already; list them in one",
            );
        } else {
            order = Some(profiles);
        }
    }
    ProfileOrder::new(order.unwrap_or_default())
}

fn resolve_all(
    files: Vec<File<'_>>,
    mut rules: BTreeMap<String, Rule>,
    sets: &Sets,
    role_names: &RoleNames,
    report: &mut Report,
) -> (BTreeMap<String, Rule>, Vec<Case>) {
    let mut tests = Vec::new();
    for file in files {
        let source = file.source;
        for (span, raw) in file.rules {
            let (id, id_span) = (raw.id.get_ref().clone(), raw.id.span());
            let key = format!("rule {id}");
            let report = &mut *report;
            let rule = Resolver { source, sets, roles: role_names, report, key: key.clone() }
                .rule(span, raw);
            if rules.insert(id, rule).is_some() {
                let message = "there is a rule of this id already; give it another one";
                report.add(source, id_span, key, message);
            }
        }
        tests.extend(file.tests.into_iter().map(|(span, raw)| (source, span, raw)));
    }
    let cases = tests
        .into_iter()
        .filter_map(|(source, span, raw)| Case::resolve(source, span, raw, &rules, report))
        .collect();
    (rules, cases)
}

#[cfg(test)]
mod tests;
