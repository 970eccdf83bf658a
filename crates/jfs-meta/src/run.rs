//! Running operations: local locks, attempts, conflicts, lost answers.

use crate::EngineError;
use crate::commit_size::CommitSize;
use crate::engine::{Answer, Key, Read, Receipt, Write};
use crate::meta::Meta;
use crate::outage_wait::OutageWait;
use crate::owner_quotas::OwnerUsage;
use crate::proof::Proof;
use crate::txn::{Parts, Stop, Txn};
use jfs_types::{Attr, Errno, Ino, Time};
use std::future::Future;
use std::time::{Duration, Instant};

/// Most attempts of one operation that meets other clients; the reference client gives up after as many.
const ATTEMPTS_MAX: u64 = 50;

/// Longest pause between two attempts that met another client.
const PAUSE_MAX_MS: u64 = 500;

/// Repeats a single engine call while it fails without having changed anything.
pub(crate) async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, EngineError>
where
    F: Future<Output = Result<T, EngineError>>,
{
    let mut outage = OutageWait::begin();
    loop {
        match call().await {
            Err(EngineError::Transient(why)) if outage.wait(&why).await => {}
            answer => return answer,
        }
    }
}

/// One metadata operation: arguments, and what an attempt reads, decides and writes.
///
/// `attempt` may run several times and must have no effect besides the transaction; ids are reserved
/// before. Effects on local state come after [`Meta::transact`] has returned.
pub(crate) trait Operation: Sync {
    /// The answer of the operation.
    type Out: Send;
    /// Name for logs and metrics.
    const NAME: &'static str;
    /// Inodes whose local locks are held, so that two tasks of this client do not run into each
    /// other on the server.
    fn locks(&self) -> Vec<Ino>;
    /// Reads, decides, and puts writes into `tx`.
    fn attempt(
        &self,
        meta: &Meta,
        tx: &mut Txn,
    ) -> impl Future<Output = Result<Self::Out, Stop>> + Send;
    /// See [`Proof`]; `out` is what the attempt in doubt answered.
    fn proof(&self, out: &Self::Out) -> Proof;
}

/// The result of a committed operation: its answer and the facts of its commit.
pub(crate) struct Done<T> {
    pub(crate) out: T,
    pub(crate) receipt: Receipt,
    /// An earlier attempt was in doubt, and a [`Proof`] said that it was not applied.
    pub(crate) doubted: bool,
}

impl Meta {
    /// Runs `op` to its end: an answer, an error number of the file system, or EIO.
    pub(crate) async fn transact<O: Operation>(&self, op: &O) -> Result<O::Out, Errno> {
        self.transact_with_receipt(op).await.map(|done| done.out)
    }

    /// As [`Meta::transact`], with the commit's receipt (empty when nothing had to be written).
    pub(crate) async fn transact_with_receipt<O: Operation>(
        &self,
        op: &O,
    ) -> Result<Done<O::Out>, Errno> {
        self.check_writable()?;
        self.within(O::NAME, async {
            let Some(_held) = self.locks.lock(&op.locks()).await else {
                tracing::warn!(op = O::NAME, "too many wait for the metadata engine");
                return Err(Errno::EIO);
            };
            let since = Instant::now();
            // On the heap: each caller's future would carry it, and copy it when it is moved.
            let ended = Box::pin(self.attempts(op)).await;
            self.stats.transaction(since.elapsed());
            match ended {
                Ok(done) => Ok(done),
                Err(Stop::Answer(errno)) => Err(errno),
                Err(Stop::Engine(e)) => Err(self.to_errno(O::NAME, &e)),
            }
        })
        .await
    }

    async fn attempts<O: Operation>(&self, op: &O) -> Result<Done<O::Out>, Stop> {
        let mut ahead: Vec<Read> = Vec::new();
        let mut conflicts = 0;
        let mut doubted = false;
        let mut outage = OutageWait::begin();
        loop {
            let since = Instant::now();
            let attempt = patiently(|| self.engine().begin()).await?;
            // After the attempt has its fence: see `Meta::accept`.
            if let Err(errno) = self.check_writable() {
                attempt.end().await;
                return Err(errno.into());
            }
            let mut tx = Txn::new(
                attempt,
                CommitSize::new(self.engine().capabilities()),
                std::mem::take(&mut ahead),
                self.change_log_if_on(),
                self.now(),
            );
            let result = op.attempt(self, &mut tx).await;
            let parts = tx.into_parts();
            let error = match result {
                Ok(out) => match self.commit(parts, since).await {
                    Ok(receipt) => {
                        return Ok(Done {
                            out,
                            receipt,
                            doubted,
                        });
                    }
                    Err((EngineError::MaybeCommitted(why), local))
                        if !self.engine().capabilities().settles_lost_answers =>
                    {
                        if self.was_applied(op, &out, &why).await? {
                            self.after_commit(&local, since).await;
                            return Ok(Done {
                                out,
                                receipt: Receipt::default(),
                                doubted,
                            });
                        }
                        doubted = true;
                        EngineError::Conflict
                    }
                    Err((e, local)) => {
                        ahead = local.reads;
                        e
                    }
                },
                Err(Stop::Engine(e)) => {
                    let Parts { attempt, seen, .. } = parts;
                    attempt.end().await;
                    ahead = seen.into_iter().map(|(r, _)| r).collect();
                    e
                }
                // An answer that was put together from several batches is only true if nothing they
                // read has changed in between.
                Err(Stop::Answer(errno)) if parts.rounds > 1 => {
                    let reads = parts.seen.into_iter().map(|(r, _)| r).collect();
                    match parts.attempt.commit(&[], parts.now).await {
                        Ok(_) => return Err(Stop::Answer(errno)),
                        Err(e) => {
                            ahead = reads;
                            harmless(e)
                        }
                    }
                }
                Err(stop) => {
                    let Parts { attempt, .. } = parts;
                    attempt.end().await;
                    return Err(stop);
                }
            };
            match error {
                EngineError::Conflict if conflicts + 1 < ATTEMPTS_MAX => {
                    conflicts += 1;
                    self.stats.restart();
                    self.pause(conflicts).await;
                }
                EngineError::SettingChanged if conflicts + 1 < ATTEMPTS_MAX => {
                    conflicts += 1;
                    self.stats.restart();
                    self.follow_setting().await?;
                }
                EngineError::Transient(why) if outage.wait(&why).await => self.stats.restart(),
                e => return Err(Stop::Engine(e)),
            }
        }
    }

    /// Commits an attempt. On failure hands back what is needed to go on.
    async fn commit(&self, parts: Parts, since: Instant) -> Result<Receipt, (EngineError, Local)> {
        let Parts {
            attempt,
            mut writes,
            usage,
            now,
            ..
        } = parts;
        let in_txn = self.engine().capabilities().usage_in_transaction;
        if in_txn && usage != (0, 0) {
            let (space, inodes) = usage;
            writes.push(Write::AddUsage { space, inodes });
        }
        let mut local = Local::of(parts.seen, &writes, usage, parts.dir_stats);
        (local.now, local.trees) = (now, parts.trees);
        local.owner_usage = parts.owner_usage;
        let fits = parts.size.check();
        if fits.is_err() || writes.is_empty() && parts.rounds <= 1 {
            attempt.end().await;
            return fits.map(|()| Receipt::default()).map_err(|e| (e, local));
        }
        match attempt.commit(&writes, now).await {
            Ok(receipt) => {
                self.after_commit(&local, since).await;
                Ok(receipt)
            }
            Err(e) if writes.is_empty() => Err((harmless(e), local)),
            Err(e) => Err((e, local)),
        }
    }

    /// Whether the commit whose answer was lost took place.
    async fn was_applied<O: Operation>(
        &self,
        op: &O,
        out: &O::Out,
        why: &str,
    ) -> Result<bool, Stop> {
        tracing::warn!(
            op = O::NAME,
            "the answer to a commit was lost ({why}); looking whether it was applied"
        );
        let (key, test) = match op.proof(out) {
            Proof::Rerun => return Ok(false),
            Proof::Record(key, test) => (key, test),
        };
        let answers = patiently(|| self.engine().fetch(std::slice::from_ref(&key))).await?;
        Ok(answers.first().is_some_and(&test))
    }

    /// Local consequences of a commit: usage and statistics to flush, directories this client knows.
    async fn after_commit(&self, local: &Local, since: Instant) {
        if !self.engine().capabilities().usage_in_transaction {
            self.usage.add(local.usage);
        }
        self.usage.note_growth(local.usage);
        self.count_owner_usage(&local.owner_usage);
        for (dir, stat) in &local.dir_stats {
            self.dir_stats.add(*dir, *stat);
        }
        self.after_commit_quotas(local).await;
        for (ino, attr) in &local.dirs {
            match attr {
                Some(attr) => self.recent_dirs.put(*ino, attr.clone(), since),
                None => self.recent_dirs.remove(*ino),
            }
        }
        for (ino, removed) in &local.removed_dirs {
            match removed {
                Some(attr) => self.recent_dirs.note_removed(*ino, attr.clone(), local.now),
                None => self.recent_dirs.note_restored(*ino),
            }
        }
    }

    /// The effects of a commit on quotas; nothing on a volume without them.
    async fn after_commit_quotas(&self, local: &Local) {
        if self.quotas.is_empty() {
            return;
        }
        for (dir, attr) in &local.dirs {
            if let Some(attr) = attr {
                self.quotas.learn_parent(*dir, attr.parent);
            }
        }
        for (dir, stat) in &local.dir_stats {
            self.count_quotas(*dir, stat.space, stat.inodes).await;
        }
        for (dir, space, inodes) in &local.trees {
            self.count_quotas(*dir, *space, *inodes).await;
        }
    }

    /// Waits before the next attempt after a conflict: a random time below conflicts^2 ms; nothing
    /// before the first rerun, because the read is fresh then anyway.
    async fn pause(&self, conflicts: u64) {
        if conflicts == 1 {
            return;
        }
        let limit_us = (conflicts * conflicts).min(PAUSE_MAX_MS) * 1000;
        let us = self.rand().below(limit_us + 1);
        tokio::time::sleep(Duration::from_micros(us)).await;
    }
}

/// The failure of a commit without writes: there is no doubt about what it changed.
fn harmless(e: EngineError) -> EngineError {
    match e {
        EngineError::MaybeCommitted(why) => EngineError::Transient(why),
        e => e,
    }
}

/// The effects of an attempt on local state, kept beside the commit.
pub(crate) struct Local {
    reads: Vec<Read>,
    usage: (i64, i64),
    dir_stats: Vec<(Ino, crate::engine::DirStat)>,
    /// See [`Txn::add_tree`].
    trees: Vec<(Ino, i64, i64)>,
    owner_usage: Vec<OwnerUsage>,
    /// Directories as they are after the commit; `None` = removed.
    dirs: Vec<(Ino, Option<Attr>)>,
    /// Directories that the commit removed, as they were before, and (`None`) that it took out of the trash.
    removed_dirs: Vec<(Ino, Option<Attr>)>,
    now: Time,
}

impl Local {
    fn of(
        seen: Vec<(Read, Answer)>,
        writes: &[Write],
        usage: (i64, i64),
        dir_stats: Vec<(Ino, crate::engine::DirStat)>,
    ) -> Local {
        let mut dirs: Vec<(Ino, Option<Attr>)> = Vec::new();
        for (read, answer) in &seen {
            if let (Key::Attr(ino), Answer::Attr(Some(attr))) = (&read.key, answer)
                && attr.is_dir()
            {
                dirs.push((*ino, Some(attr.clone())));
            }
        }
        let mut removed_dirs = Vec::new();
        let before = |dirs: &[(Ino, Option<Attr>)], ino: Ino| {
            let known = dirs.iter().find(|(known, _)| *known == ino);
            known.and_then(|(_, attr)| attr.clone())
        };
        for write in writes {
            match write {
                Write::PutAttr { ino, attr } | Write::TouchDir { ino, attr, .. }
                    if attr.is_dir() =>
                {
                    if let Some(before) = before(&dirs, *ino) {
                        match (before.parent.is_trash(), attr.parent.is_trash()) {
                            (false, true) => removed_dirs.push((*ino, Some(before))),
                            (true, false) => removed_dirs.push((*ino, None)),
                            _ => {}
                        }
                    }
                    dirs.push((*ino, Some(attr.clone())));
                }
                Write::DelNode { ino } => {
                    if let Some(before) = before(&dirs, *ino) {
                        removed_dirs.push((*ino, Some(before)));
                    }
                    dirs.push((*ino, None));
                }
                _ => {}
            }
        }
        let reads = seen.into_iter().map(|(r, _)| r).collect();
        Local {
            reads,
            usage,
            dir_stats,
            trees: Vec::new(),
            owner_usage: Vec::new(),
            dirs,
            removed_dirs,
            now: Time::default(),
        }
    }
}
