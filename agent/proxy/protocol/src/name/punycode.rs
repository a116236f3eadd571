//! Punycode (RFC 3492), encoding only: an error can then say how a name in
//! Unicode is written. Nothing is decided by it, so it lower-cases and encodes
//! without the tables of IDNA.

const BASE: u32 = 36;
const MIN: u32 = 1;
const MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const FIRST_BIAS: u32 = 72;
/// The first code point that is not ASCII.
const FIRST: u32 = 128;
/// Longer labels cannot be right; the work grows with the square.
const LONGEST: usize = 63;

/// The name with each label that is not ASCII as its `xn--` form. The other
/// full stops of IDNA (RFC 3490, section 3.1) separate labels too.
pub(super) fn ascii(name: &str) -> String {
    let lower = name.to_lowercase();
    let labels = lower.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']);
    labels.map(label).collect::<Vec<_>>().join(".")
}

fn label(label: &str) -> String {
    if label.is_ascii() {
        return label.to_owned();
    }
    match encode(label) {
        Some(encoded) => format!("xn--{encoded}"),
        None => "…".to_owned(),
    }
}

/// Nothing when the label is too long.
fn encode(label: &str) -> Option<String> {
    let points: Vec<u32> = label.chars().map(u32::from).collect();
    if points.len() > LONGEST {
        return None;
    }
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(out.len()).ok()?;
    let (mut handled, mut bias, mut delta, mut next) = (basic, FIRST_BIAS, 0_u32, FIRST);
    if basic > 0 {
        out.push('-');
    }
    while (handled as usize) < points.len() {
        let point = points.iter().copied().filter(|point| *point >= next).min()?;
        delta = delta.checked_add((point - next).checked_mul(handled + 1)?)?;
        for other in &points {
            if *other < point {
                delta = delta.checked_add(1)?;
            }
            if *other == point {
                number(&mut out, delta, bias);
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        next = point + 1;
    }
    Some(out)
}

/// A generalised variable-length integer (section 3.3).
fn number(out: &mut String, mut value: u32, bias: u32) {
    let mut place = BASE;
    loop {
        let threshold = place.saturating_sub(bias).clamp(MIN, MAX);
        if value < threshold {
            break;
        }
        out.push(digit(threshold + (value - threshold) % (BASE - threshold)));
        value = (value - threshold) / (BASE - threshold);
        place += BASE;
    }
    out.push(digit(value));
}

fn digit(value: u32) -> char {
    char::from_digit(value.saturating_sub(26), 10)
        .filter(|_| value >= 26)
        .or_else(|| char::from_u32(u32::from('a') + value))
        .unwrap_or('a')
}

/// The bias of the next integer (section 6.1).
fn adapt(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / DAMP } else { delta / 2 };
    delta += delta / points;
    let mut place = 0;
    while delta > (BASE - MIN) * MAX / 2 {
        delta /= BASE - MIN;
        place += BASE;
    }
    place + (BASE - MIN + 1) * delta / (delta + SKEW)
}
