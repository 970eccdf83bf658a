//! Reading records: one command each, and what its answer means.

use crate::keys;
use bytes::Bytes;
use jfs_meta::EngineError;
use jfs_meta::engine::{Answer, DirStat, Key, LockRow};
use jfs_meta::wire::{RECORD_BYTES, decode_acl, decode_attr, decode_entry};
use jfs_types::Ino;
use redis::{Pipeline, Value};

/// The key that WATCH guards `key` with.
pub(crate) fn watched(key: &Key) -> String {
    match key {
        Key::Attr(ino) => keys::attr(*ino),
        Key::Entry(dir, _) | Key::DirIsEmpty(dir) => keys::entries(*dir),
        Key::Parents(ino) => keys::parents(*ino),
        Key::Chunk(ino, index) => keys::chunk(*ino, *index),
        Key::Symlink(ino) => keys::symlink(*ino),
        Key::Xattr(ino, _) | Key::Xattrs(ino) => keys::xattrs(*ino),
        Key::Acl(_) => keys::ACL.to_string(),
        Key::Locks(ino, kind) => keys::locks(*ino, *kind),
        Key::Deleted(..) => keys::DELETED.to_string(),
        Key::SliceUsers(..) => keys::SLICE_REFS.to_string(),
        Key::Delayed(..) => keys::DELAYED.to_string(),
        Key::DirStat(_) => keys::DIR_INODES.to_string(),
        Key::Counter(counter) => keys::counter(*counter).to_string(),
    }
}

/// Adds the commands that read `key`; [`commands`] says how many.
pub(crate) fn ask(pipeline: &mut Pipeline, key: &Key) {
    match key {
        Key::Attr(_) | Key::Symlink(_) | Key::Counter(_) => pipeline.cmd("GET").arg(watched(key)),
        Key::Entry(dir, name) => pipeline
            .cmd("HGET")
            .arg(keys::entries(*dir))
            .arg(name.as_bytes()),
        Key::DirIsEmpty(dir) => pipeline.cmd("HLEN").arg(keys::entries(*dir)),
        Key::Parents(ino) => pipeline.cmd("HGETALL").arg(keys::parents(*ino)),
        Key::Chunk(..) => pipeline.cmd("LRANGE").arg(watched(key)).arg(0).arg(-1),
        Key::Xattr(ino, name) => pipeline.cmd("HGET").arg(keys::xattrs(*ino)).arg(&name[..]),
        Key::Xattrs(ino) => pipeline.cmd("HKEYS").arg(keys::xattrs(*ino)),
        Key::Acl(id) => pipeline.cmd("HGET").arg(keys::ACL).arg(*id),
        Key::Locks(ino, kind) => pipeline.cmd("HGETALL").arg(keys::locks(*ino, *kind)),
        Key::Deleted(ino, length) => pipeline
            .cmd("ZSCORE")
            .arg(keys::DELETED)
            .arg(keys::deleted(*ino, *length)),
        Key::SliceUsers(id, size) => pipeline
            .cmd("HGET")
            .arg(keys::SLICE_REFS)
            .arg(keys::slice(*id, *size)),
        Key::Delayed(id, time) => pipeline
            .cmd("HGET")
            .arg(keys::DELAYED)
            .arg(keys::delayed(*id, *time)),
        Key::DirStat(dir) => {
            pipeline.cmd("HGET").arg(keys::DIR_LENGTH).arg(dir.0);
            pipeline.cmd("HGET").arg(keys::DIR_SPACE).arg(dir.0);
            pipeline.cmd("HGET").arg(keys::DIR_INODES).arg(dir.0)
        }
    };
}

/// Number of answers [`ask`] causes.
pub(crate) fn commands(key: &Key) -> usize {
    if matches!(key, Key::DirStat(_)) { 3 } else { 1 }
}

/// Takes the answer for `key` from the front of `values`.
pub(crate) fn understand(
    key: &Key,
    values: &mut impl Iterator<Item = Value>,
) -> Result<Answer, EngineError> {
    let mut next = || values.next().unwrap_or(Value::Nil);
    let corrupt = |e: String| EngineError::corrupt(watched(key), e);
    Ok(match key {
        Key::Attr(_) => {
            let attr = bytes(next())?.map(|b| decode_attr(&b)).transpose();
            Answer::Attr(attr.map_err(|e| corrupt(e.0))?)
        }
        Key::Entry(..) => {
            let entry = bytes(next())?.map(|b| decode_entry(&b)).transpose();
            Answer::Entry(entry.map_err(|e| corrupt(e.0))?)
        }
        Key::DirIsEmpty(_) => Answer::Flag(number(next())? == 0),
        Key::Parents(_) => {
            let fields = list(next())?;
            let mut parents = Vec::with_capacity(fields.len() / 2);
            let mut fields = fields.into_iter();
            while let (Some(parent), Some(count)) = (fields.next(), fields.next()) {
                let (parent, count) = (number(parent)?, number(count)?);
                if count > 0 {
                    parents.push((Ino(parent as u64), count));
                }
            }
            parents.sort_unstable();
            Answer::Parents(parents)
        }
        Key::Chunk(..) => {
            let records = list(next())?;
            let mut joined = Vec::with_capacity(records.len() * RECORD_BYTES);
            for record in records {
                let record = bytes(record)?.unwrap_or_default();
                // Two torn elements must not make a whole record when they are joined.
                if record.len() != RECORD_BYTES {
                    return Err(corrupt(format!("an element of {} bytes", record.len())));
                }
                joined.extend_from_slice(&record);
            }
            Answer::Bytes((!joined.is_empty()).then(|| joined.into()))
        }
        Key::Symlink(_) | Key::Delayed(..) | Key::Xattr(..) => Answer::Bytes(bytes(next())?),
        Key::Xattrs(_) => {
            let names = list(next())?.into_iter().map(bytes);
            let mut names: Vec<Bytes> = names
                .filter_map(Result::transpose)
                .collect::<Result<_, _>>()?;
            names.sort_unstable();
            Answer::Names(names)
        }
        Key::Acl(_) => {
            let rule = bytes(next())?.map(|b| decode_acl(&b)).transpose();
            Answer::Acl(rule.map_err(|e| corrupt(e.0))?)
        }
        Key::Locks(..) => {
            let mut rows = Vec::new();
            let mut fields = list(next())?.into_iter();
            while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
                let (field, value) = (bytes(field)?.unwrap_or_default(), bytes(value)?);
                let (sid, owner) = keys::parse_lock_owner(&field).ok_or_else(|| {
                    corrupt(format!("lock owner {:?}", String::from_utf8_lossy(&field)))
                })?;
                let value = value.unwrap_or_default();
                rows.push(LockRow { sid, owner, value });
            }
            rows.sort_unstable();
            Answer::Locks(rows)
        }
        Key::Deleted(..) => Answer::Flag(!matches!(next(), Value::Nil)),
        // Stored is the number of users less one, and nothing for the first.
        Key::SliceUsers(..) => Answer::Number(number(next())? + 1),
        Key::DirStat(_) => {
            let (length, space, inodes) = (next(), next(), next());
            let known = !matches!(inodes, Value::Nil);
            let stat = DirStat {
                length: number(length)?,
                space: number(space)?,
                inodes: number(inodes)?,
            };
            Answer::Stat(known.then_some(stat))
        }
        Key::Counter(_) => Answer::Number(number(next())?),
    })
}

/// A string answer.
pub(crate) fn bytes(value: Value) -> Result<Option<Bytes>, EngineError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(b) => Ok(Some(b.into())),
        // What a connection inside of a transaction answers is no record.
        Value::SimpleString(s) if s != "QUEUED" => Ok(Some(s.into())),
        other => Err(unexpected(other)),
    }
}

/// A number answer, or a string that is one; nothing is 0.
pub(crate) fn number(value: Value) -> Result<i64, EngineError> {
    match value {
        Value::Nil => Ok(0),
        Value::Int(n) => Ok(n),
        Value::BulkString(b) => {
            let text = String::from_utf8_lossy(&b);
            text.trim()
                .parse()
                .map_err(|_| EngineError::corrupt("a number", format!("it is {text:?}")))
        }
        other => Err(unexpected(other)),
    }
}

/// A score of a sorted set, which is a time here: whole seconds.
pub(crate) fn score(value: Value) -> Result<i64, EngineError> {
    Ok(match value {
        Value::Double(t) => t as i64,
        other => {
            let text = bytes(other)?.unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            text.parse::<f64>().unwrap_or(0.0) as i64
        }
    })
}

/// A list answer.
pub(crate) fn list(value: Value) -> Result<Vec<Value>, EngineError> {
    match value {
        Value::Nil => Ok(Vec::new()),
        Value::Array(v) | Value::Set(v) => Ok(v),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(k, v)| [k, v]).collect()),
        other => Err(unexpected(other)),
    }
}

/// What EXEC answered, the last of a pipeline's answers: `None` when a watched key had changed. When the
/// server refused the transaction, the error is that of the command which it refused to queue: EXEC
/// itself only says that there was one.
pub(crate) fn executed(mut values: Vec<Value>) -> Result<Option<Vec<Value>>, EngineError> {
    match values.pop() {
        Some(Value::Nil) => Ok(None),
        Some(exec @ Value::ServerError(_)) => {
            let refused = values
                .into_iter()
                .find(|v| matches!(v, Value::ServerError(_)));
            Err(unexpected(refused.unwrap_or(exec)))
        }
        Some(exec) => list(exec).map(Some),
        None => Err(EngineError::Fatal("Redis gave no answer to EXEC".into())),
    }
}

/// The engine error that an answer of the wrong kind stands for.
pub(crate) fn unexpected(value: Value) -> EngineError {
    match value {
        Value::ServerError(e) => crate::errors::classify(&e.into()),
        other => EngineError::Fatal(format!("Redis gave an answer of another kind: {other:?}")),
    }
}
