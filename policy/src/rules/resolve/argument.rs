//! Argument patterns: one kind per table, each checked where it stands.

use std::ops::Range;

use toml::Spanned;

use super::super::argument::{Arguments, Element, MAX_PATTERNS, Value};
use super::super::place::{Opening, Root};
use super::super::raw::{RawArgument, RawArgumentTable, RawNumber, RawRest};
use super::super::text::TextPattern;
use super::Resolver;

const KINDS: &str = "it says nothing, or several things; give exactly one of one_of, glob, regex, beneath, number, any = true, any_of, \
                     none_of, flag with value, optional, or rest";

const OPENS: &str = "`mode` says how a path is opened and stands beside `beneath`, `recursive` beside both; take it out, or \
                     give the others";

impl Resolver<'_> {
    pub(super) fn arguments(
        &mut self,
        raw: Spanned<Vec<Spanned<RawArgument>>>,
    ) -> Option<Arguments> {
        let span = raw.span();
        let raw = raw.into_inner();
        if raw.len() > MAX_PATTERNS {
            self.add(
                span,
                "args",
                format!(
                    "there are more than {MAX_PATTERNS} patterns; write fewer, or two programs"
                ),
            );
            return None;
        }
        let elements: Vec<Option<Element>> = raw
            .into_iter()
            .map(|argument| self.element(argument.span(), argument.into_inner()))
            .collect();
        elements.into_iter().collect::<Option<_>>().map(Arguments)
    }

    fn element(&mut self, span: Range<usize>, raw: RawArgument) -> Option<Element> {
        let table = match raw {
            RawArgument::Literal(text) => {
                return Some(Element::One(Value::Text(TextPattern::exact(text))));
            }
            RawArgument::Table(table) => *table,
        };
        if table.kinds() != 1 || table.value.is_some() != table.flag.is_some() {
            self.add(span, "args", KINDS);
            return None;
        }
        if table.mode.is_some() && table.beneath.is_none()
            || table.recursive.is_some() && table.mode.is_none()
        {
            self.add(span, "args", OPENS);
            return None;
        }
        match table {
            RawArgumentTable { flag: Some(name), value: Some(value), .. } => {
                self.flag(span, name, value)
            }
            RawArgumentTable { optional: Some(inner), .. } => {
                let element = self.element(inner.span(), inner.into_inner())?;
                Some(Element::Optional(Box::new(element)))
            }
            RawArgumentTable { rest: Some(rest), .. } => self.rest(span, rest),
            table => self.value(span, table).map(Element::One),
        }
    }

    fn flag(
        &mut self,
        span: Range<usize>,
        name: String,
        value: Spanned<RawArgument>,
    ) -> Option<Element> {
        if !name.starts_with('-') || name.trim_start_matches('-').is_empty() || name.contains('=') {
            self.add(
                span,
                "args.flag",
                "it is no flag; a flag starts with `-`, has a name and no `=`",
            );
            return None;
        }
        let value = self.single("args", value)?;
        Some(Element::Flag { name, value })
    }

    fn rest(&mut self, span: Range<usize>, rest: RawRest) -> Option<Element> {
        match rest {
            RawRest::Any(true) => Some(Element::Rest(Value::Any)),
            RawRest::Any(false) => {
                self.add(span, "args", KINDS);
                None
            }
            RawRest::Each(each) => {
                self.single("args", Spanned::new(span, *each)).map(Element::Rest)
            }
        }
    }

    /// A pattern of exactly one argument.
    pub(super) fn single(&mut self, key: &str, raw: Spanned<RawArgument>) -> Option<Value> {
        let span = raw.span();
        if let Element::One(value) = self.element(span.clone(), raw.into_inner())? {
            return Some(value);
        }
        self.add(
            span,
            key,
            "here a pattern of exactly one argument is wanted; take optional, rest or flag out",
        );
        None
    }

    /// One kind of value; [`element`](Self::element) saw that there is one.
    fn value(&mut self, span: Range<usize>, raw: RawArgumentTable) -> Option<Value> {
        let found = match raw {
            RawArgumentTable { one_of: Some(texts), .. } => {
                let texts = self.expand("args.one_of", texts);
                let texts: Vec<String> = texts.into_iter().map(Spanned::into_inner).collect();
                let empty = || "`one_of` matches nothing; fill it".to_owned();
                (!texts.is_empty()).then_some(Value::OneOf(texts)).ok_or_else(empty)
            }
            RawArgumentTable { any_of: Some(all), .. } => {
                return self.several("args.any_of", all).map(Value::AnyOf);
            }
            RawArgumentTable { none_of: Some(all), .. } => {
                let all = self.several("args.none_of", all)?;
                self.check_opens_nothing(span, "args.none_of", &all);
                return Some(Value::NoneOf(all));
            }
            RawArgumentTable { glob: Some(glob), .. } => Ok(Value::Text(TextPattern::glob(glob))),
            RawArgumentTable { regex: Some(regex), .. } => {
                self.report.expressions.compile(regex).map(Value::Text)
            }
            RawArgumentTable { beneath: Some(root), mode, recursive, .. } => {
                let recursive = recursive.unwrap_or(true);
                let opening = mode.map(|mode| Opening { mode, recursive });
                Root::parse(&root).map(|root| Value::Beneath(root, opening))
            }
            RawArgumentTable { number: Some(RawNumber { min, max }), .. } if min <= max => {
                Ok(Value::Number { min, max })
            }
            RawArgumentTable { number: Some(_), .. } => {
                Err("`min` is above `max`, so that no number matches; turn them around".to_owned())
            }
            RawArgumentTable { any: Some(true), .. } => Ok(Value::Any),
            _ => Err(KINDS.to_owned()),
        };
        found.map_err(|message| self.add(span, "args", message)).ok()
    }

    /// What an argument is not, or what is asked about, is not what is opened.
    pub(super) fn check_opens_nothing(&mut self, span: Range<usize>, key: &str, all: &[Value]) {
        if all.iter().any(Value::opens) {
            let message = "`mode` says how what is permitted is opened; leave it out here";
            self.add(span, key, message);
        }
    }

    /// Patterns of one argument, which stand together for one. All have to be
    /// right: one that is left out of `none_of` would permit more.
    fn several(
        &mut self,
        key: &str,
        list: Spanned<Vec<Spanned<RawArgument>>>,
    ) -> Option<Vec<Value>> {
        self.check_not_empty(key, &list);
        if list.get_ref().len() > MAX_PATTERNS {
            self.add(
                list.span(),
                key,
                format!(
                    "there are more than {MAX_PATTERNS} patterns; write fewer, or two programs"
                ),
            );
            return None;
        }
        let all: Vec<Option<Value>> =
            list.into_inner().into_iter().map(|one| self.single(key, one)).collect();
        all.into_iter().collect()
    }
}
