//! Directory statistics: deltas added up in memory, flushed once a second.

use crate::engine::{DirCursor, DirStat, Engine, EngineError};
use jfs_types::Ino;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Most directories with deltas: those changed within a second, or since flushing began to fail.
const DIRS_MAX: usize = 65_536;

/// Deltas not yet flushed.
#[derive(Default)]
pub(crate) struct DirStats {
    pending: Mutex<HashMap<Ino, DirStat>>,
    /// Directories whose last flush may or may not have been applied, as many as have deltas at most.
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

    /// Makes the record of a directory that may have none: of the root, which a new volume has none of,
    /// before this client changes anything (recomputed at the first flush it would hold changes that
    /// are still to be added), and of what comes back from the trash.
    pub(crate) async fn ensure(&self, engine: &dyn Engine, dir: Ino) -> Result<(), EngineError> {
        let found = engine.fetch(&[crate::engine::Key::DirStat(dir)]).await?;
        let known = found
            .into_iter()
            .next()
            .map(|a| a.into_stat())
            .transpose()?
            .flatten()
            .is_some();
        if known {
            Ok(())
        } else {
            self.recount(engine, dir).await
        }
    }

    /// Writes the deltas. Directories without a record are recomputed from their listing, as the
    /// reference client does (a new volume has none for the root), and so are those whose deltas may
    /// have been added: to add them again may be as wrong as not to. On failure the rest stays.
    pub(crate) async fn flush(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        self.recount_doubtful(engine).await?;
        let deltas: Vec<(Ino, DirStat)> = {
            let mut pending = self.pending.lock();
            pending.retain(|_, d| *d != DirStat::default());
            pending.drain().collect()
        };
        if deltas.is_empty() {
            return Ok(());
        }
        let missing = match engine.add_dir_stats(&deltas).await {
            Ok(missing) => missing,
            Err(EngineError::MaybeCommitted(why)) => {
                tracing::debug!("statistics are counted anew, an answer was lost: {why}");
                self.doubt(deltas.into_iter().map(|(dir, _)| dir));
                return self.recount_doubtful(engine).await;
            }
            Err(e) => {
                for (dir, delta) in deltas {
                    self.add(dir, delta);
                }
                return Err(e);
            }
        };
        for dir in missing {
            self.recount(engine, dir).await?;
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

    async fn recount_doubtful(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        loop {
            let Some(dir) = self.in_doubt.lock().first().copied() else {
                return Ok(());
            };
            match self.recount(engine, dir).await {
                Err(e @ EngineError::Transient(_)) => return Err(e),
                // It does not keep the others waiting.
                Err(e) => tracing::warn!("the statistics of {dir:?} may be wrong: {e}"),
                Ok(()) => {}
            }
            self.in_doubt.lock().remove(&dir);
        }
    }

    /// Stores what a listing of the directory says. Deltas that are pending belong to changes that
    /// the listing shows already.
    async fn recount(&self, engine: &dyn Engine, dir: Ino) -> Result<(), EngineError> {
        self.forget(dir);
        if let Some(stat) = count(engine, dir).await? {
            engine.put_dir_stat(dir, stat).await?;
        }
        Ok(())
    }
}

/// Statistics of a directory by listing it; `None` when it is gone.
async fn count(engine: &dyn Engine, dir: Ino) -> Result<Option<DirStat>, EngineError> {
    let answers = engine.fetch(&[crate::engine::Key::Attr(dir)]).await?;
    let exists = answers
        .into_iter()
        .next()
        .map(|a| a.into_attr())
        .transpose()?
        .flatten()
        .is_some();
    if !exists {
        return Ok(None);
    }
    let mut stat = DirStat::default();
    let mut names = HashSet::new(); // a listing may name an entry twice
    let mut cursor = DirCursor::Start;
    loop {
        let page = engine.list_dir(dir, &cursor, true).await?;
        for e in &page.entries {
            if let Some(attr) = &e.attr
                && names.insert(e.name.clone())
            {
                stat += crate::ops::stat_of(attr);
            }
        }
        match page.next {
            Some(next) => cursor = next,
            None => return Ok(Some(stat)),
        }
    }
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
