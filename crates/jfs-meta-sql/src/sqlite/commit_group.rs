//! Carrying out commits: a group of them in one database transaction, each checked against what its
//! attempt has seen.
//!
//! Checking means reading again and comparing, unless it is known that nothing was committed since:
//! neither here (the epoch, counted up after every commit of this engine) nor by another process
//! (SQLite's data version). An attempt notes the epoch before it reads, so an equal epoch means that
//! its reads came after the last commit here.

use super::db::{Db, step};
use super::errors::{classify, classify_commit};
use super::fence::{self, FileId};
use super::lost_answers::{Fault, FaultPlan};
use super::read::answers;
use crate::records::{again, changes, volume};
use crate::statement::Catalog;
use jfs_meta::EngineError;
use jfs_meta::engine::{Answer, Fence, FenceSlot, Key, Receipt, Write};
use jfs_meta::trips::TripLog;
use jfs_types::Time;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::oneshot;

/// One commit: its reads and its changes.
pub(crate) struct Commit {
    /// Records that must not have changed, and what they were.
    pub(crate) seen: Vec<(Key, Answer)>,
    /// The epoch before the first of them was read.
    pub(crate) epoch: u64,
    /// The setting that the volume must have.
    pub(crate) fence: Option<Arc<Fence>>,
    pub(crate) writes: Vec<Write>,
    pub(crate) at: Time,
    pub(crate) op: &'static str,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

type Outcome = Result<Receipt, EngineError>;

/// The writing connection and what it needs to commit.
pub(crate) struct Committer {
    pub(crate) c: Connection,
    catalog: Arc<Catalog>,
    pub(crate) trips: Arc<TripLog>,
    pub(crate) faults: Arc<FaultPlan>,
    /// See the module's text. Only the writer counts it up.
    pub(crate) epoch: Arc<AtomicU64>,
    /// SQLite's data version at the last group.
    version: Option<i64>,
    fence: Arc<FenceSlot>,
    path: PathBuf,
    /// The file of the connection; `None` is not looked at.
    file: Option<FileId>,
    /// The setting at the last group that looked, `None` after anything that may have changed it.
    setting: Option<Option<Vec<u8>>>,
}

impl Committer {
    pub(crate) fn new(
        c: Connection,
        catalog: Arc<Catalog>,
        trips: Arc<TripLog>,
        faults: Arc<FaultPlan>,
        epoch: Arc<AtomicU64>,
    ) -> Committer {
        Committer {
            c,
            catalog,
            trips,
            faults,
            epoch,
            version: None,
            fence: Arc::default(),
            path: PathBuf::new(),
            file: None,
            setting: None,
        }
    }

    /// With the fence of the engine, and the file at `path` that the connection has open.
    pub(crate) fn fenced(
        mut self,
        fence: Arc<FenceSlot>,
        path: PathBuf,
        file: Option<FileId>,
    ) -> Committer {
        (self.fence, self.path, self.file) = (fence, path, file);
        self
    }

    /// Fails when the file was removed or replaced, or, inside of a transaction, when the database holds
    /// another volume.
    pub(crate) fn check_volume(&self, op: &'static str) -> Result<(), EngineError> {
        let Some(fence) = self.fence.get() else {
            return Ok(());
        };
        fence::check_file(&self.path, self.file)?;
        volume::check_volume(&fence, fence::stored(self.db(op))?.as_deref())
    }

    pub(crate) fn db(&self, op: &'static str) -> Db<'_> {
        Db {
            c: &self.c,
            catalog: &self.catalog,
            trips: &self.trips,
            op,
        }
    }

    /// The setting may have been changed on this connection.
    pub(crate) fn forget_setting(&mut self) {
        self.setting = None;
    }

    /// Something may have been committed on this connection.
    pub(crate) fn next_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Runs a group of commits in one transaction and answers each.
    pub(crate) fn run(&mut self, group: &mut Vec<Commit>) {
        let outcomes = self.transact(group);
        self.next_epoch();
        for (commit, outcome) in group.drain(..).zip(outcomes) {
            let _ = commit.reply.send(outcome); // nobody waits when its task was cancelled
        }
    }

    fn transact(&mut self, group: &[Commit]) -> Vec<Outcome> {
        let op = group.first().map_or("background", |commit| commit.op);
        if self.fence.get().is_some()
            && let Err(e) = fence::check_file(&self.path, self.file)
        {
            return group.iter().map(|_| Err(again(&e))).collect();
        }
        if let Err(e) = self.db(op).step(step::BEGIN_WRITE).map_err(classify) {
            return group.iter().map(|_| Err(again(&e))).collect();
        }
        let undisturbed = self.undisturbed(op);
        self.look_at_setting(op, undisturbed, group);
        let db = self.db(op);
        let epoch = self.epoch.load(Ordering::Relaxed);
        let mut applied = false;
        let mut outcomes = Vec::with_capacity(group.len());
        for commit in group {
            let fault = self.faults.next();
            let valid = undisturbed && !applied && commit.epoch == epoch;
            let outcome = match fault {
                Some(Fault::Dropped) => {
                    Err(EngineError::MaybeCommitted("dropped on demand".into()))
                }
                _ if group.len() == 1 => self.attempt(commit, valid),
                _ => self.attempt_in_savepoint(commit, valid),
            };
            if self.c.is_autocommit() {
                // SQLite gave up the transaction, and with it what was applied before.
                return give_up(group.len(), outcomes.len(), outcome);
            }
            applied |= outcome.is_ok();
            outcomes.push((outcome, fault == Some(Fault::Lost)));
        }
        let end = match applied {
            true => db.step(step::COMMIT).map_err(classify_commit),
            false => db.step(step::ROLLBACK).map_err(classify),
        };
        if !self.c.is_autocommit() {
            let _ = db.step(step::ROLLBACK); // the COMMIT has failed, which is what is reported
        }
        let finish = |(outcome, lost): (Outcome, bool)| match (outcome, &end) {
            _ if lost => Err(EngineError::MaybeCommitted("lost on demand".into())),
            (Ok(_), Err(e)) => Err(again(e)),
            (outcome, _) => outcome,
        };
        outcomes.into_iter().map(finish).collect()
    }

    /// Whether no other process has committed since the last group.
    fn undisturbed(&mut self, op: &'static str) -> bool {
        let now = self.db(op).data_version();
        now.is_some() && std::mem::replace(&mut self.version, now) == now
    }

    /// Reads the setting when a commit of the group depends on it and another process may have changed it.
    fn look_at_setting(&mut self, op: &'static str, undisturbed: bool, group: &[Commit]) {
        if !undisturbed {
            self.setting = None;
        }
        if self.setting.is_none() && group.iter().any(|commit| commit.fence.is_some()) {
            self.setting = fence::stored(self.db(op)).ok();
        }
    }

    fn attempt_in_savepoint(&self, commit: &Commit, valid: bool) -> Outcome {
        let db = self.db(commit.op);
        db.step(step::SAVEPOINT).map_err(classify)?;
        let outcome = self.attempt(commit, valid);
        if outcome.is_err() && !self.c.is_autocommit() {
            db.step(step::ROLLBACK_TO).map_err(classify)?;
        }
        if !self.c.is_autocommit() {
            db.step(step::RELEASE).map_err(classify)?;
        }
        outcome
    }

    /// Checks what the attempt saw, unless that is known to be `valid`, and applies its writes.
    fn attempt(&self, commit: &Commit, valid: bool) -> Outcome {
        let db = self.db(commit.op);
        if let Some(fence) = &commit.fence {
            let stored = self.setting.as_ref().and_then(Option::as_deref);
            if stored != Some(fence.document()) {
                return Err(EngineError::SettingChanged);
            }
        }
        if !valid && !commit.seen.is_empty() {
            let now = answers(db, commit.seen.iter().map(|(key, _)| key))?;
            if !now.iter().eq(commit.seen.iter().map(|(_, answer)| answer)) {
                return Err(EngineError::Conflict);
            }
        }
        let mut receipt = Receipt::default();
        for change in changes(&commit.writes, commit.at) {
            db.change(&change, &mut receipt)?;
        }
        Ok(receipt)
    }
}

/// Outcomes of a group of `n` whose commit number `at` failed so badly that all was undone.
fn give_up(n: usize, at: usize, outcome: Outcome) -> Vec<Outcome> {
    let error = outcome
        .err()
        .unwrap_or_else(|| EngineError::Transient("the transaction ended early".into()));
    let other = || {
        Err(EngineError::Transient(format!(
            "undone with another commit: {error}"
        )))
    };
    (0..n)
        .map(|i| if i == at { Err(again(&error)) } else { other() })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::records::schema::Schema;
    use jfs_types::Ino;

    fn committer(dir: &tempfile::TempDir, pragma: &str) -> Committer {
        let c = Connection::open(dir.path().join("a.db")).unwrap();
        c.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        let catalog = Arc::new(Catalog::new(Dialect::Sqlite, "jfs_"));
        for object in Schema::new(Dialect::Sqlite, "jfs_").objects() {
            c.execute_batch(&object.sql).unwrap();
        }
        c.execute_batch(pragma).unwrap();
        Committer::new(c, catalog, Arc::default(), Arc::default(), Arc::default())
    }

    fn symlink(ino: u64, length: usize) -> Write {
        Write::NewSymlink {
            ino: Ino(ino),
            target: vec![b'x'; length],
        }
    }

    fn run(committer: &mut Committer, writes: Vec<Vec<Write>>) -> Vec<Outcome> {
        let (mut group, mut answers) = (Vec::new(), Vec::new());
        for writes in writes {
            let (reply, answer) = oneshot::channel();
            let (seen, at, op) = (Vec::new(), Time::default(), "test");
            group.push(Commit {
                seen,
                epoch: 0,
                fence: None,
                writes,
                at,
                op,
                reply,
            });
            answers.push(answer);
        }
        committer.run(&mut group);
        answers
            .into_iter()
            .map(|mut a| a.try_recv().unwrap())
            .collect()
    }

    fn stored(committer: &Committer) -> Vec<i64> {
        let sql = "SELECT inode FROM jfs_symlink ORDER BY inode";
        let mut statement = committer.c.prepare(sql).unwrap();
        let inodes = statement.query_map([], |row| row.get(0)).unwrap();
        inodes.map(Result::unwrap).collect()
    }

    /// A full disk fails the commit that it meets and leaves the others of its group whole, or fails
    /// them as well; what is answered is what is stored.
    #[test]
    fn a_full_disk_spares_the_neighbours() {
        let dir = tempfile::tempdir().unwrap();
        let mut full = committer(&dir, "PRAGMA max_page_count = 60");
        let outcomes = run(
            &mut full,
            vec![
                vec![symlink(1, 10)],
                vec![symlink(2, 1 << 20)],
                vec![symlink(3, 10)],
            ],
        );
        assert!(
            matches!(&outcomes[1], Err(EngineError::Fatal(text)) if text.contains("full")),
            "{outcomes:?}"
        );
        let done: Vec<i64> = (1..)
            .zip(&outcomes)
            .filter(|(_, outcome)| outcome.is_ok())
            .map(|(n, _)| n)
            .collect();
        assert_eq!(stored(&full), done);
        for outcome in &outcomes {
            assert!(
                !matches!(outcome, Err(EngineError::Conflict)),
                "{outcomes:?}"
            );
        }
        // Alone, and on a connection that is fine afterwards.
        assert!(run(&mut full, vec![vec![symlink(4, 1 << 20)]])[0].is_err());
        assert!(run(&mut full, vec![vec![symlink(5, 10)]])[0].is_ok());
        assert!(stored(&full).contains(&5) && !stored(&full).contains(&4));
    }

    /// When SQLite gives up the whole transaction, nothing of the group may be reported as done.
    #[test]
    fn a_transaction_that_ends_early_fails_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let trigger = "CREATE TRIGGER t BEFORE INSERT ON jfs_symlink WHEN NEW.inode = 2 \
            BEGIN SELECT RAISE(ROLLBACK, 'no'); END";
        let mut c = committer(&dir, trigger);
        let outcomes = run(&mut c, (1..=3).map(|n| vec![symlink(n, 10)]).collect());
        assert!(
            matches!(outcomes[0], Err(EngineError::Transient(_))),
            "{outcomes:?}"
        );
        assert!(outcomes[1].is_err());
        assert!(
            matches!(outcomes[2], Err(EngineError::Transient(_))),
            "{outcomes:?}"
        );
        assert!(stored(&c).is_empty());
        assert!(run(&mut c, vec![vec![symlink(3, 10)]])[0].is_ok());
    }

    /// Nothing is read again when nothing was committed in between, and everything is otherwise.
    #[test]
    fn epochs_and_versions_decide_what_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut c = committer(&dir, "");
        c.trips.enable(true);
        let rereads = |c: &mut Committer, epoch: u64| {
            c.trips.take();
            let (reply, mut answer) = oneshot::channel();
            let seen = vec![(Key::Symlink(Ino(9)), Answer::Bytes(None))];
            let at = Time::default();
            c.run(&mut vec![Commit {
                seen,
                epoch,
                fence: None,
                writes: Vec::new(),
                at,
                op: "test",
                reply,
            }]);
            answer.try_recv().unwrap().unwrap();
            c.trips
                .take()
                .iter()
                .any(|t| t.what == "SELECT jfs_symlink")
        };
        let now = |c: &Committer| c.epoch.load(Ordering::Relaxed);
        assert!(
            rereads(&mut c, 0),
            "the first group knows nothing of other processes"
        );
        let epoch = now(&c);
        assert!(!rereads(&mut c, epoch));
        assert!(rereads(&mut c, epoch), "there was a commit since");
        let epoch = now(&c);
        let other = Connection::open(dir.path().join("a.db")).unwrap();
        other
            .execute_batch("DELETE FROM jfs_setting; INSERT INTO jfs_setting VALUES ('a', 'b')")
            .unwrap();
        assert!(rereads(&mut c, epoch), "another process has committed");
        let epoch = now(&c);
        assert!(!rereads(&mut c, epoch));
    }
}
