//! [`RecordLock`]: POSIX locks of ranges of bytes.

use super::ranges::updated;
use super::{Answered, LOCK_END_MAX, LOCK_RECORDS_MAX, Loaded, LockHolder, LockReply};
use super::{blocked, decode, drop_lock};
use crate::change_log::Event;
use crate::engine::{Answer, Key, LockKind, Write};
use crate::meta::Meta;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use crate::wire::{LockRecord, LockType, encode_locks};
use jfs_types::{Errno, Ino};

pub(super) struct RecordLock {
    pub(super) ino: Ino,
    pub(super) me: LockHolder,
    /// As [`super::ranges::storable`] returns it.
    pub(super) record: LockRecord,
}

impl Operation for RecordLock {
    type Out = Answered;
    const NAME: &'static str = "setlk";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<Answered, Stop> {
        let loaded = Loaded::read(meta, tx, self.ino, LockKind::Posix).await?;
        let rows = &loaded.rows;
        let record = self.record;
        let locks = record.kind != LockType::Unlock;
        let (mut before, mut in_the_way) = (Vec::new(), Vec::new());
        for row in rows {
            let held = decode(self.ino, row)?;
            if row.holder() == self.me {
                before = held;
            } else if locks && held.iter().any(|l| l.conflicts_with(&record)) {
                in_the_way.push(row.holder());
            }
        }
        if locks && loaded.attr.is_none() {
            return Err(Errno::ENOENT.into());
        }
        if !in_the_way.is_empty() {
            let reply = blocked(in_the_way.into_iter(), false);
            return Ok(loaded.answer(reply));
        }
        let after = updated(&before, record);
        let holds = !after.is_empty();
        if after == before {
            return Ok(loaded.answer(LockReply::Granted { before, holds }));
        }
        if after.len() > LOCK_RECORDS_MAX && after.len() > before.len() {
            return Err(Errno::ENOLCK.into());
        }
        tx.log(&Event::SetLock {
            ino: self.ino,
            owner: self.me.owner,
            record: LockRecord {
                end: record.end.min(LOCK_END_MAX),
                ..record
            },
        });
        if holds {
            tx.write(Write::PutLock {
                ino: self.ino,
                kind: LockKind::Posix,
                sid: self.me.sid,
                owner: self.me.owner,
                value: encode_locks(&after).into(),
            })?;
        } else {
            drop_lock(tx, (self.ino, LockKind::Posix), rows, self.me)?;
        }
        Ok(loaded.answer(LockReply::Granted { before, holds }))
    }

    fn proof(&self, _: &Answered) -> Proof {
        Proof::Rerun
    }
}

/// A lock and the session that holds it.
pub(super) struct Found {
    pub(super) sid: u64,
    pub(super) lock: LockRecord,
}

impl Found {
    /// The first lock of owners other than `me` that conflicts with `wanted`.
    pub(super) async fn in_the_way(
        meta: &Meta,
        ino: Ino,
        me: LockHolder,
        wanted: &LockRecord,
    ) -> Result<Option<Found>, Errno> {
        let key = Key::Locks(ino, LockKind::Posix);
        let answers = meta.within("getlk", meta.fetch(&[key])).await?;
        let rows = match answers.into_iter().next().map(Answer::into_locks) {
            Some(Ok(rows)) => rows,
            _ => return Err(Errno::EIO),
        };
        let mut first: Option<Found> = None;
        for row in rows.iter().filter(|r| r.holder() != me) {
            let sid = row.sid;
            let locks = decode(ino, row).map_err(|e| meta.to_errno("getlk", &e))?;
            for lock in locks.into_iter().filter(|l| l.conflicts_with(wanted)) {
                if first.as_ref().is_none_or(|f| lock.start < f.lock.start) {
                    first = Some(Found { sid, lock });
                }
            }
        }
        Ok(first)
    }
}
