//! Rules that are proposed, and the proof that each does what it says: it is
//! read together with the rules that there are, permits the calls that it was
//! made for, none of the others that are refused, and lets every test pass that
//! passed before. What a deny rule names stays denied: deny beats allow.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use cofferdam_gateway::approvals::visible;
use cofferdam_policy::{Call, Effect, RuleSet};
use serde::Serialize;

use super::super::Files;
use super::wanted::{Wanted, literal, quoted};

/// Calls that one rule shall permit.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) users: BTreeSet<String>,
    pub(super) host: String,
    pub(super) project: String,
    pub(super) wanted: Wanted,
    /// Indices of the calls.
    pub(super) calls: Vec<usize>,
    pub(super) first: String,
    pub(super) last: String,
    /// One of them, in words.
    pub(super) example: String,
    /// Why it was denied, in one line.
    pub(super) why: String,
}

/// A rule that was tried.
#[derive(Debug, Serialize)]
pub(super) struct Proposal {
    pub(super) id: String,
    pub(super) count: usize,
    pub(super) users: Vec<String>,
    pub(super) host: String,
    pub(super) project: String,
    pub(super) first: String,
    pub(super) last: String,
    pub(super) example: String,
    pub(super) why: String,
    /// What to think of before it is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
    /// The rule.
    pub(super) toml: String,
}

/// The rules that there are, and the calls that they refuse.
pub(super) struct Bench<'a> {
    pub(super) files: &'a Files,
    pub(super) rules: &'a RuleSet,
    pub(super) refused: &'a [Call],
}

impl Bench<'_> {
    /// The smallest rule for a wish.
    ///
    /// # Errors
    /// Why none was found.
    pub(super) fn propose(&self, wish: &Wish, id: String) -> Result<Proposal, String> {
        let mut found = None;
        let mut why = String::new();
        for (scope, profile) in self.variants() {
            match self.try_out(&rule(&id, wish, &wish.wanted, scope, profile)?, &wish.calls) {
                Ok(_) => {
                    found = Some((scope, profile));
                    break;
                }
                Err(problem) if why.is_empty() => why = problem,
                Err(_) => {}
            }
        }
        let Some((scope, profile)) = found else { return Err(why) };
        let mut wanted = wish.wanted.clone();
        // What other rules permit already is left out.
        while let Some(less) = wanted.without_one().into_iter().find(|less| {
            rule(&id, wish, less, scope, profile)
                .is_ok_and(|text| self.try_out(&text, &wish.calls).is_ok())
        }) {
            wanted = less;
        }
        let toml = rule(&id, wish, &wanted, scope, profile)?;
        Ok(Proposal {
            count: wish.calls.len(),
            users: wish.users.iter().cloned().collect(),
            host: wish.host.clone(),
            project: wish.project.clone(),
            first: wish.first.clone(),
            last: wish.last.clone(),
            example: wish.example.clone(),
            why: wish.why.clone(),
            warnings: warnings(&wanted),
            id,
            toml,
        })
    }

    /// From what says least to what says most.
    fn variants(&self) -> Vec<(Option<&'static str>, Option<&str>)> {
        let mut out = Vec::new();
        for scope in [None, Some("system"), Some("project"), Some("user")] {
            out.push((scope, None));
            out.extend(self.rules.profiles().iter().map(|profile| (scope, Some(&**profile))));
        }
        out
    }

    /// The rules with one more, which permits these of the refused calls and no other,
    /// and breaks no test.
    pub(super) fn try_out(&self, rule: &str, calls: &[usize]) -> Result<RuleSet, String> {
        let text = format!("version = 1\n{rule}");
        let rules =
            self.files.parse_with(Some(("proposed", &text))).map_err(|error| error.to_string())?;
        for (index, call) in self.refused.iter().enumerate() {
            let decision = rules.decide(call.clone());
            let permitted = decision.effect() == Effect::Allow;
            match (calls.contains(&index), permitted) {
                (true, false) => return Err(decision.line()),
                (false, true) => return Err(format!("it would permit more: {}", call.action)),
                (true, true) | (false, false) => {}
            }
        }
        let failures = |rules: &RuleSet| -> BTreeSet<String> {
            let failed = rules.run_tests().into_iter().filter(|test| !test.passed);
            failed.map(|test| test.name).collect()
        };
        match failures(&rules).difference(&failures(self.rules)).next() {
            Some(failing) => Err(format!("the test «{failing}» would fail")),
            None => Ok(rules),
        }
    }
}

fn warnings(wanted: &Wanted) -> Vec<String> {
    let mut out = Vec::new();
    for (name, why) in wanted.runners() {
        let name = visible(name);
        out.push(format!(
            "`{name}` can run anything, because {why}: what it does is held by the profile alone"
        ));
    }
    if !wanted.paths.is_empty() {
        out.push("a path covers what lies beneath it, too".to_owned());
    }
    if wanted.journal {
        out.push("a journal holds what programs wrote, and may hold secrets".to_owned());
    }
    if wanted.services.iter().any(|unit| unit.contains(['*', '?'])) {
        out.push("a glob of units names those that come later, too".to_owned());
    }
    out
}

fn rule(
    id: &str,
    wish: &Wish,
    wanted: &Wanted,
    scope: Option<&str>,
    profile: Option<&str>,
) -> Result<String, String> {
    let mut out = head(id, &wish.users, &wish.host, &wish.project, scope)?;
    wanted.write(&mut out);
    if let Some(profile) = profile {
        let _ = writeln!(out, "grant = {{ profile = {} }}", quoted(profile));
    }
    Ok(out)
}

/// The beginning of a rule: for whom and where it is.
pub(super) fn head(
    id: &str,
    users: &BTreeSet<String>,
    host: &str,
    project: &str,
    scope: Option<&str>,
) -> Result<String, String> {
    let users: Vec<String> =
        users.iter().map(|user| literal(user).map(quoted)).collect::<Result<_, _>>()?;
    let mut out = format!("[[rule]]\nid = {}\neffect = \"allow\"\n", quoted(id));
    if let Some(scope) = scope {
        let _ = writeln!(out, "scope = \"{scope}\"");
    }
    let _ = writeln!(out, "subjects = {{ users = [{}] }}", users.join(", "));
    if !host.is_empty() {
        let _ = writeln!(out, "hosts = {{ names = [{}] }}", quoted(literal(host)?));
    }
    if !project.is_empty() {
        let _ = writeln!(out, "projects = [{}]", quoted(literal(project)?));
    }
    Ok(out)
}
