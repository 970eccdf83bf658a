//! Keys as commands, replies as answers.

use crate::errors::{name_record, undecodable};
use crate::layout::{self, Text};
use crate::resp::{Replies, Request, number};
use bytes::Bytes;
use jfs_meta::EngineError;
use jfs_meta::engine::{Answer, DirStat, Key};
use jfs_meta::wire::{RECORD_BYTES, decode_attr, decode_entry};
use jfs_types::Ino;

/// Appends the commands that read `key`.
pub(crate) fn ask(request: &mut Request, key: &Key) {
    match key {
        Key::Attr(ino) => request.call(&[b"GET", &layout::attr(*ino)]),
        Key::Entry(dir, name) => request.call(&[b"HGET", &layout::dir(*dir), name.as_bytes()]),
        Key::DirIsEmpty(dir) => request.call(&[b"EXISTS", &layout::dir(*dir)]),
        Key::Parents(ino) => request.call(&[b"HGETALL", &layout::parents(*ino)]),
        Key::Chunk(ino, index) => request.call(&[b"LRANGE", &layout::chunk(*ino, *index), b"0", b"-1"]),
        Key::Symlink(ino) => request.call(&[b"GET", &layout::symlink(*ino)]),
        Key::Deleted(ino, length) => {
            request.call(&[b"ZSCORE", layout::DELETED, &layout::deleted(*ino, *length)]);
        }
        Key::SliceUsers(id, size) => {
            request.call(&[b"HGET", layout::SLICE_USERS, &layout::slice(*id, *size)]);
        }
        Key::Delayed(id, time) => {
            request.call(&[b"HGET", layout::DELAYED, &layout::delayed(*id, *time)]);
        }
        Key::DirStat(dir) => {
            let field = layout::number(dir.0);
            for hash in layout::DIR_STATS {
                request.call(&[b"HGET", hash, &field]);
            }
        }
        Key::Counter(counter) => request.call(&[b"GET", layout::counter(*counter)]),
    }
}

/// Reads the answer to [`ask`].
pub(crate) fn answer(replies: &mut Replies<'_>, key: &Key) -> Result<Answer, EngineError> {
    decode(replies, key).map_err(|e| name_record(e, || record(key)))
}

fn decode(replies: &mut Replies<'_>, key: &Key) -> Result<Answer, EngineError> {
    Ok(match key {
        Key::Attr(_) => {
            Answer::Attr(replies.bulk()?.map(decode_attr).transpose().map_err(undecodable)?)
        }
        Key::Entry(..) => {
            Answer::Entry(replies.bulk()?.map(decode_entry).transpose().map_err(undecodable)?)
        }
        Key::DirIsEmpty(_) => Answer::Flag(replies.integer()? == 0),
        Key::Parents(_) => Answer::Parents(parents(replies)?),
        Key::Chunk(..) => Answer::Bytes(records(replies)?),
        Key::Symlink(_) | Key::Delayed(..) => Answer::Bytes(replies.bulk()?.map(Bytes::copy_from_slice)),
        Key::Deleted(..) => Answer::Flag(replies.bulk()?.is_some()),
        Key::SliceUsers(..) => Answer::Number(users(replies.stored_number()?)),
        Key::DirStat(_) => Answer::Stat(stat(replies)?),
        Key::Counter(_) => Answer::Number(replies.stored_number()?.unwrap_or(0)),
    })
}

/// Users of a slice from the stored number, which is one less; no record means one user.
pub(crate) fn users(stored: Option<i64>) -> i64 {
    stored.unwrap_or(0).saturating_add(1)
}

fn parents(replies: &mut Replies<'_>) -> Result<Vec<(Ino, i64)>, EngineError> {
    let mut parents = Vec::new();
    for _ in 0..replies.elements()? / 2 {
        let (dir, count) = (replies.bytes()?, number(replies.bytes()?)?);
        let dir = layout::parse_number(dir)
            .ok_or_else(|| EngineError::corrupt("", format!("parent {:?}", String::from_utf8_lossy(dir))))?;
        if count > 0 {
            parents.push((Ino(dir), count));
        }
    }
    parents.sort_unstable();
    Ok(parents)
}

/// The records of a chunk, joined; `None` for an empty list, which Redis does not keep.
fn records(replies: &mut Replies<'_>) -> Result<Option<Bytes>, EngineError> {
    let count = replies.elements()?;
    let mut joined = Vec::with_capacity(count * RECORD_BYTES);
    for _ in 0..count {
        let record = replies.bytes()?;
        if record.len() != RECORD_BYTES {
            let reason = format!("a slice record of {} bytes, {RECORD_BYTES} expected", record.len());
            return Err(EngineError::corrupt("", reason));
        }
        joined.extend_from_slice(record);
    }
    Ok((count > 0).then(|| joined.into()))
}

fn stat(replies: &mut Replies<'_>) -> Result<Option<DirStat>, EngineError> {
    let [length, space, inodes] =
        [replies.stored_number()?, replies.stored_number()?, replies.stored_number()?];
    // A part missing makes the whole worth recomputing.
    Ok(length.zip(space).zip(inodes).map(|((length, space), inodes)| DirStat { length, space, inodes }))
}

/// The Redis key that `key` is read from, for errors.
fn record(key: &Key) -> String {
    let field = |hash: &[u8], field: Text| format!("{} {field}", String::from_utf8_lossy(hash));
    match key {
        Key::Entry(dir, name) => format!("{} {name}", layout::dir(*dir)),
        Key::SliceUsers(id, size) => field(layout::SLICE_USERS, layout::slice(*id, *size)),
        Key::Delayed(id, time) => field(layout::DELAYED, layout::delayed(*id, *time)),
        Key::Deleted(ino, length) => field(layout::DELETED, layout::deleted(*ino, *length)),
        Key::DirStat(dir) => field(layout::DIR_STATS[0], layout::number(dir.0)),
        key => watched(key).to_string(),
    }
}

/// The Redis key to watch in order to notice a change of `key`. Statistics are spread over three
/// hashes that change in one transaction; the entries' one stands for all.
pub(crate) fn watched(key: &Key) -> Text {
    match key {
        Key::Attr(ino) => layout::attr(*ino),
        Key::Entry(dir, _) | Key::DirIsEmpty(dir) => layout::dir(*dir),
        Key::Parents(ino) => layout::parents(*ino),
        Key::Chunk(ino, index) => layout::chunk(*ino, *index),
        Key::Symlink(ino) => layout::symlink(*ino),
        Key::Deleted(..) => layout::fixed(layout::DELETED),
        Key::SliceUsers(..) => layout::fixed(layout::SLICE_USERS),
        Key::Delayed(..) => layout::fixed(layout::DELAYED),
        Key::DirStat(_) => layout::fixed(layout::DIR_STATS[2]),
        Key::Counter(counter) => layout::fixed(layout::counter(*counter)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use jfs_types::Name;

    fn read(key: &Key, reply: &[u8]) -> Result<Answer, EngineError> {
        answer(&mut Replies::new(reply), key)
    }

    #[test]
    fn replies_become_answers() {
        let chunk = [&b"*1\r\n$24\r\n"[..], &[7; 24], b"\r\n"].concat();
        for (key, reply, wanted) in [
            (Key::Attr(Ino(1)), &b"$-1\r\n"[..], Answer::Attr(None)),
            (Key::DirIsEmpty(Ino(1)), b":0\r\n", Answer::Flag(true)),
            (Key::Chunk(Ino(1), 0), b"*0\r\n", Answer::Bytes(None)),
            (Key::Chunk(Ino(1), 0), &chunk, Answer::Bytes(Some(Bytes::from_static(&[7; 24])))),
            (Key::SliceUsers(1, 2), b"$-1\r\n", Answer::Number(1)),
            (Key::SliceUsers(1, 2), b"$2\r\n-1\r\n", Answer::Number(0)),
            (Key::Deleted(Ino(1), 2), b"$1\r\n5\r\n", Answer::Flag(true)),
            (
                Key::Parents(Ino(1)),
                b"*6\r\n$1\r\n9\r\n$1\r\n1\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n4\r\n$1\r\n0\r\n",
                Answer::Parents(vec![(Ino(3), 2), (Ino(9), 1)]),
            ),
            (
                Key::DirStat(Ino(1)),
                b"$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n",
                Answer::Stat(Some(DirStat { length: 1, space: 2, inodes: 3 })),
            ),
            (Key::DirStat(Ino(1)), b"$1\r\n1\r\n$-1\r\n$1\r\n3\r\n", Answer::Stat(None)),
        ] {
            assert_eq!(read(&key, reply).unwrap(), wanted, "{key:?}");
        }
    }

    #[test]
    fn corrupt_records_are_named() {
        for (key, reply, wanted) in [
            (Key::Attr(Ino(5)), &b"$3\r\nabc\r\n"[..], "i5"),
            (Key::Entry(Ino(5), Name::stored(b"n")), b"$3\r\nabc\r\n", "d5 n"),
            (Key::Chunk(Ino(5), 6), b"*1\r\n$3\r\nabc\r\n", "c5_6"),
            (Key::Parents(Ino(5)), b"*2\r\n$1\r\nx\r\n$1\r\n1\r\n", "p5"),
            (Key::SliceUsers(7, 8), b"$1\r\nx\r\n", "sliceRef k7_8"),
            (Key::Attr(Ino(6)), b"-WRONGTYPE Operation against a key\r\n", "i6"),
        ] {
            match read(&key, reply) {
                Err(EngineError::Corrupt { record, .. }) => assert_eq!(record, wanted),
                other => panic!("{key:?}: {other:?}"),
            }
        }
    }
}
