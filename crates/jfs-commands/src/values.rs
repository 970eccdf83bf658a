//! Values of flags: switches, numbers, sizes and time spans in the notation that JuiceFS users know.
//!
//! Each function is a `value_parser` of clap. Its error says what is expected, as a noun.

use std::num::IntErrorKind;
use std::time::Duration;
use thiserror::Error;

/// What a value should have been: "a whole number".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} is expected")]
pub struct Expected(pub &'static str);

const SWITCH: Expected = Expected("true or false");
const INTEGER: Expected = Expected("a whole number");
const COUNT: Expected = Expected("a whole number that is not negative");
const SIZE: Expected = Expected("a size like 300M or 4G");
/// For what is read, and does not fit.
const INTEGER_RANGE: Expected =
    Expected("a number from -9223372036854775808 to 9223372036854775807");
const COUNT_RANGE: Expected = Expected("a number up to 18446744073709551615");
const SIZE_RANGE: Expected = Expected("a size from 0 to below 16E");
const DURATION: Expected = Expected("a time like 12s, 100ms or 1h30m");
const TIMEOUT: Expected = Expected("a time longer than zero, like 60s");
const RATIO: Expected = Expected("a number from 0 to 1");

/// A switch: the words that Go takes for true and false.
pub fn switch(text: &str) -> Result<bool, Expected> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(SWITCH),
    }
}

/// A signed number. `0x`, `0o`, `0b`, a leading `0` for octal and `_` between digits are read as in Go.
pub fn integer(text: &str) -> Result<i64, Expected> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(magnitude(digits).map_err(|e| e.of(INTEGER, INTEGER_RANGE))?);
    i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| INTEGER_RANGE)
}

/// A number that is not negative, in the notation of [`integer`].
pub fn count(text: &str) -> Result<u64, Expected> {
    magnitude(text).map_err(|e| e.of(COUNT, COUNT_RANGE))
}

/// Why a text is no number.
enum NoNumber {
    /// It does not read as one.
    Unread,
    /// It has too many digits.
    TooLarge,
}

impl NoNumber {
    fn of(self, unread: Expected, too_large: Expected) -> Expected {
        match self {
            NoNumber::Unread => unread,
            NoNumber::TooLarge => too_large,
        }
    }
}

fn magnitude(text: &str) -> Result<u64, NoNumber> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest.strip_prefix('_').unwrap_or(rest))
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest.strip_prefix('_').unwrap_or(rest))
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest.strip_prefix('_').unwrap_or(rest))
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower[1..].strip_prefix('_').unwrap_or(&lower[1..]))
    } else {
        (10, lower.as_str())
    };
    if digits.split('_').any(str::is_empty) || digits.contains(['+', '-']) {
        return Err(NoNumber::Unread);
    }
    u64::from_str_radix(&digits.replace('_', ""), radix).map_err(|e| match e.kind() {
        IntErrorKind::PosOverflow => NoNumber::TooLarge,
        _ => NoNumber::Unread,
    })
}

fn decimal(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|n| n.is_finite())
}

/// A share of a whole.
pub fn ratio(text: &str) -> Result<f64, Expected> {
    decimal(text)
        .filter(|n| (0.0..=1.0).contains(n))
        .ok_or(RATIO)
}

/// A size in bytes; a bare number counts bytes.
pub fn bytes(text: &str) -> Result<u64, Expected> {
    size(text, 'B')
}

/// A size in bytes; a bare number counts KiB.
pub fn kib(text: &str) -> Result<u64, Expected> {
    size(text, 'K')
}

/// A size in bytes; a bare number counts MiB.
pub fn mib(text: &str) -> Result<u64, Expected> {
    size(text, 'M')
}

/// A size in bytes; a bare number counts GiB.
pub fn gib(text: &str) -> Result<u64, Expected> {
    size(text, 'G')
}

/// A decimal number and one of `B K M G T P E` (binary, either case). Without a letter `unit` counts. Empty
/// means 0.
fn size(text: &str, unit: char) -> Result<u64, Expected> {
    let Some(last) = text.chars().next_back() else {
        return Ok(0);
    };
    let (number, unit) = match last.is_ascii_digit() {
        true => (text, unit),
        false => (&text[..text.len() - last.len_utf8()], last),
    };
    let shift = match unit.to_ascii_uppercase() {
        'B' => 0,
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        'P' => 50,
        'E' => 60,
        _ => return Err(SIZE),
    };
    let bytes = decimal(number).ok_or(SIZE)? * (1_u64 << shift) as f64;
    match (0.0..u64::MAX as f64).contains(&bytes) {
        true => Ok(bytes as u64),
        false => Err(SIZE_RANGE),
    }
}

/// A deadline: a time span longer than zero.
pub fn timeout(text: &str) -> Result<Duration, Expected> {
    match duration(text) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(TIMEOUT),
    }
}

/// A time span: Go's notation, optionally with days in front (`1d12h`), or bare seconds. Empty means 0. Negative
/// spans are refused.
pub fn duration(text: &str) -> Result<Duration, Expected> {
    jfs_types::duration::parse(text).ok_or(DURATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_in_go() {
        let cases: &[(&str, Option<i64>)] = &[
            ("0", Some(0)),
            ("12", Some(12)),
            ("-3", Some(-3)),
            ("+3", Some(3)),
            ("0x2", Some(2)),
            ("0b101", Some(5)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("1_000", Some(1000)),
            ("0x_ff", Some(255)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("1.5", None),
            ("", None),
            ("-", None),
            ("--1", None),
            ("1__0", None),
            ("_1", None),
            ("08", None),
            ("abc", None),
        ];
        for (text, want) in cases {
            assert_eq!(integer(text).ok(), *want, "{text:?}");
        }
        assert_eq!(count("-1"), Err(COUNT));
        assert_eq!(count("18446744073709551616"), Err(COUNT_RANGE));
        assert_eq!(integer("9223372036854775808"), Err(INTEGER_RANGE));
        assert_eq!(integer("-99999999999999999999"), Err(INTEGER_RANGE));
        assert_eq!(count("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn sizes_take_the_flags_unit_or_a_suffix() {
        assert_eq!(size("4096", 'K'), Ok(4 << 20));
        assert_eq!(size("300", 'M'), Ok(300 << 20));
        assert_eq!(size("4M", 'K'), Ok(4 << 20));
        assert_eq!(size("1.5g", 'M'), Ok(3 << 29));
        assert_eq!(size("1B", 'G'), Ok(1));
        assert_eq!(size("100T", 'M'), Ok(100 << 40));
        assert_eq!(size("", 'M'), Ok(0));
        assert_eq!(size("4X", 'K'), Err(SIZE));
        assert_eq!(size("5Gi", 'G'), Err(SIZE));
        assert_eq!(size("M", 'K'), Err(SIZE));
        assert_eq!(size("-1", 'G'), Err(SIZE_RANGE));
        assert_eq!(size("99999E", 'G'), Err(SIZE_RANGE));
        assert!(size("4\u{20ac}", 'K').is_err());
    }

    #[test]
    fn switches_as_in_go() {
        assert_eq!(switch("True"), Ok(true));
        assert_eq!(switch("0"), Ok(false));
        assert_eq!(switch("yes"), Err(SWITCH));
        assert_eq!(switch(""), Err(SWITCH));
    }

    #[test]
    fn ranges_are_checked() {
        assert_eq!(ratio("0.5"), Ok(0.5));
        for wrong in ["1.1", "-0.1", "", "x", "nan"] {
            assert_eq!(ratio(wrong), Err(RATIO), "{wrong}");
        }
        assert_eq!(timeout("2"), Ok(Duration::from_secs(2)));
        for wrong in ["0", "0ms", "", "x"] {
            assert_eq!(timeout(wrong), Err(TIMEOUT), "{wrong}");
        }
    }
}
