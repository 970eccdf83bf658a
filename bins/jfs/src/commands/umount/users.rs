//! Who keeps a mount point busy, for the message that says so.

use std::path::{Path, PathBuf};

/// Processes that are named; more are only hinted at.
const NAMED_MAX: usize = 5;

/// Processes that use something at or below `point`, as `name (pid)`; only those that this user may
/// look at. Reads the kernel's names of open files: nothing of the mount itself is touched.
pub(super) fn of(point: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.flatten().filter(|entry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|n| n.parse::<u32>().is_ok())
    });
    let users = pids.filter(|entry| uses(&entry.path(), point));
    users
        .take(NAMED_MAX)
        .map(|entry| {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            format!(
                "{} ({})",
                name.trim_end(),
                entry.file_name().to_string_lossy()
            )
        })
        .collect()
}

fn uses(process: &Path, point: &Path) -> bool {
    let below = |link: PathBuf| std::fs::read_link(link).is_ok_and(|path| path.starts_with(point));
    if ["cwd", "root", "exe"]
        .iter()
        .any(|name| below(process.join(name)))
    {
        return true;
    }
    let files = std::fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten();
    if files.map(|file| file.path()).any(below) {
        return true;
    }
    // A file may be mapped after it was closed.
    let maps = std::fs::read_to_string(process.join("maps")).unwrap_or_default();
    maps.lines().any(|line| {
        let path = line.find('/').and_then(|at| line.get(at..));
        path.is_some_and(|path| Path::new(path).starts_with(point))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_makes_a_user() {
        let dir = tempfile::tempdir().unwrap();
        let me = format!("({})", std::process::id());
        let found = || of(dir.path()).iter().any(|user| user.ends_with(&me));
        assert!(!found());
        let file = std::fs::File::create(dir.path().join("x")).unwrap();
        assert!(found());
        drop(file);
        assert!(!found());
    }
}
