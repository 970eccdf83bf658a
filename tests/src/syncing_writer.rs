//! A writer that syncs each line and notes the last one that was acknowledged.

use jfs_testkit::{Mount, wait_until};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait for further lines: a server that was away, and a busy machine.
const LINES_LIMIT: Duration = Duration::from_secs(60);

const SCRIPT: &str = r#"n=0
while [ ! -e "$2/stop" ]; do
  n=$((n + 1))
  printf '%06d\n' $n | dd of="$1" oflag=append conv=notrunc,fsync status=none || exit 1
  echo $n > "$2/new" && mv "$2/new" "$2/acknowledged"
done"#;

/// A process that writes and syncs numbered lines to a file of a mount until it is stopped.
///
/// The writer is another process: a program that this one starts would close its copies of our open files, and
/// so wait for the server that it is.
#[derive(Debug)]
pub struct SyncingWriter {
    child: Child,
    log: PathBuf,
    notes: TempDir,
}

impl SyncingWriter {
    /// Begins to write to the file `name` of the mount, and waits for five lines.
    pub fn start(mount: &Mount, name: &str) -> SyncingWriter {
        let notes = jfs_testkit::scratch_dir().unwrap();
        let log = mount.at(name);
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "sh"])
            .args([&log, notes.path()]);
        let child = command.spawn().unwrap();
        let mut writer = SyncingWriter { child, log, notes };
        writer.wait_for_lines();
        writer
    }

    /// The last line that was acknowledged.
    pub fn last(&self) -> usize {
        let text = fs::read_to_string(self.notes.path().join("acknowledged")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// Waits for five more lines. Panics when the writer has failed.
    pub fn wait_for_lines(&mut self) {
        let before = self.last();
        wait_until("acknowledged lines", LINES_LIMIT, || {
            let failed = self.child.try_wait().unwrap();
            assert_eq!(failed, None, "the writer has ended");
            Ok((self.last() > before + 5).then_some(()))
        })
        .unwrap();
    }

    /// Stops the writer. Every acknowledged line is in the file, once and in order.
    pub fn stop(mut self) {
        fs::write(self.notes.path().join("stop"), b"").unwrap();
        assert!(self.child.wait().unwrap().success());
        let wanted: String = (1..=self.last()).map(|n| format!("{n:06}\n")).collect();
        assert_eq!(fs::read_to_string(&self.log).unwrap(), wanted);
    }
}

impl Drop for SyncingWriter {
    fn drop(&mut self) {
        let _ = fs::write(self.notes.path().join("stop"), b"");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
