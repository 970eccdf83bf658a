//! What a mount counts about itself, read from its file `.stats`.

use crate::time_limit;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names of the file; the first is used by mounts with `--prefix-internal`.
const NAMES: [&str; 2] = [".jfs.stats", ".stats"];
/// Longest wait for the file of a mount.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// The file of the mount that a path lies in. It is found by name, so it may be hidden from listings.
pub(crate) struct MountCounters {
    path: PathBuf,
}

impl MountCounters {
    /// `None` when the path lies in no mount of ours or of the reference.
    pub(crate) fn find(path: &Path) -> Option<MountCounters> {
        let device = path.metadata().ok()?.dev();
        let same = |dir: &&Path| dir.metadata().is_ok_and(|meta| meta.dev() == device);
        let root = path.ancestors().take_while(same).last()?.to_path_buf();
        NAMES
            .iter()
            .map(|name| MountCounters {
                path: root.join(name),
            })
            .find(|file| file.read().is_some_and(|c| !c.values.is_empty()))
    }

    /// The values now; `None` when the mount does not answer.
    pub(crate) fn read(&self) -> Option<Counters> {
        let path = self.path.clone();
        let text = time_limit::within(READ_LIMIT, move || std::fs::read_to_string(path));
        Some(Counters::parse(&text?.ok()?))
    }
}

/// Values by name, of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counters {
    values: HashMap<String, f64>,
}

impl Counters {
    /// Lines of a name, a blank and a number. Others are passed over.
    pub(super) fn parse(text: &str) -> Counters {
        let read = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            let known = name.starts_with("juicefs_");
            known.then_some((name.to_string(), value.parse().ok()?))
        };
        Counters {
            values: text.lines().filter_map(read).collect(),
        }
    }

    /// 0 for what is not counted yet.
    pub(crate) fn get(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn lines_of_names_and_numbers() {
        let text =
            "juicefs_uptime 12.5\nother 7\njuicefs_x_PUT_total 3\njuicefs_bad x\n\njuicefs_y";
        let counters = Counters::parse(text);
        assert_eq!(counters.get("juicefs_uptime"), 12.5);
        assert_eq!(counters.get("juicefs_x_PUT_total"), 3.0);
        assert_eq!(counters.get("juicefs_bad"), 0.0);
        assert_eq!(counters.values.len(), 2);
    }

    #[test]
    fn a_plain_directory_counts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(MountCounters::find(dir.path()).is_none());
        std::fs::write(dir.path().join(".stats"), "a file of that name").unwrap();
        assert!(MountCounters::find(dir.path()).is_none());
    }
}
