//! Argument patterns: one kind per table, each checked where it stands.

use std::ops::Range;

use toml::Spanned;

use super::super::argument::{Arguments, Element, MAX_PATTERNS, Value};
use super::super::place::Root;
use super::super::raw::{RawArgument, RawArgumentTable, RawNumber, RawRest};
use super::super::text::TextPattern;
use super::Resolver;

const KINDS: &str = "give exactly one of one_of, glob, regex, beneath, number, any = true, flag \
                     with value, optional, or rest";

impl Resolver<'_> {
    pub(super) fn arguments(
        &mut self,
        raw: Spanned<Vec<Spanned<RawArgument>>>,
    ) -> Option<Arguments> {
        let span = raw.span();
        let raw = raw.into_inner();
        if raw.len() > MAX_PATTERNS {
            self.add(span, "args", format!("there are more than {MAX_PATTERNS} patterns"));
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
        match table {
            RawArgumentTable {
                flag: Some(flag),
                value: Some(value),
                one_of: None,
                glob: None,
                regex: None,
                beneath: None,
                number: None,
                any: None,
                optional: None,
                rest: None,
            } => self.flag(span, flag, value),
            RawArgumentTable { flag: None, value: None, optional, rest, .. }
                if optional.is_some() || rest.is_some() =>
            {
                self.repeated(span, optional, rest)
            }
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
            self.add(span, "args.flag", "a flag starts with `-`, has a name and no `=`");
            return None;
        }
        let value = self.single(value)?;
        Some(Element::Flag { name, value })
    }

    fn repeated(
        &mut self,
        span: Range<usize>,
        optional: Option<Spanned<RawArgument>>,
        rest: Option<RawRest>,
    ) -> Option<Element> {
        match (optional, rest) {
            (Some(inner), None) => {
                let element = self.element(inner.span(), inner.into_inner())?;
                Some(Element::Optional(Box::new(element)))
            }
            (None, Some(RawRest::Any(true))) => Some(Element::Rest(Value::Any)),
            (None, Some(RawRest::Each(each))) => {
                self.single(Spanned::new(span, *each)).map(Element::Rest)
            }
            _ => {
                self.add(span, "args", KINDS);
                None
            }
        }
    }

    /// A pattern of exactly one argument.
    fn single(&mut self, raw: Spanned<RawArgument>) -> Option<Value> {
        let span = raw.span();
        if let Element::One(value) = self.element(span.clone(), raw.into_inner())? {
            return Some(value);
        }
        self.add(span, "args", "here a pattern of exactly one argument is wanted");
        None
    }

    fn value(&mut self, span: Range<usize>, raw: RawArgumentTable) -> Option<Value> {
        let RawArgumentTable {
            one_of,
            glob,
            regex,
            beneath,
            number,
            any,
            flag,
            value,
            optional,
            rest,
        } = raw;
        let others = flag.is_some() || value.is_some() || optional.is_some() || rest.is_some();
        let found = match (one_of, glob, regex, beneath, number, any) {
            _ if others => Err(KINDS.to_owned()),
            (Some(texts), None, None, None, None, None) => {
                let texts = self.expand("args.one_of", texts);
                let texts: Vec<String> = texts.into_iter().map(Spanned::into_inner).collect();
                if texts.is_empty() {
                    Err("`one_of` matches nothing; fill it".to_owned())
                } else {
                    Ok(Value::OneOf(texts))
                }
            }
            (None, Some(glob), None, None, None, None) => Ok(Value::Text(TextPattern::glob(glob))),
            (None, None, Some(regex), None, None, None) => {
                self.report.expressions.compile(regex).map(Value::Text)
            }
            (None, None, None, Some(root), None, None) => Root::parse(&root).map(Value::Beneath),
            (None, None, None, None, Some(RawNumber { min, max }), None) if min <= max => {
                Ok(Value::Number { min, max })
            }
            (None, None, None, None, Some(_), None) => {
                Err("`min` is above `max`, so that no number matches".to_owned())
            }
            (None, None, None, None, None, Some(true)) => Ok(Value::Any),
            _ => Err(KINDS.to_owned()),
        };
        found.map_err(|message| self.add(span, "args", message)).ok()
    }
}
