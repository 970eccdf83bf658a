//! Client versions as the volume's setting compares them.

use std::cmp::Ordering;

/// The version of the reference client we act as, for both limits of a setting.
pub const ACTS_AS: &str = "1.4.2";

/// The version in our session records: ours behind `+`, so that it ranks as [`ACTS_AS`].
pub fn session_version() -> String {
    format!("{ACTS_AS}+jfs.{}", env!("CARGO_PKG_VERSION"))
}

/// A parsed `MAJOR.MINOR.PATCH[-PRE][+BUILD]`; the build part is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    pre: String,
}

impl Version {
    /// Parses a version; missing minor or patch count as 0. `None` when it is not one.
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.split('+').next()?;
        let (nums, pre) = text.split_once('-').unwrap_or((text, ""));
        let mut numbers = [0; 3];
        let mut parts = nums.split('.');
        for n in &mut numbers {
            let Some(part) = parts.next() else { break };
            *n = part.parse().ok()?;
        }
        if parts.next().is_some() {
            return None;
        }
        Some(Version {
            numbers,
            pre: pre.to_string(),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => self.pre.cmp(&other.pre),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_versions() {
        let v = |s: &str| Version::parse(s).expect("a version");
        assert!(v("1.4.0-A") < v("1.4.0-beta1"));
        assert!(v("1.4.0-beta1") < v("1.4.0"));
        assert!(v("1.4.2+jfs.0.1") == v("1.4.2"));
        assert!(v("1.9") > v("1.4.2"));
        assert!(Version::parse("1.2.3.4").is_none());
        assert!(Version::parse("x").is_none());
    }
}
