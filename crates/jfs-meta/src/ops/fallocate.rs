//! fallocate: more length, or zeros over a range.

use super::kept_by_trash;
use super::truncate::{count_growth, log_mode};
use super::zeros::{self, Known, Lists};
use crate::change_log::Event;
#[cfg(doc)]
use crate::engine::EXISTING_MAX;
use crate::meta::Meta;
use crate::perm;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::slice::MAX_FILE_LENGTH;
use jfs_types::{Attr, CHUNK_SIZE, Caller, Errno, FileType, Ino};

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
    /// One past the last byte.
    end: u64,
    known: &'a Known,
}

impl Meta {
    /// fallocate(2). Space is not reserved: without a flag the file only grows, as with the reference
    /// client. EINVAL for an empty range or flags that do not go together, ENOTSUP for those that are
    /// not supported, EFBIG from 2^57 on, EPIPE for a FIFO, EPERM for what else is no file.
    ///
    /// Zeros hide what chunks hold; a chunk without data gets none. One commit, unless more than
    /// [`EXISTING_MAX`] chunks in the range have data, or more than the engine changes in one commit: then the
    /// zeros come in steps that others may see.
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
        let known = Known::default();
        let mut op = Fallocate {
            caller,
            ino,
            mode,
            off,
            end: off + size,
            known: &known,
        };
        loop {
            let (before, after, done) = self.transact(&op).await?;
            self.open_files.changed(ino, &before, &after, None);
            if done >= op.end {
                return Ok(after);
            }
            op.off = done;
        }
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
    /// Attributes before and afterwards, and how far the range is done.
    type Out = (Attr, Attr, u64);
    const NAME: &'static str = "fallocate";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<(Attr, Attr, u64), Stop> {
        let before = tx.own_attr(self.ino).await?;
        let may = meta.may(self.caller, &before, perm::WRITE).await;
        if kept_by_trash(meta, self.ino, &before) {
            return Err(Errno::EPERM.into());
        }
        let mut after = self.plan(&before, may)?;
        (after.mtime, after.ctime) = (tx.now, tx.now);
        meta.check_file_growth(tx, self.ino, &before, &after)
            .await?;
        let mut done = self.end;
        if self.mode & (mode::PUNCH_HOLE | mode::ZERO_RANGE) != 0 {
            let to = self.end.min(before.length).max(self.off);
            let chunks = zeros::whole_chunks(self.off, to);
            let lists = meta
                .lists_of(self.ino, &before, &chunks, self.known)
                .await?;
            let until = step(to, &lists, meta.zeros_of_a_commit());
            if until < to {
                (done, after.length) = (until, before.length);
            }
            for write in zeros::over_bytes(self.ino, self.off, until, &lists) {
                tx.write(write)?;
            }
            self.known.keep(&after, lists);
        }
        tx.put_attr(self.ino, &after)?;
        // Only the last step sets the length.
        let keep = if done < self.end { mode::KEEP_SIZE } else { 0 };
        tx.log(&Event::Fallocate {
            ino: self.ino,
            off: self.off,
            size: done - self.off,
            mode: self.mode | keep,
        });
        log_mode(tx, self.ino, 0, &before, &after);
        count_growth(tx, self.ino, &before, &after).await?;
        Ok((before, after, done))
    }

    fn proof(&self, (_, after, _): &(Attr, Attr, u64)) -> Proof {
        Proof::attr_is(self.ino, after)
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
            after.length = before.length.max(self.end);
        }
        Ok(after)
    }
}

/// How far towards `to` one commit writes zeros: as far as `most` of the lists reach.
fn step(to: u64, lists: &Lists, most: usize) -> u64 {
    match lists {
        Lists::Found(all) => match all.get(most) {
            Some(index) => u64::from(*index) * CHUNK_SIZE,
            None => to,
        },
        Lists::Short => to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EXISTING_MAX;

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
    fn a_step_ends_before_a_list() {
        let lists = |n: u32| Lists::Found((0..n).map(|i| i * 3).collect());
        let most = EXISTING_MAX as usize;
        assert_eq!(step(77, &Lists::Short, most), 77);
        assert_eq!(step(77, &lists(EXISTING_MAX), most), 77);
        let border = u64::from(EXISTING_MAX) * 3 * CHUNK_SIZE;
        assert_eq!(step(u64::MAX, &lists(EXISTING_MAX + 5), most), border);
    }

    #[test]
    fn who_may_what() {
        let (caller, known) = (Caller::root(), Known::default());
        let op = |mode| Fallocate {
            caller: &caller,
            ino: Ino(5),
            mode,
            off: 10,
            end: 20,
            known: &known,
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
