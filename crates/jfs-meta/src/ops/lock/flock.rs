//! [`Flock`]: the lock of a whole file.

use super::ranges::LOCK_END_MAX;
use super::{Answered, Loaded, LockHolder, LockReply, blocked, drop_lock};
use crate::change_log::Event;
use crate::engine::{LockKind, LockRow, Write};
use crate::meta::Meta;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use crate::wire::{LockRecord, LockType};
use bytes::Bytes;
use jfs_types::{Errno, Ino};

pub(super) struct Flock {
    pub(super) ino: Ino,
    pub(super) me: LockHolder,
    pub(super) kind: LockType,
}

impl Operation for Flock {
    type Out = Answered;
    const NAME: &'static str = "flock";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<Answered, Stop> {
        let place = (self.ino, LockKind::Flock);
        let loaded = Loaded::read(meta, tx, self.ino, LockKind::Flock).await?;
        let rows = &loaded.rows;
        let mine = rows.iter().find(|r| r.holder() == self.me);
        let before: Vec<LockRecord> = mine.map(whole).into_iter().collect();
        let Some(letter) = letter(self.kind) else {
            if mine.is_some() {
                self.log(tx, LockType::Unlock);
                drop_lock(tx, place, rows, self.me)?;
            }
            let holds = false;
            return Ok(loaded.answer(LockReply::Granted { before, holds }));
        };
        if loaded.attr.is_none() {
            return Err(Errno::ENOENT.into());
        }
        if mine.is_some_and(|r| r.value == letter) {
            let holds = true;
            return Ok(loaded.answer(LockReply::Granted { before, holds }));
        }
        let others = rows.iter().filter(|r| r.holder() != self.me);
        let mut in_the_way = others
            .filter(|r| self.kind == LockType::Write || r.value[..] == *b"W")
            .map(LockRow::holder)
            .peekable();
        if in_the_way.peek().is_some() {
            let lost = mine.is_some();
            let answer = blocked(in_the_way, lost);
            if lost {
                self.log(tx, LockType::Unlock);
                drop_lock(tx, place, rows, self.me)?;
            }
            return Ok(loaded.answer(answer));
        }
        self.log(tx, self.kind);
        tx.write(Write::PutLock {
            ino: self.ino,
            kind: LockKind::Flock,
            sid: self.me.sid,
            owner: self.me.owner,
            value: letter,
        })?;
        let holds = true;
        Ok(loaded.answer(LockReply::Granted { before, holds }))
    }

    fn proof(&self, _: &Answered) -> Proof {
        Proof::Rerun
    }
}

impl Flock {
    fn log(&self, tx: &mut Txn, kind: LockType) {
        tx.log(&Event::Flock {
            ino: self.ino,
            owner: self.me.owner,
            kind,
        });
    }
}

fn letter(kind: LockType) -> Option<Bytes> {
    match kind {
        LockType::Read => Some(Bytes::from_static(b"R")),
        LockType::Write => Some(Bytes::from_static(b"W")),
        LockType::Unlock => None,
    }
}

fn whole(row: &LockRow) -> LockRecord {
    let kind = match &row.value[..] {
        b"W" => LockType::Write,
        _ => LockType::Read,
    };
    LockRecord {
        kind,
        pid: 0,
        start: 0,
        end: LOCK_END_MAX,
    }
}
