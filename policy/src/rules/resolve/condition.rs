//! Conditions of a rule: times that can come, layers that there are, patterns of
//! one argument.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use toml::Spanned;

use super::super::argument::Value;
use super::super::condition::window::{DAYS, Window, Zone, clock};
use super::super::condition::{Conditions, LAYERS, Validity};
use super::super::error::choices;
use super::super::raw::{RawArgument, RawConditions, RawValid, RawWhen, Texts};
use super::super::rule::Effect;
use super::Resolver;

impl Resolver<'_> {
    /// `runs`: the rule names programs.
    pub(super) fn conditions(
        &mut self,
        effect: Effect,
        runs: bool,
        raw: RawConditions,
    ) -> Conditions {
        let RawConditions { valid, when, require, ask_if } = raw;
        if let Some(require) = require.as_ref().filter(|_| effect == Effect::Deny) {
            let message = "a deny rule holds wherever it is; leave `require` out";
            self.add(require.span(), "require", message);
        }
        if let Some(ask_if) = ask_if.as_ref().filter(|_| effect != Effect::Allow) {
            let message =
                "`ask_if` belongs to a rule that allows without asking else; leave it out";
            self.add(ask_if.span(), "ask_if", message);
        }
        if let Some(ask_if) = ask_if.as_ref().filter(|_| !runs) {
            let message = "`ask_if` looks at arguments of programs; give `programs`";
            self.add(ask_if.span(), "ask_if", message);
        }
        Conditions {
            valid: valid.map(|valid| self.validity(valid)).unwrap_or_default(),
            when: when.and_then(|when| self.window(when)),
            layers: self.layers(require),
            ask_if: ask_if.map(|list| self.ask_if(list)).unwrap_or_default(),
        }
    }

    fn validity(&mut self, raw: Spanned<RawValid>) -> Validity {
        let span = raw.span();
        let RawValid { from, until } = raw.into_inner();
        let given = (from.is_some(), until.is_some());
        let (from, until) = (self.moment("valid.from", from), self.moment("valid.until", until));
        let problem = match (from, until) {
            (Some(from), Some(until)) if from >= until => {
                "`until` is not after `from`; give a later time"
            }
            _ if given == (false, false) => "it says no time; give `from`, `until` or both",
            _ => return Validity { from, until },
        };
        self.add(span, "valid", problem);
        Validity::default()
    }

    fn moment(&mut self, key: &str, text: Option<Spanned<String>>) -> Option<Timestamp> {
        let text = text?;
        let found = text.get_ref().parse().ok();
        if found.is_none() {
            let message = "it is no time of RFC 3339; write one such as \"2026-01-31T00:00:00Z\"";
            self.add(text.span(), key, message);
        }
        found
    }

    fn window(&mut self, raw: Spanned<RawWhen>) -> Option<Window> {
        let span = raw.span();
        let RawWhen { days, from, until, zone } = raw.into_inner();
        if days.is_none() && from.is_none() && until.is_none() {
            self.add(span, "when", "it says no time; give days, or from and until");
            return None;
        }
        let days = self.days(days);
        let bounds =
            (self.clock("when.from", from.as_ref())?, self.clock("when.until", until.as_ref())?);
        if let (Some(_), Some(until)) = (&from, &until)
            && bounds.0 == bounds.1
        {
            let message = "it is the same as `from`; for the whole day leave both out";
            self.add(until.span(), "when.until", message);
        }
        let zone = zone.unwrap_or_else(|| Spanned::new(span, "UTC".to_owned()));
        match Zone::parse(zone.get_ref()) {
            Ok(found) => Some(Window { days: days?, from: bounds.0, until: bounds.1, zone: found }),
            Err(message) => {
                self.add(zone.span(), "when.zone", message);
                None
            }
        }
    }

    fn days(&mut self, days: Texts) -> Option<Vec<Weekday>> {
        let Some(days) = days else { return Some(DAYS.map(|(_, day)| day).into()) };
        self.check_not_empty("when.days", &days);
        let mut found = Vec::new();
        for text in days.into_inner() {
            if let Some((_, day)) = DAYS.iter().find(|(name, _)| name == text.get_ref()) {
                found.push(*day);
            } else {
                let message = "it is no day; a day is one of mon, tue, wed, thu, fri, sat, sun";
                self.add(text.span(), "when.days", message);
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// Midnight, where it is left out.
    fn clock(&mut self, key: &str, text: Option<&Spanned<String>>) -> Option<Time> {
        let Some(text) = text else { return Some(Time::midnight()) };
        let found = clock(text.get_ref());
        if found.is_none() {
            let message = "it is no time of day; write hours and minutes such as \"08:00\"";
            self.add(text.span(), key, message);
        }
        found
    }

    fn layers(&mut self, texts: Texts) -> Vec<String> {
        let Some(texts) = texts else { return Vec::new() };
        self.check_not_empty("require", &texts);
        let mut layers = Vec::new();
        for text in self.expand("require", texts.into_inner()) {
            if LAYERS.contains(&text.get_ref().as_str()) {
                layers.push(text.into_inner());
            } else {
                let name = crate::text::shown(text.get_ref().as_bytes());
                let message = format!("no layer is named `{name}`; {}", choices(&name, LAYERS));
                self.add(text.span(), "require", message);
            }
        }
        layers.sort();
        layers.dedup();
        layers
    }

    fn ask_if(&mut self, list: Spanned<Vec<Spanned<RawArgument>>>) -> Vec<Value> {
        self.check_not_empty("ask_if", &list);
        let span = list.span();
        let all: Vec<Value> =
            list.into_inner().into_iter().filter_map(|one| self.single("ask_if", one)).collect();
        self.check_opens_nothing(span, "ask_if", &all);
        all
    }
}
