//! Values of flags: booleans, numbers, sizes and time spans in the reference's notation.

use std::time::Duration;

/// Go's notion of a boolean.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A signed number with Go's prefixes and separators.
pub fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(parse_digits(digits)?);
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

/// An unsigned number with Go's prefixes and separators.
pub fn parse_uint(text: &str) -> Option<u64> {
    parse_digits(text)
}

fn parse_digits(text: &str) -> Option<u64> {
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
        return None;
    }
    u64::from_str_radix(&digits.replace('_', ""), radix).ok()
}

/// A finite decimal number.
pub fn parse_float(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|n| n.is_finite())
}

/// A size in bytes: a decimal number and one of `B K M G T P E` (binary, either case); without a
/// suffix `unit` counts. Empty means 0. The error is the reason, for the user.
pub fn parse_size(text: &str, unit: char) -> Result<u64, String> {
    let Some(last) = text.chars().next_back() else {
        return Ok(0);
    };
    let (number, unit) = if last.is_ascii_digit() {
        (text, unit)
    } else {
        (&text[..text.len() - last.len_utf8()], last)
    };
    let value =
        parse_float(number).ok_or_else(|| format!("parsing \"{number}\": invalid syntax"))?;
    let shift = match unit.to_ascii_uppercase() {
        'B' => 0,
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        'P' => 50,
        'E' => 60,
        _ => return Err("invalid unit".to_string()),
    };
    let bytes = value * (1_u64 << shift) as f64;
    if bytes < 0.0 {
        return Err("a size cannot be negative".to_string());
    }
    if bytes >= u64::MAX as f64 {
        return Err("value out of range".to_string());
    }
    Ok(bytes as u64)
}

/// A time span: Go's notation, optionally led by days (`1d12h`), or bare seconds. Empty means 0;
/// `None` for anything else, negative spans included.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return Some(Duration::ZERO);
    }
    if let Some(seconds) = parse_float(text) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = parse_float(&rest[..digits])?;
        rest = &rest[digits..];
        let unit_len = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let nanos = match &rest[..unit_len] {
            "ns" => 1.0,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            "d" => 86400e9,
            _ => return None,
        };
        rest = &rest[unit_len..];
        let part = Duration::try_from_secs_f64(number * nanos / 1e9).ok()?;
        total = total.checked_add(part)?;
    }
    Some(total)
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
            assert_eq!(parse_int(text), *want, "{text:?}");
        }
        assert_eq!(parse_uint("-1"), None);
        assert_eq!(parse_uint("18446744073709551615"), Some(u64::MAX));
    }

    #[test]
    fn sizes_take_the_flags_unit_or_a_suffix() {
        let size = |text, unit| parse_size(text, unit);
        assert_eq!(size("4096", 'K'), Ok(4 << 20));
        assert_eq!(size("300", 'M'), Ok(300 << 20));
        assert_eq!(size("4M", 'K'), Ok(4 << 20));
        assert_eq!(size("1.5g", 'M'), Ok(3 << 29));
        assert_eq!(size("1B", 'G'), Ok(1));
        assert_eq!(size("100T", 'M'), Ok(100 << 40));
        assert_eq!(size("", 'M'), Ok(0));
        assert_eq!(size("4X", 'K'), Err("invalid unit".to_string()));
        assert_eq!(
            size("5Gi", 'G'),
            Err("parsing \"5G\": invalid syntax".to_string())
        );
        assert_eq!(
            size("M", 'K'),
            Err("parsing \"\": invalid syntax".to_string())
        );
        assert!(size("-1", 'G').is_err());
        assert!(size("99999E", 'G').is_err());
        assert!(size("4\u{20ac}", 'K').is_err());
    }

    #[test]
    fn durations_are_go_notation_days_or_seconds() {
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(parse_duration("12s"), ms(12_000));
        assert_eq!(parse_duration("1.0s"), ms(1000));
        assert_eq!(parse_duration("100ms"), ms(100));
        assert_eq!(parse_duration("1h30m"), ms(5_400_000));
        assert_eq!(parse_duration("1.5"), ms(1500));
        assert_eq!(parse_duration("0"), ms(0));
        assert_eq!(parse_duration(""), ms(0));
        assert_eq!(parse_duration("1d2h"), ms(93_600_000));
        assert_eq!(parse_duration("250us"), Some(Duration::from_micros(250)));
        assert_eq!(parse_duration("5\u{b5}s"), Some(Duration::from_micros(5)));
        for bad in ["abc", "5m3", "-1s", "-1", "1x", "s", "1.2.3s", "inf", "nan"] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn booleans_as_in_go() {
        assert_eq!(parse_bool("True"), Some(true));
        assert_eq!(parse_bool("0"), Some(false));
        assert_eq!(parse_bool("yes"), None);
        assert_eq!(parse_bool(""), None);
    }
}
