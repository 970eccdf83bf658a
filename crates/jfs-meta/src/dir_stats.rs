//! Directory statistics: deltas added up in memory, flushed once a second.

use crate::change_log::{ChangeLog, Event};
use crate::engine::{DirCursor, DirStat, Engine, EngineError};
use jfs_types::Ino;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// Most directories with deltas: those changed within a second, or since flushing began to fail.
const DIRS_MAX: usize = 65_536;

/// Names that a count remembers, where a listing may name an entry twice (Redis, when the directory
/// shrinks meanwhile): 8 bytes each. Beyond them an entry that comes twice counts twice.
const NAMES_MAX: usize = 65_536;
/// Counts of one directory that this client changes meanwhile: such a count is made again.
const COUNTS_MAX: usize = 3;

/// Deltas not yet flushed.
#[derive(Default)]
pub(crate) struct DirStats {
    pending: Mutex<HashMap<Ino, DirStat>>,
    /// Directories to count: their record is missing, or their last flush may or may not have been
    /// applied. [`DIRS_MAX`] at most.
    in_doubt: Mutex<BTreeSet<Ino>>,
}

impl DirStats {
    pub(crate) fn add(&self, dir: Ino, delta: DirStat) {
        let mut pending = self.pending.lock();
        if pending.len() >= DIRS_MAX && !pending.contains_key(&dir) {
            tracing::debug!("the statistics of {dir:?} miss a change: too many wait");
            return;
        }
        *pending.entry(dir).or_default() += delta;
    }

    /// Drops the deltas of a directory that was removed.
    pub(crate) fn forget(&self, dir: Ino) {
        self.pending.lock().remove(&dir);
    }

    /// Has the record of a directory made that may have none: of the root, which a new volume has none
    /// of, and of what comes back from the trash. A directory of one page is counted here, before other
    /// clients change it; a larger one in the background.
    pub(crate) async fn ensure(
        &self,
        engine: &dyn Engine,
        log: &ChangeLog,
        dir: Ino,
    ) -> Result<(), EngineError> {
        let found = engine.fetch(&[crate::engine::Key::DirStat(dir)]).await?;
        let known = found
            .into_iter()
            .next()
            .map(|a| a.into_stat())
            .transpose()?
            .flatten()
            .is_some();
        if !known {
            self.recount_small(engine, log, dir).await?;
        }
        Ok(())
    }

    /// Counts a directory of one page, and leaves a larger one to [`DirStats::recount_doubtful`].
    async fn recount_small(
        &self,
        engine: &dyn Engine,
        log: &ChangeLog,
        dir: Ino,
    ) -> Result<(), EngineError> {
        if !self.recount(engine, log, dir, 1).await? {
            self.doubt([dir].into_iter());
        }
        Ok(())
    }

    /// Writes the deltas. Directories without a record are counted, large ones by
    /// [`DirStats::recount_doubtful`], which also counts those whose deltas may have been added: to add
    /// them again may be as wrong as not to. On failure the rest stays.
    pub(crate) async fn flush(
        &self,
        engine: &dyn Engine,
        log: &ChangeLog,
    ) -> Result<(), EngineError> {
        let deltas: Vec<(Ino, DirStat)> = {
            let mut pending = self.pending.lock();
            pending.retain(|_, d| *d != DirStat::default());
            // A count under way has to notice them.
            let in_doubt = self.in_doubt.lock();
            let settled = pending.extract_if(|dir, _| !in_doubt.contains(dir));
            settled.collect()
        };
        if deltas.is_empty() {
            return Ok(());
        }
        let missing = match engine.add_dir_stats(&deltas).await {
            Ok(missing) => missing,
            Err(EngineError::MaybeCommitted(why)) => {
                tracing::debug!("statistics are counted anew, an answer was lost: {why}");
                self.doubt(deltas.into_iter().map(|(dir, _)| dir));
                return Ok(());
            }
            Err(e) => {
                for (dir, delta) in deltas {
                    self.add(dir, delta);
                }
                return Err(e);
            }
        };
        for dir in missing {
            self.recount_small(engine, log, dir).await?;
        }
        Ok(())
    }

    fn doubt(&self, dirs: impl Iterator<Item = Ino>) {
        let mut in_doubt = self.in_doubt.lock();
        in_doubt.extend(dirs);
        while in_doubt.len() > DIRS_MAX {
            in_doubt.pop_last();
        }
    }

    /// Computes the records that are missing or in doubt from listings, as the reference client does.
    /// Takes as long as it takes to list these directories; may be given up at any point.
    pub(crate) async fn recount_doubtful(
        &self,
        engine: &dyn Engine,
        log: &ChangeLog,
    ) -> Result<(), EngineError> {
        loop {
            let Some(dir) = self.in_doubt.lock().first().copied() else {
                return Ok(());
            };
            match self.recount(engine, log, dir, usize::MAX).await {
                Err(e @ EngineError::Transient(_)) => return Err(e),
                // A failure of one directory does not delay the others.
                Err(e) => tracing::warn!("the statistics of {dir:?} may be wrong: {e}"),
                Ok(_) => {}
            }
            self.in_doubt.lock().remove(&dir);
        }
    }

    /// Stores what a listing of the directory says; false when it has more than `pages_max` pages. Deltas
    /// that are pending when it begins belong to changes that the listing shows. After one that comes
    /// meanwhile, which the listing may show or not, it counts again.
    async fn recount(
        &self,
        engine: &dyn Engine,
        log: &ChangeLog,
        dir: Ino,
        pages_max: usize,
    ) -> Result<bool, EngineError> {
        for _ in 0..COUNTS_MAX {
            self.forget(dir);
            match count(engine, dir, pages_max).await? {
                Count::Gone => return Ok(true),
                Count::Longer => return Ok(false),
                Count::Of(stat) => {
                    let log = log.lines(&Event::DirStat { dir, stat });
                    engine.put_dir_stat(dir, stat, &log).await?;
                }
            }
            if !self.pending.lock().contains_key(&dir) {
                break;
            }
        }
        Ok(true)
    }
}

/// The result of counting a directory.
enum Count {
    /// The directory is gone.
    Gone,
    /// Its statistics.
    Of(DirStat),
    /// The directory has more pages than allowed.
    Longer,
}

/// Statistics of a directory by listing `pages_max` pages of it at most.
async fn count(engine: &dyn Engine, dir: Ino, pages_max: usize) -> Result<Count, EngineError> {
    let answers = engine.fetch(&[crate::engine::Key::Attr(dir)]).await?;
    let exists = answers
        .into_iter()
        .next()
        .map(|a| a.into_attr())
        .transpose()?
        .flatten()
        .is_some();
    if !exists {
        return Ok(Count::Gone);
    }
    let mut stat = DirStat::default();
    let hasher = RandomState::new();
    let mut names = HashSet::new();
    let mut cursor = DirCursor::Start;
    for _ in 0..pages_max {
        let page = engine.list_dir(dir, &cursor, true).await?;
        let may_repeat = matches!(
            (&cursor, &page.next),
            (DirCursor::Token(_), _) | (_, Some(DirCursor::Token(_)))
        );
        for e in &page.entries {
            let Some(attr) = &e.attr else { continue };
            if may_repeat {
                let name = hasher.hash_one(&e.name);
                if names.contains(&name) {
                    continue;
                }
                if names.len() < NAMES_MAX {
                    names.insert(name);
                }
            }
            stat += crate::ops::stat_of(attr);
        }
        match page.next {
            Some(next) => cursor = next,
            None => return Ok(Count::Of(stat)),
        }
    }
    Ok(Count::Longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded() {
        let stats = DirStats::default();
        let one = DirStat {
            inodes: 1,
            ..DirStat::default()
        };
        for n in 0..DIRS_MAX as u64 + 10 {
            stats.add(Ino(n), one);
        }
        stats.add(Ino(0), one);
        let pending = stats.pending.lock();
        assert_eq!(pending.len(), DIRS_MAX);
        assert_eq!(pending.get(&Ino(0)).map(|d| d.inodes), Some(2));
    }
}
