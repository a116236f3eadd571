//! Points in time and spans as people write and read them.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// RFC 3339 in UTC, to the second.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time)
        .and_then(|time| time.round(jiff::Unit::Second))
        .map_or_else(|_| "beyond the calendar".to_owned(), |time| time.to_string())
}

/// Seconds since 1970 in the same form.
pub(crate) fn from_unix(seconds: u64) -> String {
    match SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) => rfc3339(time),
        None => "beyond the calendar".to_owned(),
    }
}

/// A span of time on the command line: a number and `m`, `h` or `d`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a span of time such as `30m`, `12h` or `90d`");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
    // A thousand years: beyond it, calendars end.
    match seconds {
        0 => Err(format!("`{text}` is no time at all")),
        1..=31_536_000_000 => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong()),
    }
}

/// A point in time on the command line: RFC 3339, or a [`span`] before now.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let back = span(text).map_err(|_| {
        format!("`{text}` is neither a time such as `2026-01-31T00:00:00Z` nor a span such as `7d`")
    })?;
    let then = SystemTime::now().checked_sub(back).map(Timestamp::try_from);
    then.and_then(Result::ok).ok_or_else(|| format!("`{text}` leads beyond the calendar"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_needs_a_number_and_a_unit() {
        assert_eq!(span("90d"), Ok(Duration::from_hours(90 * 24)));
        assert_eq!(span("30m"), Ok(Duration::from_mins(30)));
        for text in ["", "d", "90", "90 d", "1w", "0h", "-1d", "1.5h", "99999999999999999999d"] {
            assert!(span(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_a_span_before_now() {
        assert_eq!(moment("1970-01-01T00:00:00Z"), Ok(Timestamp::UNIX_EPOCH));
        let day = moment("1d").unwrap();
        assert!(day < Timestamp::now() && day > Timestamp::UNIX_EPOCH);
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "999999d"] {
            assert!(moment(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(from_unix(0), "1970-01-01T00:00:00Z");
        assert_eq!(from_unix(u64::MAX), "beyond the calendar");
    }
}
