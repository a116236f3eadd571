//! Rule files as they are written. Unknown keys are refused; [`super::resolve`]
//! makes rules of this.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cofferdam_ceiling::Millis;
use serde::de::{
    self, Deserialize, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer,
};
use toml::Spanned;

use super::place::Mode;
use super::rule::{Effect, Scope, Shell};
use crate::action::Reading;
use crate::grant::{Limits, ProgramPath, WorkspaceAccess};

pub(super) type Texts = Option<Spanned<Vec<Spanned<String>>>>;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) id: Spanned<String>,
    pub(super) effect: Spanned<Effect>,
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) scope: Scope,
    #[serde(default)]
    pub(super) subjects: RawSubjects,
    #[serde(default)]
    pub(super) hosts: RawHosts,
    pub(super) projects: Texts,
    pub(super) tools: Texts,
    pub(super) programs: Option<Spanned<Vec<Spanned<RawProgram>>>>,
    pub(super) opened_by: Option<Spanned<Vec<Spanned<RawProgram>>>>,
    pub(super) paths: Option<Spanned<Vec<Spanned<RawPath>>>>,
    pub(super) services: Texts,
    pub(super) journal: Option<Spanned<bool>>,
    pub(super) shell: Option<Spanned<Shell>>,
    pub(super) environment: Texts,
    pub(super) grant: Option<Spanned<RawGrant>>,
    pub(super) valid: Option<Spanned<RawValid>>,
    pub(super) when: Option<Spanned<RawWhen>>,
    pub(super) require: Texts,
    pub(super) ask_if: Option<Spanned<Vec<Spanned<RawArgument>>>>,
    pub(super) approval: Option<Spanned<RawApproval>>,
}

/// A use of a pack: a rule without what it permits, which is the pack's.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPack {
    pub(super) name: Spanned<String>,
    #[serde(rename = "as")]
    pub(super) alias: Option<Spanned<String>>,
    pub(super) effect: Option<Spanned<Effect>>,
    #[serde(default)]
    pub(super) scope: Scope,
    #[serde(default)]
    pub(super) subjects: RawSubjects,
    #[serde(default)]
    pub(super) hosts: RawHosts,
    pub(super) projects: Texts,
    pub(super) valid: Option<Spanned<RawValid>>,
    pub(super) when: Option<Spanned<RawWhen>>,
    pub(super) require: Texts,
    pub(super) approval: Option<Spanned<RawApproval>>,
    pub(super) grant: Option<Spanned<RawGrant>>,
}

impl RawPack {
    /// As `packs = ["name"]` has it: for everybody, with the pack's grants.
    pub(super) fn plain(name: Spanned<String>) -> Self {
        Self {
            name,
            alias: None,
            effect: None,
            scope: Scope::default(),
            subjects: RawSubjects::default(),
            hosts: RawHosts::default(),
            projects: None,
            valid: None,
            when: None,
            require: None,
            approval: None,
            grant: None,
        }
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSubjects {
    pub(super) users: Texts,
    pub(super) groups: Texts,
    pub(super) tenants: Texts,
    pub(super) clients: Texts,
    pub(super) roles: Texts,
    #[serde(default)]
    pub(super) claims: BTreeMap<String, Spanned<Vec<Spanned<String>>>>,
}

/// The conditions of a rule, put together.
pub(super) struct RawConditions {
    pub(super) valid: Option<Spanned<RawValid>>,
    pub(super) when: Option<Spanned<RawWhen>>,
    pub(super) require: Texts,
    pub(super) ask_if: Option<Spanned<Vec<Spanned<RawArgument>>>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawValid {
    pub(super) from: Option<Spanned<String>>,
    pub(super) until: Option<Spanned<String>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWhen {
    pub(super) days: Texts,
    pub(super) from: Option<Spanned<String>>,
    pub(super) until: Option<Spanned<String>>,
    pub(super) zone: Option<Spanned<String>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHosts {
    pub(super) names: Texts,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProgram {
    pub(super) name: Option<Spanned<String>>,
    pub(super) names: Texts,
    pub(super) path: Option<Spanned<String>>,
    pub(super) under: Option<Spanned<String>>,
    pub(super) any: Option<bool>,
    pub(super) args: Option<Spanned<Vec<Spanned<RawArgument>>>>,
    pub(super) opens: Option<Vec<RawOpens>>,
}

/// What a program opens besides its arguments.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOpens {
    pub(super) beneath: Spanned<String>,
    pub(super) mode: Mode,
    pub(super) recursive: Option<bool>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPath {
    pub(super) beneath: Spanned<String>,
    pub(super) mode: Mode,
}

/// Who has to agree, of an ask rule.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawApproval {
    pub(super) people: Option<Spanned<u8>>,
    pub(super) own: Option<bool>,
    pub(super) users: Texts,
    pub(super) groups: Texts,
    pub(super) session: Option<bool>,
    pub(super) open: Option<Spanned<Millis>>,
    pub(super) attended: Texts,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGrant {
    pub(super) profile: Option<Spanned<String>>,
    pub(super) workspace_access: Option<WorkspaceAccess>,
    pub(super) programs: Option<Spanned<Vec<ProgramPath>>>,
    #[serde(default)]
    pub(super) limits: Limits,
    pub(super) network: Option<Spanned<Vec<Spanned<String>>>>,
}

/// A text, which stands for itself, or a table with one kind of pattern.
#[derive(Debug)]
pub(super) enum RawArgument {
    Literal(String),
    Table(Box<RawArgumentTable>),
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawArgumentTable {
    pub(super) one_of: Option<Vec<Spanned<String>>>,
    pub(super) glob: Option<String>,
    pub(super) regex: Option<String>,
    pub(super) beneath: Option<String>,
    pub(super) mode: Option<Mode>,
    pub(super) recursive: Option<bool>,
    pub(super) number: Option<RawNumber>,
    pub(super) any: Option<bool>,
    pub(super) any_of: Option<Spanned<Vec<Spanned<RawArgument>>>>,
    pub(super) none_of: Option<Spanned<Vec<Spanned<RawArgument>>>>,
    pub(super) flag: Option<String>,
    pub(super) value: Option<Spanned<RawArgument>>,
    pub(super) optional: Option<Spanned<RawArgument>>,
    pub(super) rest: Option<RawRest>,
}

impl RawArgumentTable {
    /// How many kinds of pattern it names; `value` belongs to `flag`, `mode` and
    /// `recursive` to `beneath`.
    pub(super) fn kinds(&self) -> usize {
        let Self {
            one_of,
            glob,
            regex,
            beneath,
            mode: _,
            recursive: _,
            number,
            any,
            any_of,
            none_of,
            flag,
            value: _,
            optional,
            rest,
        } = self;
        let texts = [glob, regex, beneath, flag].map(Option::is_some);
        let lists = [any_of, none_of].map(Option::is_some);
        let others = [one_of.is_some(), number.is_some(), any.is_some()];
        let repeated = [optional.is_some(), rest.is_some()];
        let all = texts.into_iter().chain(lists).chain(others).chain(repeated);
        all.filter(|given| *given).count()
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNumber {
    pub(super) min: i64,
    pub(super) max: i64,
}

/// `true`, or what each of the rest has to be.
#[derive(Debug)]
pub(super) enum RawRest {
    Any(bool),
    Each(Box<RawArgument>),
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTest {
    pub(super) name: Spanned<String>,
    pub(super) call: RawCall,
    pub(super) expect: Effect,
    pub(super) rule: Option<Spanned<String>>,
}

/// A call of a test. What is left out is as a plain call has it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCall {
    #[serde(default)]
    pub(super) user: String,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) tenant: String,
    #[serde(default)]
    pub(super) claims: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) client: String,
    #[serde(default)]
    pub(super) host: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) layers: Option<BTreeSet<String>>,
    pub(super) at: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) project: String,
    pub(super) workspace: Option<String>,
    pub(super) tool: Spanned<String>,
    pub(super) program: Option<String>,
    pub(super) args: Option<Vec<String>>,
    pub(super) command: Option<String>,
    pub(super) working_directory: Option<String>,
    #[serde(default)]
    pub(super) environment: Vec<String>,
    pub(super) path: Option<String>,
    pub(super) to: Option<String>,
    pub(super) what: Option<Reading>,
    pub(super) unit: Option<String>,
    #[serde(default)]
    pub(super) interactive: bool,
}

// Written out, because serde's untagged enums lose place and reason of an error.
impl<'de> Deserialize<'de> for RawArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArgumentVisitor)
    }
}

struct ArgumentVisitor;

impl<'de> Visitor<'de> for ArgumentVisitor {
    type Value = RawArgument;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text, or a table such as { one_of = [\"a\", \"b\"] }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawArgument, E> {
        Ok(RawArgument::Literal(text.to_owned()))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<RawArgument, M::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(map))
            .map(|table| RawArgument::Table(Box::new(table)))
    }
}

impl<'de> Deserialize<'de> for RawRest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RestVisitor)
    }
}

struct RestVisitor;

impl<'de> Visitor<'de> for RestVisitor {
    type Value = RawRest;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("true, a text, or a table such as { beneath = \"workspace\" }")
    }

    fn visit_bool<E: de::Error>(self, any: bool) -> Result<RawRest, E> {
        Ok(RawRest::Any(any))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawRest, E> {
        ArgumentVisitor.visit_str(text).map(|each| RawRest::Each(Box::new(each)))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<RawRest, M::Error> {
        ArgumentVisitor.visit_map(map).map(|each| RawRest::Each(Box::new(each)))
    }
}
