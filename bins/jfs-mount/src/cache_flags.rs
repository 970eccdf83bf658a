//! The values of the flags about the block cache.

use anyhow::bail;
use jfs::cache::{Checksum, Eviction};
use jfs_commands::address::{absolute, check_path};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Blocks can be dropped after this time at the soonest.
const EXPIRE_MIN: Duration = Duration::from_secs(1);
const SCAN_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// A colon-separated list; `memory` stays a word. A pattern stands for the directories that match it.
pub(crate) fn dirs(text: &str, cwd: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut dirs = Vec::new();
    for dir in text.split(':').filter(|d| !d.is_empty()) {
        if dir == "memory" {
            dirs.push(PathBuf::from(dir));
            continue;
        }
        check_path(dir, cwd)?;
        if dir.contains(['*', '?', '[']) {
            dirs.extend(matching(dir, cwd)?);
        } else {
            dirs.push(absolute(dir, cwd));
        }
    }
    if dirs.is_empty() {
        bail!("--cache-dir \"{text}\" names no directory");
    }
    if dirs.len() > 1 && dirs.contains(&PathBuf::from("memory")) {
        bail!("--cache-dir {text}: memory cannot be mixed with directories");
    }
    let mut unique = Vec::new();
    for dir in dirs {
        if !unique.contains(&dir) {
            unique.push(dir);
        }
    }
    Ok(unique)
}

/// The directories that a pattern stands for, in order.
fn matching(pattern: &str, cwd: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let full = absolute(pattern, cwd);
    let Some(full) = full.to_str() else {
        bail!("--cache-dir {pattern}: not UTF-8");
    };
    let found = match glob::glob(full) {
        Ok(found) => found.filter_map(Result::ok).filter(|p| p.is_dir()),
        Err(e) => bail!("--cache-dir {pattern}: {}", e.msg),
    };
    let dirs: Vec<PathBuf> = found.collect();
    if dirs.is_empty() {
        bail!("--cache-dir {pattern}: no directory matches");
    }
    Ok(dirs)
}

pub(crate) fn eviction(text: &str) -> anyhow::Result<Eviction> {
    match text {
        "none" => Ok(Eviction::None),
        "2-random" => Ok(Eviction::TwoRandom),
        "lru" => Ok(Eviction::Lru),
        other => bail!("--cache-eviction \"{other}\": one of none, 2-random, lru"),
    }
}

pub(crate) fn checksum(text: &str) -> anyhow::Result<Checksum> {
    match text {
        "none" => Ok(Checksum::None),
        "full" => Ok(Checksum::Full),
        "shrink" => Ok(Checksum::Shrink),
        "extend" => Ok(Checksum::Extend),
        other => bail!("--verify-cache-checksum \"{other}\": one of none, full, shrink, extend"),
    }
}

pub(crate) fn expire(asked: Duration) -> Duration {
    if !asked.is_zero() && asked < EXPIRE_MIN {
        tracing::warn!("cache-expire {asked:?} is too short, using 1s");
        return EXPIRE_MIN;
    }
    asked
}

/// Zero, or at least [`SCAN_INTERVAL_MIN`]: a scan reads all names of a cache.
pub(crate) fn scan_interval(asked: Duration) -> Duration {
    if asked.is_zero() {
        return asked;
    }
    asked.max(SCAN_INTERVAL_MIN)
}

/// Octal permissions of files; who mounts can always read and write them.
pub(crate) fn mode(text: &str) -> anyhow::Result<u32> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && mode & 0o600 == 0o600 => Ok(mode),
        _ => bail!(
            "--cache-mode \"{text}\": octal permissions from 0600 to 0777 that let the owner read and write"
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn lists_and_patterns() {
        let tmp = tempfile::tempdir().unwrap();
        let cwd = tmp.path();
        for name in ["disk1", "disk2", "other"] {
            std::fs::create_dir(cwd.join(name)).unwrap();
        }
        std::fs::write(cwd.join("disk3"), "a file").unwrap();
        let want = |names: &[&str]| names.iter().map(|n| cwd.join(n)).collect::<Vec<_>>();
        assert_eq!(dirs("disk*", cwd).unwrap(), want(&["disk1", "disk2"]));
        assert_eq!(
            dirs("new:disk1:disk?", cwd).unwrap(),
            want(&["new", "disk1", "disk2"])
        );
        assert_eq!(dirs("memory", cwd).unwrap(), [PathBuf::from("memory")]);
        for wrong in ["none*", "", ":", "memory:disk1", "a[", "disk3*"] {
            assert!(dirs(wrong, cwd).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_and_modes() {
        assert_eq!(eviction("lru").unwrap(), Eviction::Lru);
        assert_eq!(checksum("shrink").unwrap(), Checksum::Shrink);
        assert_eq!(mode("0640").unwrap(), 0o640);
        assert!(eviction("fifo").is_err() && checksum("some").is_err());
        for wrong in ["0400", "1777", "rw", ""] {
            assert!(mode(wrong).is_err(), "{wrong}");
        }
        assert_eq!(expire(Duration::from_millis(5)), EXPIRE_MIN);
        assert_eq!(expire(Duration::ZERO), Duration::ZERO);
        assert_eq!(scan_interval(Duration::from_millis(5)), SCAN_INTERVAL_MIN);
        assert_eq!(scan_interval(Duration::ZERO), Duration::ZERO);
    }
}
