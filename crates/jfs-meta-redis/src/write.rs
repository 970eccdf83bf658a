//! Intentions as commands, and what EXEC's replies tell.

use crate::errors::name_record;
use crate::layout;
use crate::resp::{Replies, Request};
use jfs_meta::EngineError;
use jfs_meta::engine::{Receipt, Write};
use jfs_meta::wire::{encode_attr, encode_entry, encode_record};
use jfs_types::{Ino, Time};

/// From this many chunks on, lists are looked for by name instead of trying each index, as the
/// reference does.
pub(crate) const MANY_CHUNKS: u32 = 10_000;

/// Chunk lists of a file that are known to exist, for [`Write::AppendToExisting`] over many chunks.
pub(crate) type Existing = Vec<(Ino, Vec<u32>)>;

/// Appends the commands of all writes.
pub(crate) fn encode(request: &mut Request, writes: &[Write], at: Time, existing: &Existing) {
    for write in writes {
        command(request, write, at, existing);
    }
}

fn command(r: &mut Request, write: &Write, at: Time, existing: &Existing) {
    match write {
        Write::NewEntry { dir, name, entry } | Write::ReplaceEntry { dir, name, entry } => {
            r.call(&[b"HSET", &layout::dir(*dir), name.as_bytes(), &encode_entry(*entry)]);
        }
        Write::DelEntry { dir, name } => r.call(&[b"HDEL", &layout::dir(*dir), name.as_bytes()]),
        Write::NewNode { ino, attr } | Write::PutAttr { ino, attr } | Write::TouchDir { ino, attr, .. } => {
            r.call(&[b"SET", &layout::attr(*ino), &encode_attr(attr)]);
        }
        Write::DelNode { ino } => r.call(&[b"DEL", &layout::attr(*ino)]),
        Write::NewSymlink { ino, target } => r.call(&[b"SET", &layout::symlink(*ino), target]),
        Write::DelSymlink { ino } => r.call(&[b"DEL", &layout::symlink(*ino)]),
        Write::DelXattrs { ino } => r.call(&[b"DEL", &layout::xattrs(*ino)]),
        Write::AddParent { ino, parent, delta } => {
            let (key, field) = (layout::parents(*ino), layout::number(parent.0));
            r.call(&[b"HINCRBY", &key, &field, &layout::signed(*delta)]);
        }
        Write::DelParents { ino } => r.call(&[b"DEL", &layout::parents(*ino)]),
        Write::AppendSlice { ino, index, record } => {
            r.call(&[b"RPUSH", &layout::chunk(*ino, *index), &encode_record(record)]);
        }
        Write::AppendToExisting { ino, from, to, record } => {
            let record = encode_record(record);
            let mut push = |index: u32| r.call(&[b"RPUSHX", &layout::chunk(*ino, index), &record]);
            match existing.iter().find(|(of, _)| of == ino) {
                Some((_, indexes)) => {
                    indexes.iter().copied().filter(|i| (*from..*to).contains(i)).for_each(push);
                }
                None => (*from..*to).for_each(&mut push),
            }
        }
        Write::NewSlice { .. } => {} // one user is no record
        Write::AddSliceUsers { id, size, delta } => {
            let field = layout::slice(*id, *size);
            r.call(&[b"HINCRBY", layout::SLICE_USERS, &field, &layout::signed(*delta)]);
        }
        Write::ForgetSlice { id, size } => {
            r.call(&[b"HDEL", layout::SLICE_USERS, &layout::slice(*id, *size)]);
        }
        Write::DelChunk { ino, index } => r.call(&[b"DEL", &layout::chunk(*ino, *index)]),
        Write::DelDelayed { id, time } => {
            r.call(&[b"HDEL", layout::DELAYED, &layout::delayed(*id, *time)]);
        }
        Write::MarkDeleted { ino, length } => {
            let (score, member) = (layout::signed(at.sec), layout::deleted(*ino, *length));
            r.call(&[b"ZADD", layout::DELETED, &score, &member]);
        }
        Write::ClearDeleted { ino, length } => {
            r.call(&[b"ZREM", layout::DELETED, &layout::deleted(*ino, *length)]);
        }
        Write::Sustain { sid, ino } => {
            r.call(&[b"SADD", &layout::sustained(*sid), &layout::number(ino.0)]);
        }
        Write::Unsustain { sid, ino } => {
            r.call(&[b"SREM", &layout::sustained(*sid), &layout::number(ino.0)]);
        }
        Write::NewDirStat { dir } => {
            let field = layout::number(dir.0);
            layout::DIR_STATS.iter().for_each(|hash| r.call(&[b"HSET", hash, &field, b"0"]));
        }
        Write::DelDirStat { dir } => {
            let field = layout::number(dir.0);
            let hashes = layout::DIR_STATS.iter().chain(&layout::DIR_QUOTAS);
            hashes.for_each(|hash| r.call(&[b"HDEL", hash, &field]));
        }
        Write::AddUsage { space, inodes } => {
            for (key, delta) in [(layout::USED_SPACE, *space), (layout::TOTAL_INODES, *inodes)] {
                if delta != 0 {
                    r.call(&[b"INCRBY", key, &layout::signed(delta)]);
                }
            }
        }
    }
}

/// Reads the replies of `commands` commands that EXEC ran for `writes`.
///
/// A command that fails inside EXEC does not undo the others. That takes a key of the wrong type, which
/// no client makes; it is reported as corrupt.
pub(crate) fn receipt(
    replies: &mut Replies<'_>,
    writes: &[Write],
    existing: &Existing,
    commands: usize,
) -> Result<Receipt, EngineError> {
    let mut receipt = Receipt::default();
    let mut seen = 0;
    let mut failed = None;
    for write in writes {
        let count = commands_of(write, existing);
        seen += count;
        for _ in 0..count {
            let result = match write {
                Write::AppendSlice { .. } => {
                    replies.integer().map(|n| receipt.records_in_chunk = n.max(0) as u64)
                }
                Write::AddSliceUsers { id, size, .. } => {
                    replies.integer().map(|stored| note_users(&mut receipt, (*id, *size), stored))
                }
                _ => replies.done(),
            };
            if let Err(e) = result {
                failed.get_or_insert_with(|| name_record(e, || format!("that {write:?} goes to")));
            }
        }
    }
    debug_assert_eq!(seen, commands, "every command has a reply");
    failed.map_or(Ok(receipt), Err)
}

/// How many commands [`command`] appends for `write`.
fn commands_of(write: &Write, existing: &Existing) -> usize {
    match write {
        Write::NewSlice { .. } => 0,
        Write::NewDirStat { .. } => layout::DIR_STATS.len(),
        Write::DelDirStat { .. } => layout::DIR_STATS.len() + layout::DIR_QUOTAS.len(),
        Write::AddUsage { space, inodes } => usize::from(*space != 0) + usize::from(*inodes != 0),
        Write::AppendToExisting { .. } => {
            let mut counted = Request::default();
            command(&mut counted, write, Time::default(), existing);
            counted.commands()
        }
        _ => 1,
    }
}

/// Users left is the stored number plus one; below zero stored, nobody is left.
fn note_users(receipt: &mut Receipt, slice: (u64, u32), stored: i64) {
    receipt.unused_slices.retain(|s| *s != slice);
    if stored < 0 {
        receipt.unused_slices.push(slice);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use jfs_types::{Attr, Entry, FileType, Name, SliceId, SliceRecord};

    fn sent(write: &Write) -> String {
        let mut request = Request::default();
        encode(&mut request, std::slice::from_ref(write), Time { sec: 77, nsec: 1 }, &Vec::new());
        let text = String::from_utf8_lossy(request.bytes()).into_owned();
        let words = text.split("\r\n").filter(|w| !w.is_empty() && !w.starts_with(['*', '$']));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn intentions_are_native_commands() {
        let (ino, dir) = (Ino(5), Ino(6));
        let record = SliceRecord { pos: 0, id: SliceId(0), size: 0, off: 0, len: 1 };
        for (write, wanted) in [
            (Write::DelEntry { dir, name: Name::stored(b"n") }, "HDEL d6 n"),
            (Write::DelNode { ino }, "DEL i5"),
            (Write::NewSymlink { ino, target: b"to".to_vec() }, "SET s5 to"),
            (Write::DelSymlink { ino }, "DEL s5"),
            (Write::DelXattrs { ino }, "DEL x5"),
            (Write::AddParent { ino, parent: dir, delta: -1 }, "HINCRBY p5 6 -1"),
            (Write::DelParents { ino }, "DEL p5"),
            (Write::NewSlice { id: 1, size: 2 }, ""),
            (Write::AddSliceUsers { id: 1, size: 2, delta: -1 }, "HINCRBY sliceRef k1_2 -1"),
            (Write::ForgetSlice { id: 1, size: 2 }, "HDEL sliceRef k1_2"),
            (Write::DelChunk { ino, index: 3 }, "DEL c5_3"),
            (Write::DelDelayed { id: 1, time: 9 }, "HDEL delSlices 1_9"),
            (Write::MarkDeleted { ino, length: 4 }, "ZADD delfiles 77 5:4"),
            (Write::ClearDeleted { ino, length: 4 }, "ZREM delfiles 5:4"),
            (Write::Sustain { sid: 8, ino }, "SADD session8 5"),
            (Write::Unsustain { sid: 8, ino }, "SREM session8 5"),
            (
                Write::NewDirStat { dir },
                "HSET dirDataLength 6 0 HSET dirUsedSpace 6 0 HSET dirUsedInodes 6 0",
            ),
            (
                Write::DelDirStat { dir },
                "HDEL dirDataLength 6 HDEL dirUsedSpace 6 HDEL dirUsedInodes 6 \
                 HDEL dirQuota 6 HDEL dirQuotaUsedSpace 6 HDEL dirQuotaUsedInodes 6",
            ),
            (Write::AddUsage { space: 4096, inodes: 1 }, "INCRBY usedSpace 4096 INCRBY totalInodes 1"),
            (Write::AddUsage { space: -4096, inodes: 0 }, "INCRBY usedSpace -4096"),
        ] {
            assert_eq!(sent(&write), wanted);
            let mut request = Request::default();
            encode(&mut request, std::slice::from_ref(&write), Time::default(), &Vec::new());
            assert_eq!(commands_of(&write, &Vec::new()), request.commands(), "{write:?}");
        }
        let attr = Attr::new(FileType::Regular);
        let entry = Entry { kind: FileType::Regular, ino };
        for (write, start) in [
            (Write::NewEntry { dir, name: Name::stored(b"n"), entry }, "HSET d6 n "),
            (Write::NewNode { ino, attr }, "SET i5 "),
            (Write::AppendSlice { ino, index: 2, record }, "RPUSH c5_2 "),
            (Write::AppendToExisting { ino, from: 1, to: 2, record }, "RPUSHX c5_1 "),
        ] {
            assert!(sent(&write).starts_with(start), "{write:?}");
        }
    }

    #[test]
    fn lists_known_to_exist_are_the_only_ones_extended() {
        let record = SliceRecord { pos: 0, id: SliceId(0), size: 0, off: 0, len: 1 };
        let write = Write::AppendToExisting { ino: Ino(5), from: 10, to: 1_000_000, record };
        let mut request = Request::default();
        encode(&mut request, &[write], Time::default(), &vec![(Ino(5), vec![3, 10, 999_999, 1_000_000])]);
        assert_eq!(request.describe(), "RPUSHX*2");
    }

    #[test]
    fn receipts_come_from_the_replies() {
        let record = SliceRecord { pos: 0, id: SliceId(1), size: 1, off: 0, len: 1 };
        let writes = [
            Write::AppendSlice { ino: Ino(5), index: 0, record },
            Write::AddSliceUsers { id: 1, size: 2, delta: -1 },
            Write::AddSliceUsers { id: 3, size: 4, delta: -1 },
            Write::AddUsage { space: 1, inodes: 1 },
        ];
        let read = |text: &[u8]| receipt(&mut Replies::new(text), &writes, &Vec::new(), 5);
        let got = read(b":7\r\n:-1\r\n:0\r\n:1\r\n:1\r\n").unwrap();
        assert_eq!(got, Receipt { records_in_chunk: 7, unused_slices: vec![(1, 2)] });
        let e = read(b":7\r\n-WRONGTYPE x\r\n:0\r\n:1\r\n:1\r\n").unwrap_err();
        assert!(matches!(e, EngineError::Corrupt { record, .. } if record.contains("AddSliceUsers")));
    }
}
