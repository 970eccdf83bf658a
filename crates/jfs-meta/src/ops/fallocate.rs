//! fallocate: more length, or zeros over a range.

use super::kept_by_trash;
use super::truncate::count_growth;
use crate::engine::{Answer, Key, Write, own};
use crate::meta::Meta;
use crate::perm;
use crate::run::{Operation, Proof};
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::slice::MAX_FILE_LENGTH;
use jfs_types::{Attr, CHUNK_SIZE, Caller, Errno, FileType, Ino, SliceId, SliceRecord};

/// Mode bits of fallocate(2), as Linux numbers them.
pub mod mode {
    /// The length stays.
    pub const KEEP_SIZE: i32 = 0x01;
    /// Zeros, only with [`KEEP_SIZE`].
    pub const PUNCH_HOLE: i32 = 0x02;
    /// Takes a range out of the file. Not supported.
    pub const COLLAPSE_RANGE: i32 = 0x08;
    /// Zeros.
    pub const ZERO_RANGE: i32 = 0x10;
    /// Puts a range into the file. Not supported.
    pub const INSERT_RANGE: i32 = 0x20;
}

struct Fallocate<'a> {
    caller: &'a Caller,
    ino: Ino,
    mode: i32,
    off: u64,
    size: u64,
}

impl Meta {
    /// fallocate(2). Space is not reserved: without a flag the file only grows, as with the reference
    /// client. EINVAL for an empty range or flags that do not go together, ENOTSUP for those that are
    /// not supported, EFBIG from 2^57 on, EPIPE for a FIFO, EPERM for what else is no file.
    pub async fn fallocate(
        &self,
        caller: &Caller,
        ino: Ino,
        mode: i32,
        off: u64,
        size: u64,
    ) -> Result<Attr, Errno> {
        check_mode(mode)?;
        if size == 0 {
            return Err(Errno::EINVAL);
        }
        if off.saturating_add(size) > MAX_FILE_LENGTH {
            return Err(Errno::EFBIG);
        }
        let op = Fallocate {
            caller,
            ino,
            mode,
            off,
            size,
        };
        let (before, after) = self.transact(&op).await?;
        self.open_files.changed(ino, &before, &after, None);
        Ok(after)
    }
}

fn check_mode(mode: i32) -> Result<(), Errno> {
    for alone in [mode::COLLAPSE_RANGE, mode::INSERT_RANGE] {
        if mode & alone != 0 {
            return Err(if mode == alone {
                Errno::ENOTSUP
            } else {
                Errno::EINVAL
            });
        }
    }
    if mode & !(mode::KEEP_SIZE | mode::PUNCH_HOLE | mode::ZERO_RANGE) != 0 {
        return Err(Errno::ENOTSUP);
    }
    if mode & mode::PUNCH_HOLE != 0 && mode & mode::KEEP_SIZE == 0 {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

impl Operation for Fallocate<'_> {
    type Out = (Attr, Attr);
    const NAME: &'static str = "fallocate";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<(Attr, Attr), Stop> {
        tx.load(&[own(Key::Attr(self.ino))]).await?;
        let before = tx.attr(self.ino)?.ok_or(Errno::ENOENT)?;
        let may = meta.may(self.caller, &before, perm::WRITE).await;
        if kept_by_trash(meta, self.ino, &before) {
            return Err(Errno::EPERM.into());
        }
        let mut after = self.plan(&before, may)?;
        (after.mtime, after.ctime) = (tx.now, tx.now);
        meta.check_file_growth(tx, self.ino, &before, &after)
            .await?;
        if self.mode & (mode::PUNCH_HOLE | mode::ZERO_RANGE) != 0 {
            for (index, record) in zeros(self.off, self.off + self.size, before.length) {
                tx.write(Write::AppendSlice {
                    ino: self.ino,
                    index,
                    record,
                })?;
            }
        }
        tx.write(Write::PutAttr {
            ino: self.ino,
            attr: after.clone(),
        })?;
        count_growth(tx, self.ino, &before, &after).await?;
        Ok((before, after))
    }

    fn proof(&self, (_, after): &(Attr, Attr)) -> Proof {
        let after = after.clone();
        let ours = move |a: &Answer| matches!(a, Answer::Attr(Some(attr)) if *attr == after);
        Proof::Record(Key::Attr(self.ino), Box::new(ours))
    }
}

impl Fallocate<'_> {
    /// The attributes afterwards but for the times. `may` says whether the caller may write.
    fn plan(&self, before: &Attr, may: Result<(), Errno>) -> Result<Attr, Errno> {
        if before.kind == FileType::Fifo {
            return Err(Errno::EPIPE);
        }
        if !before.is_file() || before.flags & flags::IMMUTABLE != 0 {
            return Err(Errno::EPERM);
        }
        may?;
        if before.flags & flags::APPEND != 0 && self.mode & !mode::KEEP_SIZE != 0 {
            return Err(Errno::EPERM);
        }
        let mut after = before.clone();
        after.mode = perm::mode_after_write(self.caller, before);
        if self.mode & mode::KEEP_SIZE == 0 {
            after.length = before.length.max(self.off + self.size);
        }
        Ok(after)
    }
}

/// Zero records over the part of a range that lies below `length`, cut at chunk borders.
fn zeros(from: u64, to: u64, length: u64) -> Vec<(u32, SliceRecord)> {
    let (mut at, to) = (from, to.min(length));
    let mut records = Vec::new();
    while at < to {
        let (index, pos) = (at / CHUNK_SIZE, at % CHUNK_SIZE);
        let len = (to - at).min(CHUNK_SIZE - pos);
        let record = SliceRecord {
            pos: pos as u32,
            id: SliceId::ZERO,
            size: 0,
            off: 0,
            len: len as u32,
        };
        records.push((index as u32, record));
        at += len;
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for good in [0, 1, 3, 0x10, 0x11] {
            assert_eq!(check_mode(good), Ok(()), "{good}");
        }
        for (bad, errno) in [
            (2, Errno::EINVAL),
            (8, Errno::ENOTSUP),
            (9, Errno::EINVAL),
            (0x20, Errno::ENOTSUP),
            (0x30, Errno::EINVAL),
            (0x40, Errno::ENOTSUP),
        ] {
            assert_eq!(check_mode(bad), Err(errno), "{bad}");
        }
    }

    #[test]
    fn zeros_end_at_the_length_and_at_chunk_borders() {
        let ranges = |from, to, length| -> Vec<(u32, u32, u32)> {
            let all = zeros(from, to, length);
            all.into_iter().map(|(i, r)| (i, r.pos, r.len)).collect()
        };
        let c = CHUNK_SIZE;
        assert_eq!(ranges(10, 20, 15), [(0, 10, 5)]);
        assert_eq!(ranges(10, 20, 10), []);
        assert_eq!(
            ranges(c - 5, 2 * c + 5, 9 * c),
            [(0, c as u32 - 5, 5), (1, 0, c as u32), (2, 0, 5)]
        );
        assert_eq!(ranges(c, 2 * c, 9 * c), [(1, 0, c as u32)]);
    }

    #[test]
    fn who_may_what() {
        let caller = Caller::root();
        let op = |mode| Fallocate {
            caller: &caller,
            ino: Ino(5),
            mode,
            off: 10,
            size: 10,
        };
        let mut file = Attr::new(FileType::Regular);
        file.length = 15;
        let length = |mode, file: &Attr| op(mode).plan(file, Ok(())).map(|a| a.length);
        assert_eq!(length(0, &file), Ok(20));
        assert_eq!(length(1, &file), Ok(15));
        assert_eq!(length(3, &file), Ok(15));
        assert_eq!(length(0x10, &file), Ok(20));
        file.flags = flags::APPEND;
        assert_eq!(length(0, &file), Ok(20));
        assert_eq!(length(0x10, &file), Err(Errno::EPERM));
        file.flags = flags::IMMUTABLE;
        assert_eq!(length(0, &file), Err(Errno::EPERM));
        assert_eq!(length(0, &Attr::new(FileType::Fifo)), Err(Errno::EPIPE));
        assert_eq!(
            length(0, &Attr::new(FileType::Directory)),
            Err(Errno::EPERM)
        );
    }
}
