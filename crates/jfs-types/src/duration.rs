//! Time spans as users write them, in flags and in addresses.

use std::time::Duration;

/// A time span: Go's notation, optionally led by days (`1d12h`), or bare seconds. Empty means 0;
/// `None` for anything else, negative spans included.
pub fn parse(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return Some(Duration::ZERO);
    }
    if let Some(seconds) = decimal(text) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = decimal(&rest[..digits])?;
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

/// Whole seconds of a time span in Go's notation: `1h30m0s`, `90s` as `1m30s`, `0s`.
pub fn text(time: Duration) -> String {
    let sec = time.as_secs();
    let (hours, minutes, seconds) = (sec / 3600, sec / 60 % 60, sec % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn decimal(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|n| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_go_notation() {
        for (sec, want) in [
            (0, "0s"),
            (59, "59s"),
            (90, "1m30s"),
            (300, "5m0s"),
            (7200, "2h0m0s"),
            (90_061, "25h1m1s"),
        ] {
            let time = Duration::from_secs(sec);
            assert_eq!(text(time), want);
            assert_eq!(parse(want), Some(time));
        }
    }

    #[test]
    fn durations_are_go_notation_days_or_seconds() {
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(parse("12s"), ms(12_000));
        assert_eq!(parse("1.0s"), ms(1000));
        assert_eq!(parse("100ms"), ms(100));
        assert_eq!(parse("1h30m"), ms(5_400_000));
        assert_eq!(parse("1.5"), ms(1500));
        assert_eq!(parse("0"), ms(0));
        assert_eq!(parse(""), ms(0));
        assert_eq!(parse("1d2h"), ms(93_600_000));
        assert_eq!(parse("250us"), Some(Duration::from_micros(250)));
        assert_eq!(parse("5\u{b5}s"), Some(Duration::from_micros(5)));
        for bad in ["abc", "5m3", "-1s", "-1", "1x", "s", "1.2.3s", "inf", "nan"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
