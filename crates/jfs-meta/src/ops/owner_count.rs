//! The first count of what users and groups use, when a volume begins to count it.

use crate::change_log::Event;
use crate::engine::{DirQuota, QuotaOwner, Record, ScanCursor, ScanKind};
use crate::meta::Meta;
use crate::run::patiently;
use jfs_types::{Attr, Errno, FileType, Ino};
use std::collections::{BTreeMap, HashMap};

/// Inode numbers in one block of an [`InodeSet`].
const BLOCK: u64 = 65_536;
/// Most blocks of an [`InodeSet`]: 1 GiB of memory, for 8 thousand million inodes.
const BLOCKS_MAX: usize = 1 << 17;

/// Inode numbers, one bit each: they are handed out in ascending order, so blocks are full of them.
#[derive(Default)]
struct InodeSet(HashMap<u64, Vec<u64>>);

impl InodeSet {
    /// Adds a number. False when it is there already; ENOMEM beyond [`BLOCKS_MAX`].
    fn insert(&mut self, Ino(ino): Ino) -> Result<bool, Errno> {
        let (block, at) = (ino / BLOCK, ino % BLOCK);
        if self.0.len() == BLOCKS_MAX && !self.0.contains_key(&block) {
            return Err(Errno::ENOMEM);
        }
        let bits = self.0.entry(block);
        let bits = bits.or_insert_with(|| vec![0; (BLOCK / 64) as usize]);
        let (word, bit) = (&mut bits[(at / 64) as usize], 1 << (at % 64));
        let new = *word & bit == 0;
        *word |= bit;
        Ok(new)
    }
}

impl Meta {
    /// Counts what each user and group uses, from the attributes of all inodes, and replaces all records of
    /// users and groups, limits included. Memory: an entry for each user and group, and a
    /// bit for each inode. What clients change
    /// meanwhile may be missed; they begin to count at their next heartbeat.
    ///
    /// Version 1.4.2 counts regular files and directories, those in the trash too, but neither the root nor
    /// `.trash`. An owner of nothing but links and special files gets a record of zeros.
    pub async fn count_owners(&self) -> Result<(), Errno> {
        let failed = |e| self.to_errno("count_owners", &e);
        let mut used: BTreeMap<QuotaOwner, DirQuota> = BTreeMap::new();
        // A scan may name an inode twice.
        let mut seen = InodeSet::default();
        let mut cursor = Some(ScanCursor::start(ScanKind::Inodes));
        while let Some(at) = cursor {
            let page = patiently(|| self.engine().scan(&at)).await;
            let page = page.map_err(failed)?;
            for record in page.records {
                if let Record::Inode { ino, attr } = record
                    && ino != Ino::ROOT
                    && ino != Ino::TRASH
                    && seen.insert(ino)?
                {
                    count(&mut used, &attr);
                }
            }
            cursor = page.next;
        }
        let quotas: Vec<(QuotaOwner, DirQuota)> = used.into_iter().collect();
        let mut log = self.change_log().lines(&Event::InitUserGroupQuota);
        for (owner, quota) in &quotas {
            log.extend(self.change_log().lines(&Event::SetQuota {
                owner: *owner,
                max_space: quota.max_space,
                max_inodes: quota.max_inodes,
            }));
        }
        self.check_writable()?;
        let stored = self.engine().replace_owner_quotas(&quotas, &log).await;
        stored.map_err(failed)
    }
}

fn count(used: &mut BTreeMap<QuotaOwner, DirQuota>, attr: &Attr) {
    let (space, inodes) = match attr.kind {
        FileType::Regular | FileType::Directory => (attr.space(), 1),
        _ => (0, 0),
    };
    for owner in QuotaOwner::of(attr) {
        let quota = used.entry(owner).or_insert(DirQuota::NO_LIMITS);
        quota.used_space += space;
        quota.used_inodes += inodes;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn inodes_are_seen_once() {
        let mut seen = InodeSet::default();
        let numbers = [1, 2, 63, 64, BLOCK - 1, BLOCK, Ino::TRASH.0 + 1];
        for ino in numbers {
            assert!(seen.insert(Ino(ino)).unwrap(), "{ino}");
            assert!(!seen.insert(Ino(ino)).unwrap(), "{ino}");
        }
        assert_eq!(seen.0.len(), 3);
    }

    #[test]
    fn links_and_special_files_have_no_share() {
        let mut used = BTreeMap::new();
        for (kind, uid, length) in [
            (FileType::Regular, 7, 5000),
            (FileType::Directory, 7, 4096),
            (FileType::Symlink, 8, 3),
            (FileType::Fifo, 8, 0),
        ] {
            let mut attr = Attr::new(kind);
            (attr.uid, attr.gid, attr.length) = (uid, 9, length);
            count(&mut used, &attr);
        }
        let of = |owner| used.get(&owner).map(|q| (q.used_space, q.used_inodes));
        assert_eq!(of(QuotaOwner::User(7)), Some((8192 + 4096, 2)));
        assert_eq!(of(QuotaOwner::User(8)), Some((0, 0)));
        assert_eq!(of(QuotaOwner::Group(9)), Some((8192 + 4096, 2)));
    }
}
