//! Sizes and times as people write them: `"4GiB"`, `"30m"`. One grammar for
//! ceiling, profiles and rules.

use serde::Deserialize;

/// Bytes, written as a number with `B`, `KiB`, `MiB`, `GiB` or `TiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Bytes(pub u64);

/// Milliseconds, written as a number with `ms`, `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Millis(pub u64);

fn parse(text: &str, units: &[(&str, u64)], what: &str) -> Result<u64, String> {
    let parsed = text.find(|c: char| !c.is_ascii_digit()).and_then(|digits| {
        let (number, unit) = text.split_at(digits);
        let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
        number.parse::<u64>().ok()?.checked_mul(*factor)
    });
    parsed.ok_or_else(|| format!("`{text}` is not {what}"))
}

impl TryFrom<String> for Bytes {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let units =
            [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
        parse(&text, &units, "a size such as \"512MiB\" or \"4GiB\"").map(Self)
    }
}

impl TryFrom<String> for Millis {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
        parse(&text, &units, "a time such as \"500ms\", \"30s\" or \"1h\"").map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_need_a_unit_and_fit() {
        assert_eq!(Bytes::try_from("4GiB".to_owned()), Ok(Bytes(4 << 30)));
        assert_eq!(Bytes::try_from("0B".to_owned()), Ok(Bytes(0)));
        assert_eq!(Millis::try_from("90s".to_owned()), Ok(Millis(90_000)));
        for text in ["", "4", "GiB", "4GB", "-1B", "4.5GiB", "99999999999TiB", "4 GiB "] {
            assert!(Bytes::try_from(text.to_owned()).is_err(), "{text:?}");
        }
        for text in ["", "1", "1d", "1 hour"] {
            assert!(Millis::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
