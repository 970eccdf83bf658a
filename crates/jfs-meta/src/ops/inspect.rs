//! Inspection of an inode, a session or the whole volume: paths, locks, what waits for
//! deletion.

use super::lookup::TRASH_NAME;
use crate::engine::{DirCursor, Key, LockKind, LockRow};
use crate::meta::Meta;
use crate::perm;
use crate::run::patiently;
use crate::wire::{LockRecord, LockType, decode_delayed, decode_locks, decode_records};
use jfs_types::slice::{Piece, overlay};
use jfs_types::{Attr, CHUNK_SIZE, Caller, ChunkIndex, Errno, Ino};

/// Paths of one inode that are looked for.
const PATHS_MAX: usize = 10_000;
/// Directories inside each other that are followed upwards.
const DEPTH_MAX: usize = 4096;
/// Chunks that [`Meta::peek_chunks`] reads at once.
pub const CHUNKS_PEEKED: usize = 256;
/// Records of one kind that are counted for [`More`].
const COUNTED_MAX: usize = 10_000_000;

/// A lock of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held<T> {
    /// Session.
    pub sid: u64,
    /// Owner within the session.
    pub owner: u64,
    /// The lock that is held.
    pub what: T,
}

/// Locks of one inode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InodeLocks {
    /// flock(2): `R` or `W`.
    pub flocks: Vec<Held<char>>,
    /// fcntl(2).
    pub posix: Vec<Held<Vec<LockRecord>>>,
}

impl InodeLocks {
    /// Takes in what an engine stores.
    pub fn add(&mut self, kind: LockKind, row: &LockRow) -> Result<(), Errno> {
        let (sid, owner) = (row.sid, row.owner);
        match kind {
            LockKind::Flock => {
                let letter = row.value.first().copied().unwrap_or(b'?');
                let what = char::from(letter);
                self.flocks.push(Held { sid, owner, what });
            }
            LockKind::Posix => {
                let what = decode_locks(&row.value).map_err(|_| Errno::EIO)?;
                self.posix.push(Held { sid, owner, what });
            }
        }
        Ok(())
    }
}

impl LockType {
    /// The letter that shows it: `R`, `W`, or `U` for none.
    pub fn letter(self) -> char {
        match self {
            LockType::Read => 'R',
            LockType::Write => 'W',
            LockType::Unlock => 'U',
        }
    }
}

/// Data that waits for deletion, as (number, bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct More {
    /// Entries of the trash.
    pub trash_files: (u64, u64),
    /// Removed files whose data is still there.
    pub pending_files: (u64, u64),
    /// Slices that a compaction replaced.
    pub trash_slices: (u64, u64),
    /// Slices without users.
    pub pending_slices: (u64, u64),
}

impl Meta {
    /// Paths of an inode, from `root`: those that the caller may walk, which needs search permission on
    /// each directory of a path. Lists the directories on the way up.
    ///
    /// ENOENT when no path leads to it from `root`, EACCES when the caller may walk none. The super-user
    /// may ask for what has no name, from the root of the volume.
    pub async fn paths(&self, caller: &Caller, ino: Ino, root: Ino) -> Result<Vec<Vec<u8>>, Errno> {
        let attr = self.getattr(ino).await?;
        let mut paths = Vec::new();
        for (dir, names) in self.ways_to(caller, ino, &attr, root).await? {
            if ino == root {
                return Ok(vec![b"/".to_vec()]);
            }
            let Some(prefix) = self.path_of_dir(dir, root).await? else {
                continue;
            };
            if ino == Ino::TRASH {
                paths.push([&prefix[..], b"/", TRASH_NAME].concat());
                continue;
            }
            let room = PATHS_MAX.saturating_sub(paths.len());
            let wanted = usize::try_from(names).unwrap_or(0).min(room);
            for name in self.names_in(dir, ino, wanted).await? {
                paths.push([&prefix[..], b"/", &name].concat());
            }
        }
        Ok(paths)
    }

    /// Whether the caller may walk to an inode from `root` on some path. Errors as of [`Meta::paths`],
    /// without listing any directory.
    pub async fn may_walk_to(&self, caller: &Caller, ino: Ino, root: Ino) -> Result<(), Errno> {
        let attr = self.getattr(ino).await?;
        self.ways_to(caller, ino, &attr, root).await.map(|_| ())
    }

    /// Checks that the caller may read the content: EACCES if not. Checks also when the kernel has
    /// checked.
    pub async fn may_read(&self, caller: &Caller, attr: &Attr) -> Result<(), Errno> {
        self.may_always(caller, attr, perm::READ).await
    }

    /// Whether the caller may look up names in a directory of these attributes: EACCES if not, ENOTDIR for
    /// anything else. No round trip, but one for an ACL rule seen for the first time.
    pub async fn may_search(&self, caller: &Caller, attr: &Attr) -> Result<(), Errno> {
        if !attr.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        self.may_always(caller, attr, perm::EXEC).await
    }

    /// The directories that name an inode and that the caller may walk to and search, with the number of
    /// names in each.
    async fn ways_to(
        &self,
        caller: &Caller,
        ino: Ino,
        attr: &Attr,
        root: Ino,
    ) -> Result<Vec<(Ino, i64)>, Errno> {
        if ino == root {
            return Ok(vec![(root, 1)]);
        }
        let parents = if ino == Ino::TRASH {
            vec![(Ino::ROOT, 1)]
        } else if attr.nlink == 0 {
            Vec::new()
        } else if attr.parent.0 > 0 {
            vec![(attr.parent, 1)]
        } else {
            let answer = self.fetch(&[Key::Parents(ino)]).await?.pop();
            let parents = answer.map(|a| a.into_parents()).ok_or(Errno::EIO)?;
            parents.map_err(|e| self.to_errno("paths", &e))?
        };
        let (mut ways, mut refused) = (Vec::new(), false);
        for (dir, names) in parents {
            match self.may_search_up_to(caller, dir, root).await {
                Ok(()) => ways.push((dir, names)),
                Err(Errno::EACCES) => refused = true,
                Err(Errno::ENOENT) => {}
                Err(e) => return Err(e),
            }
        }
        let everything = caller.uid == 0 && root == Ino::ROOT;
        match ways.is_empty() {
            true if refused => Err(Errno::EACCES),
            true if !everything => Err(Errno::ENOENT),
            _ => Ok(ways),
        }
    }

    /// Search permission on a directory and on all above it, up to `root`. ENOENT when it does not lie
    /// below.
    async fn may_search_up_to(&self, caller: &Caller, dir: Ino, root: Ino) -> Result<(), Errno> {
        let (mut at, mut depth, mut may) = (dir, 0, Ok(()));
        loop {
            let attr = self.getattr(at).await?;
            if !attr.is_dir() {
                return Err(Errno::ENOENT);
            }
            may = match at {
                // The trash is the super-user's, whatever its mode shows.
                at if at.is_trash() && caller.uid != 0 => Err(Errno::EACCES),
                _ => may.and(self.may_always(caller, &attr, perm::EXEC).await),
            };
            if at == root {
                return may;
            }
            depth += 1;
            if at == Ino::ROOT || depth >= DEPTH_MAX {
                return Err(Errno::ENOENT);
            }
            at = if at == Ino::TRASH {
                Ino::ROOT
            } else {
                attr.parent
            };
        }
    }

    /// Indexes of the chunks of a file that are stored, ascending. Some may turn out to be empty.
    pub async fn stored_chunks(&self, ino: Ino, length: u64) -> Result<Vec<ChunkIndex>, Errno> {
        let listed = patiently(|| self.engine().list_chunks(ino, length)).await;
        let mut found = listed.map_err(|e| self.to_errno("info", &e))?;
        let count = length.div_ceil(CHUNK_SIZE);
        found.retain(|index| u64::from(*index) < count);
        found.sort_unstable();
        Ok(found)
    }

    /// What a reader sees of several chunks; those without records are left out. One round trip, and
    /// nothing is remembered: the file need not be open. [`CHUNKS_PEEKED`] at most.
    pub async fn peek_chunks(
        &self,
        ino: Ino,
        indexes: &[ChunkIndex],
    ) -> Result<Vec<(ChunkIndex, Vec<Piece>)>, Errno> {
        let keys = indexes.iter().take(CHUNKS_PEEKED);
        let keys: Vec<Key> = keys.map(|index| Key::Chunk(ino, *index)).collect();
        let answers = self.fetch(&keys).await?;
        let mut seen = Vec::new();
        for (answer, index) in answers.into_iter().zip(indexes) {
            let bytes = answer.into_bytes();
            let Some(bytes) = bytes.map_err(|e| self.to_errno("info", &e))? else {
                continue;
            };
            let records = decode_records(&bytes).map_err(|e| {
                tracing::error!("chunk {index} of {ino:?} cannot be read: {e}");
                Errno::EIO
            })?;
            seen.push((*index, overlay(&records)));
        }
        Ok(seen)
    }

    /// Path of a directory from `root`, empty for `root` itself; `None` when it does not lie below.
    async fn path_of_dir(&self, dir: Ino, root: Ino) -> Result<Option<Vec<u8>>, Errno> {
        let (mut at, mut names) = (dir, Vec::new());
        while at != root {
            if at == Ino::ROOT || names.len() >= DEPTH_MAX {
                return Ok(None);
            }
            let (parent, name) = if at == Ino::TRASH {
                (Ino::ROOT, TRASH_NAME.to_vec())
            } else {
                let parent = self.getattr(at).await?.parent;
                match self.names_in(parent, at, 1).await?.pop() {
                    Some(name) => (parent, name),
                    None => return Ok(None),
                }
            };
            names.push(name);
            at = parent;
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        Ok(Some(path))
    }

    /// Up to `wanted` names in `dir` that lead to `ino`.
    async fn names_in(&self, dir: Ino, ino: Ino, wanted: usize) -> Result<Vec<Vec<u8>>, Errno> {
        let (mut found, mut cursor) = (Vec::new(), Some(DirCursor::Start));
        while let Some(at) = cursor {
            let (page, next) = self.page(dir, &at, false).await?;
            for e in page.iter().filter(|e| e.entry.ino == ino) {
                let name = e.name.as_bytes().to_vec();
                if found.len() < wanted && !found.contains(&name) {
                    found.push(name);
                }
            }
            cursor = next.filter(|_| found.len() < wanted);
        }
        Ok(found)
    }

    /// All locks on an inode, of all sessions.
    pub async fn locks_on(&self, ino: Ino) -> Result<InodeLocks, Errno> {
        let kinds = [LockKind::Flock, LockKind::Posix];
        let answers = self.fetch(&kinds.map(|kind| Key::Locks(ino, kind))).await?;
        let mut locks = InodeLocks::default();
        for (kind, answer) in kinds.into_iter().zip(answers) {
            let rows = answer.into_locks();
            for row in rows.map_err(|e| self.to_errno("locks", &e))? {
                locks.add(kind, &row)?;
            }
        }
        Ok(locks)
    }

    /// Counts what waits for deletion. May take long.
    pub async fn count_more(&self) -> Result<More, Errno> {
        let mut more = More::default();
        for hour in self.trash_hours().await? {
            let mut cursor = Some(DirCursor::Start);
            while let Some(at) = cursor {
                let (page, next) = self.page(hour.ino, &at, true).await?;
                for attr in page.iter().filter_map(|e| e.attr.as_ref()) {
                    let bytes = if attr.is_file() { attr.length } else { 0 };
                    count(&mut more.trash_files, bytes);
                }
                cursor = next;
            }
        }
        let failed = |e| self.to_errno("status", &e);
        let deleted = self.engine().list_deleted(i64::MAX, COUNTED_MAX).await;
        for file in deleted.map_err(failed)? {
            count(&mut more.pending_files, file.length);
        }
        let delayed = self.engine().list_delayed(i64::MAX, COUNTED_MAX).await;
        for record in delayed.map_err(failed)? {
            for (_, size) in decode_delayed(&record.entries).map_err(|_| Errno::EIO)? {
                count(&mut more.trash_slices, u64::from(size));
            }
        }
        let unused = self.engine().list_unused_slices(COUNTED_MAX).await;
        for (_, size) in unused.map_err(failed)? {
            count(&mut more.pending_slices, u64::from(size));
        }
        Ok(more)
    }
}

fn count(sum: &mut (u64, u64), bytes: u64) {
    sum.0 += 1;
    sum.1 = sum.1.saturating_add(bytes);
}
