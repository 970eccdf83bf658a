//! Intentions as commands inside MULTI, and what their answers tell.

use crate::change_log;
use crate::keys;
use jfs_meta::EngineError;
use jfs_meta::engine::{Receipt, Write};
use jfs_meta::wire::{encode_attr, encode_entry, encode_record};
use jfs_types::Time;
use redis::{Pipeline, RedisError, Value};

/// The use of one answer of EXEC.
enum Wanted {
    Nothing,
    Records,
    Users(u64, u32),
}

/// Builds the pipeline of a commit and reads its answers.
#[derive(Default)]
pub(crate) struct Commit {
    wanted: Vec<Wanted>,
}

impl Commit {
    fn add(&mut self, wanted: Wanted) {
        self.wanted.push(wanted);
    }

    /// Adds the commands of one write.
    pub(crate) fn write(&mut self, p: &mut Pipeline, write: &Write, at: Time) {
        match write {
            Write::NewEntry { dir, name, entry } | Write::ReplaceEntry { dir, name, entry } => {
                p.cmd("HSET")
                    .arg(keys::entries(*dir))
                    .arg(name.as_bytes())
                    .arg(&encode_entry(*entry)[..]);
            }
            Write::DelEntry { dir, name } => {
                p.cmd("HDEL").arg(keys::entries(*dir)).arg(name.as_bytes());
            }
            Write::NewNode { ino, attr }
            | Write::PutAttr { ino, attr }
            | Write::TouchDir { ino, attr, .. } => {
                p.cmd("SET").arg(keys::attr(*ino)).arg(encode_attr(attr));
            }
            Write::DelNode { ino } => {
                p.cmd("DEL").arg(keys::attr(*ino));
            }
            Write::NewSymlink { ino, target } => {
                p.cmd("SET").arg(keys::symlink(*ino)).arg(&target[..]);
            }
            Write::DelSymlink { ino } => {
                p.cmd("DEL").arg(keys::symlink(*ino));
            }
            Write::PutXattr { ino, name, value } => {
                p.cmd("HSET")
                    .arg(keys::xattrs(*ino))
                    .arg(&name[..])
                    .arg(&value[..]);
            }
            Write::DelXattr { ino, name } => {
                p.cmd("HDEL").arg(keys::xattrs(*ino)).arg(&name[..]);
            }
            Write::DelXattrs { ino } => {
                p.cmd("DEL").arg(keys::xattrs(*ino));
            }
            Write::AddParent { ino, parent, delta } => {
                p.cmd("HINCRBY")
                    .arg(keys::parents(*ino))
                    .arg(parent.0)
                    .arg(*delta);
            }
            Write::DelParents { ino } => {
                p.cmd("DEL").arg(keys::parents(*ino));
            }
            Write::AppendSlice { ino, index, record } => {
                p.cmd("RPUSH")
                    .arg(keys::chunk(*ino, *index))
                    .arg(&encode_record(record)[..]);
                return self.add(Wanted::Records);
            }
            Write::AppendToExisting {
                ino,
                from,
                to,
                record,
            } => {
                let record = encode_record(record);
                for index in *from..*to {
                    p.cmd("RPUSHX")
                        .arg(keys::chunk(*ino, index))
                        .arg(&record[..]);
                    self.add(Wanted::Nothing);
                }
                return;
            }
            // Nothing stored means one user.
            Write::NewSlice { .. } => return,
            Write::AddSliceUsers { id, size, delta } => {
                p.cmd("HINCRBY")
                    .arg(keys::SLICE_REFS)
                    .arg(keys::slice(*id, *size))
                    .arg(*delta);
                return self.add(Wanted::Users(*id, *size));
            }
            Write::ForgetSlice { id, size } => {
                p.cmd("HDEL")
                    .arg(keys::SLICE_REFS)
                    .arg(keys::slice(*id, *size));
            }
            Write::DelChunk { ino, index } => {
                p.cmd("DEL").arg(keys::chunk(*ino, *index));
            }
            Write::MergeSlices {
                ino,
                index,
                kept,
                merged,
                record,
            } => {
                let key = keys::chunk(*ino, *index);
                p.cmd("LTRIM").arg(&key).arg(kept.len() + merged).arg(-1);
                if let Some(record) = record {
                    p.cmd("LPUSH").arg(&key).arg(&encode_record(record)[..]);
                    self.add(Wanted::Nothing);
                }
                if kept.is_empty() {
                    return self.add(Wanted::Nothing);
                }
                // Each is pushed before the one pushed last.
                p.cmd("LPUSH").arg(&key);
                for record in kept.iter().rev() {
                    p.arg(&encode_record(record)[..]);
                }
                self.add(Wanted::Nothing);
            }
            Write::Delay { id, time, entries } => {
                p.cmd("HSET")
                    .arg(keys::DELAYED)
                    .arg(keys::delayed(*id, *time))
                    .arg(&entries[..]);
            }
            Write::DelDelayed { id, time } => {
                p.cmd("HDEL")
                    .arg(keys::DELAYED)
                    .arg(keys::delayed(*id, *time));
            }
            Write::MarkDeleted { ino, length } => {
                p.cmd("ZADD")
                    .arg(keys::DELETED)
                    .arg(at.sec)
                    .arg(keys::deleted(*ino, *length));
            }
            Write::ClearDeleted { ino, length } => {
                p.cmd("ZREM")
                    .arg(keys::DELETED)
                    .arg(keys::deleted(*ino, *length));
            }
            Write::Sustain { sid, ino } => {
                p.cmd("SADD").arg(keys::sustained(*sid)).arg(ino.0);
            }
            Write::Unsustain { sid, ino } => {
                p.cmd("SREM").arg(keys::sustained(*sid)).arg(ino.0);
            }
            Write::PutLock {
                ino,
                kind,
                sid,
                owner,
                value,
            } => {
                let key = keys::locks(*ino, *kind);
                p.cmd("HSET")
                    .arg(&key)
                    .arg(keys::lock_owner(*sid, *owner))
                    .arg(&value[..]);
                p.cmd("SADD").arg(keys::locked(*sid)).arg(&key);
                self.add(Wanted::Nothing);
            }
            Write::DelLock {
                ino,
                kind,
                sid,
                owner,
                last_of_session,
            } => {
                let key = keys::locks(*ino, *kind);
                p.cmd("HDEL").arg(&key).arg(keys::lock_owner(*sid, *owner));
                if *last_of_session {
                    p.cmd("SREM").arg(keys::locked(*sid)).arg(&key);
                    self.add(Wanted::Nothing);
                }
            }
            Write::NewDirStat { dir } => {
                for hash in [keys::DIR_LENGTH, keys::DIR_SPACE, keys::DIR_INODES] {
                    p.cmd("HSET").arg(hash).arg(dir.0).arg(0);
                    self.add(Wanted::Nothing);
                }
                return;
            }
            Write::DelDirStat { dir } => {
                for hash in keys::PER_DIRECTORY {
                    p.cmd("HDEL").arg(hash).arg(dir.0);
                    self.add(Wanted::Nothing);
                }
                return;
            }
            Write::DelSession { sid } => {
                p.cmd("DEL").arg(keys::locked(*sid));
                p.cmd("ZREM").arg(keys::ALL_SESSIONS).arg(*sid);
                p.cmd("HDEL").arg(keys::SESSION_INFOS).arg(*sid);
                self.add(Wanted::Nothing);
                self.add(Wanted::Nothing);
            }
            Write::PutCounter { counter, value } => {
                p.cmd("SET").arg(keys::counter(*counter)).arg(*value);
            }
            Write::AddUsage { space, inodes } => {
                p.cmd("INCRBY").arg("usedSpace").arg(*space);
                self.add(Wanted::Nothing);
                p.cmd("INCRBY").arg("totalInodes").arg(*inodes);
            }
            Write::Log(line) => {
                change_log::add(p, line, 0);
                (1..change_log::COMMANDS).for_each(|_| self.add(Wanted::Nothing));
            }
        }
        self.add(Wanted::Nothing);
    }

    /// Reads the answers of EXEC. An error among them means that the server has carried out the other
    /// commands all the same. The volume holds a key of another type, which an administrator must
    /// look at.
    pub(crate) fn receipt(&self, answers: Vec<Value>) -> Result<Receipt, EngineError> {
        let mut receipt = Receipt::default();
        let mut failed = None;
        for (wanted, answer) in self.wanted.iter().zip(answers) {
            match (wanted, answer) {
                (_, Value::ServerError(e)) => failed = failed.or(Some(e)),
                (Wanted::Records, Value::Int(n)) => receipt.records_in_chunk = n as u64,
                (Wanted::Users(id, size), Value::Int(n))
                    if n < 0 && !receipt.unused_slices.contains(&(*id, *size)) =>
                {
                    receipt.unused_slices.push((*id, *size));
                }
                _ => {}
            }
        }
        match failed {
            None => Ok(receipt),
            Some(e) => Err(EngineError::corrupt(
                "a key of the volume",
                format!("a part of a commit failed: {}", RedisError::from(e)),
            )),
        }
    }
}
