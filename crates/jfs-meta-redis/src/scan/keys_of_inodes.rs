//! Kinds whose records have keys by inode, chunk or session: SCAN names the keys, further commands read them.

use super::Scan;
use crate::keys;
use crate::listing::scanned;
use crate::read::{bytes, list, number, understand};
use jfs_meta::EngineError;
use jfs_meta::engine::{CursorPart, Key, Record, SCAN_PAGE, SCAN_PAGE_BYTES, ScanCursor, ScanKind};
use jfs_meta::wire::{RECORD_BYTES, decode_attr, decode_entry};
use jfs_types::{Ino, Name};
use redis::{Pipeline, Value};

/// Keys that one SCAN looks at. The server names fewer where a database holds other keys too.
const SCANNED: usize = 2000;
/// SCANs of one page that find nothing before the page is given out empty.
const SCANS_MAX: usize = 16;
/// Keys whose lengths are asked for at a time, and links that are read at a time.
const KEYS: usize = 64;
/// Fields of extended attributes, of up to 64 KiB each, that are read at a time.
const XATTRS: usize = 64;

/// The numbers of a key: inode or session, and the chunk index.
type Numbers = (u64, u32);

/// A position: what SCAN goes on with, and what the last SCAN has named.
struct Position {
    /// Cursor of the next SCAN; 0 after the last one.
    outer: u64,
    /// Cursor inside of the first pending key; 0 at its beginning.
    inner: u64,
    /// Keys not read so far.
    pending: Vec<Numbers>,
}

/// How the records of one key are read.
struct Shape {
    /// What the keys begin with.
    prefix: &'static str,
    /// Commands that tell the number of elements, read all, and read some from a cursor on.
    length: &'static str,
    whole: &'static str,
    some: Option<&'static str>,
    /// Elements that are read at a time.
    most: usize,
}

impl Scan<'_> {
    pub(super) async fn keys_of_inodes(&mut self) -> Result<(), EngineError> {
        let kind = self.from.kind();
        let mut at = match self.from.position() {
            None => self.scan_keys(0).await?,
            Some(parts) => Position::read(kind, parts).ok_or_else(|| self.from.foreign())?,
        };
        let mut scans = 1;
        loop {
            if !at.pending.is_empty() {
                match kind {
                    ScanKind::Inodes => self.inodes(&mut at).await?,
                    ScanKind::Symlinks => self.symlinks(&mut at).await?,
                    _ => self.elements(&mut at).await?,
                }
            } else if at.outer != 0 && scans < SCANS_MAX {
                at = self.scan_keys(at.outer).await?;
                scans += 1;
            }
            let done = at.pending.is_empty() && at.outer == 0;
            if done || self.page.is_full() || at.pending.is_empty() && scans >= SCANS_MAX {
                self.page.next = (!done).then(|| at.print(kind));
                return Ok(());
            }
        }
    }

    async fn scan_keys(&mut self, cursor: u64) -> Result<Position, EngineError> {
        let kind = self.from.kind();
        let mut p = Pipeline::new();
        p.cmd("SCAN").arg(cursor);
        p.arg("MATCH").arg(format!("{}[0-9]*", prefix(kind)));
        p.arg("COUNT").arg(SCANNED);
        let (outer, found) = scanned(self.ask(&p).await?.pop().unwrap_or(Value::Nil))?;
        let mut pending = Vec::with_capacity(found.len());
        for key in found {
            pending.extend(bytes(key)?.and_then(|key| parse(kind, &key)));
        }
        pending.sort_unstable();
        pending.dedup();
        Ok(Position {
            outer,
            inner: 0,
            pending,
        })
    }

    async fn inodes(&mut self, at: &mut Position) -> Result<(), EngineError> {
        for (key, value) in self.values(at, SCAN_PAGE, keys::attr).await? {
            let Some(value) = bytes(value)? else { continue };
            let attr = decode_attr(&value);
            let attr = attr.map_err(|e| EngineError::corrupt(keys::attr(key), e.0));
            let record = attr.map(|attr| Record::Inode { ino: key, attr });
            self.page.add(record)?;
        }
        Ok(())
    }

    async fn symlinks(&mut self, at: &mut Position) -> Result<(), EngineError> {
        for (ino, value) in self.values(at, KEYS, keys::symlink).await? {
            if let Some(target) = bytes(value)? {
                self.page.add(Ok(Record::Symlink { ino, target }))?;
            }
        }
        Ok(())
    }

    /// The values of the next keys, which are strings. A key that has gone, or is no string, has none.
    async fn values(
        &mut self,
        at: &mut Position,
        most: usize,
        key: fn(Ino) -> String,
    ) -> Result<Vec<(Ino, Value)>, EngineError> {
        let rest = at.pending.split_off(at.pending.len().min(most));
        let inodes = std::mem::replace(&mut at.pending, rest);
        let mut p = Pipeline::new();
        p.cmd("MGET");
        for (ino, _) in &inodes {
            p.arg(key(Ino(*ino)));
        }
        let values = list(self.ask(&p).await?.pop().unwrap_or(Value::Nil))?;
        let inodes = inodes.into_iter().map(|(ino, _)| Ino(ino));
        Ok(inodes.zip(values).collect())
    }

    /// Reads the next keys, which are hashes, sets or lists: as many as fit, or a part of a large one.
    async fn elements(&mut self, at: &mut Position) -> Result<(), EngineError> {
        let kind = self.from.kind();
        let shape = shape(kind);
        if at.inner == 0 {
            let count = self.keys_that_fit(at, &shape).await?;
            if count > 0 {
                let rest = at.pending.split_off(count);
                let whole = std::mem::replace(&mut at.pending, rest);
                return self.whole(&shape, &whole).await;
            }
        }
        let (Some(some), Some(key)) = (shape.some, at.pending.first().copied()) else {
            return Ok(());
        };
        let mut p = Pipeline::new();
        p.cmd(some).arg(name(kind, key)).arg(at.inner);
        p.arg("COUNT").arg(shape.most);
        match self.ask(&p).await?.pop().unwrap_or(Value::Nil) {
            refused @ Value::ServerError(_) => {
                at.inner = 0;
                self.refused(&name(kind, key), refused)?;
            }
            answer => {
                let (next, elements) = scanned(answer)?;
                at.inner = next;
                self.take(key, Value::Array(elements))?;
            }
        }
        if at.inner == 0 {
            at.pending.remove(0);
        }
        Ok(())
    }

    /// How many of the next keys have few enough elements to be read at once. At least one where large
    /// ones cannot be read in parts. Keys that cannot be read are taken out.
    async fn keys_that_fit(
        &mut self,
        at: &mut Position,
        shape: &Shape,
    ) -> Result<usize, EngineError> {
        let kind = self.from.kind();
        let mut p = Pipeline::new();
        for key in at.pending.iter().take(KEYS) {
            p.cmd(shape.length).arg(name(kind, *key));
        }
        let (mut count, mut elements) = (0, 0);
        for answer in self.ask(&p).await? {
            if let Value::ServerError(_) = answer {
                let key = at.pending.remove(count);
                self.refused(&name(kind, key), answer)?;
                continue;
            }
            elements += number(answer)?.max(0) as usize;
            let alone = count == 0 && shape.some.is_none();
            if elements > shape.most && !alone {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    async fn whole(&mut self, shape: &Shape, keys: &[Numbers]) -> Result<(), EngineError> {
        let kind = self.from.kind();
        let mut p = Pipeline::new();
        for key in keys {
            p.cmd(shape.whole).arg(name(kind, *key));
            if kind == ScanKind::Chunks {
                p.arg(0).arg(-1);
            }
        }
        for (key, answer) in keys.iter().zip(self.ask(&p).await?) {
            match answer {
                refused @ Value::ServerError(_) => self.refused(&name(kind, *key), refused)?,
                answer => self.take(*key, answer)?,
            }
        }
        Ok(())
    }

    /// Adds the records of a key: the fields and values of a hash, the members of a set, or a list.
    fn take(&mut self, key: Numbers, answer: Value) -> Result<(), EngineError> {
        let kind = self.from.kind();
        let (ino, index) = (Ino(key.0), key.1);
        if kind == ScanKind::Chunks {
            let record = understand(&Key::Chunk(ino, index), &mut [answer].into_iter());
            let slices = match record.and_then(|answer| answer.into_bytes()) {
                Ok(None) => return Ok(()),
                Ok(Some(slices)) => slices,
                Err(e) => return self.page.add(Err(e)),
            };
            return self.page.add(Ok(Record::Chunk { ino, index, slices }));
        }
        let mut elements = list(answer)?.into_iter();
        while let Some(field) = elements.next() {
            if kind == ScanKind::Sustained {
                let ino = number(field).map(|ino| Ino(ino as u64));
                self.page
                    .add(ino.map(|ino| Record::Sustained { sid: key.0, ino }))?;
                continue;
            }
            let value = elements.next().unwrap_or(Value::Nil);
            if kind == ScanKind::Parents {
                let both = number(field).and_then(|parent| Ok((parent, number(value)?)));
                match both {
                    Ok((_, count)) if count <= 0 => {}
                    both => self.page.add(both.map(|(parent, count)| Record::Parent {
                        ino,
                        parent: Ino(parent as u64),
                        count,
                    }))?,
                }
                continue;
            }
            let field = bytes(field)?.unwrap_or_default();
            let value = bytes(value)?.unwrap_or_default();
            let record = if kind == ScanKind::Xattrs {
                let name = field;
                Ok(Record::Xattr { ino, name, value })
            } else {
                let name = Name::stored(&field);
                let what = || format!("entry {name:?} of {}", keys::entries(ino));
                match decode_entry(&value) {
                    Ok(entry) => Ok(Record::Entry {
                        dir: ino,
                        name,
                        entry,
                    }),
                    Err(e) => Err(EngineError::corrupt(what(), e.0)),
                }
            };
            self.page.add(record)?;
        }
        Ok(())
    }
}

impl Position {
    fn print(&self, kind: ScanKind) -> ScanCursor {
        let mut parts = vec![self.outer.into(), self.inner.into()];
        for (number, index) in &self.pending {
            parts.push((*number).into());
            if kind == ScanKind::Chunks {
                parts.push(u64::from(*index).into());
            }
        }
        ScanCursor::at(kind, parts)
    }

    fn read(kind: ScanKind, parts: &[CursorPart]) -> Option<Position> {
        let number = |part: &CursorPart| match part {
            CursorPart::Number(n) => Some(*n as u64),
            CursorPart::Bytes(_) => None,
        };
        let numbers: Vec<u64> = parts.iter().map(number).collect::<Option<_>>()?;
        let [outer, inner, pending @ ..] = &numbers[..] else {
            return None;
        };
        let pending = match kind {
            ScanKind::Chunks => {
                let pair = |pair: &[u64]| match pair {
                    [ino, index] => Some((*ino, u32::try_from(*index).ok()?)),
                    _ => None,
                };
                pending.chunks(2).map(pair).collect::<Option<_>>()?
            }
            _ => pending.iter().map(|n| (*n, 0)).collect(),
        };
        Some(Position {
            outer: *outer,
            inner: *inner,
            pending,
        })
    }
}

fn prefix(kind: ScanKind) -> &'static str {
    match kind {
        ScanKind::Inodes => "i",
        ScanKind::Symlinks => "s",
        _ => shape(kind).prefix,
    }
}

fn shape(kind: ScanKind) -> Shape {
    let hash = |prefix, most| Shape {
        prefix,
        length: "HLEN",
        whole: "HGETALL",
        some: Some("HSCAN"),
        most,
    };
    match kind {
        ScanKind::Xattrs => hash("x", XATTRS),
        ScanKind::Parents => hash("p", SCAN_PAGE),
        ScanKind::Sustained => Shape {
            prefix: "session",
            length: "SCARD",
            whole: "SMEMBERS",
            some: Some("SSCAN"),
            most: SCAN_PAGE,
        },
        ScanKind::Chunks => Shape {
            prefix: "c",
            length: "LLEN",
            whole: "LRANGE",
            some: None,
            most: SCAN_PAGE_BYTES / RECORD_BYTES,
        },
        _ => hash("d", SCAN_PAGE),
    }
}

fn name(kind: ScanKind, (number, index): Numbers) -> String {
    match kind {
        ScanKind::Chunks => keys::chunk(Ino(number), index),
        _ => format!("{}{number}", prefix(kind)),
    }
}

/// The numbers of a key; `None` for a key of another program.
fn parse(kind: ScanKind, key: &[u8]) -> Option<Numbers> {
    let text = std::str::from_utf8(key).ok()?;
    let numbers = text.strip_prefix(prefix(kind))?;
    let parsed = match numbers.split_once('_') {
        Some((ino, index)) if kind == ScanKind::Chunks => (ino.parse().ok()?, index.parse().ok()?),
        _ => (numbers.parse().ok()?, 0),
    };
    // `i007` is no key of a volume.
    (name(kind, parsed) == text).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_programs_are_left_out() {
        let chunk = |key: &str| parse(ScanKind::Chunks, key.as_bytes());
        assert_eq!(chunk("c12_3"), Some((12, 3)));
        for other in ["c12", "c12_", "c12_3_4", "c012_3", "c12_x", "c+1_2"] {
            assert_eq!(chunk(other), None, "{other}");
        }
        let inode = |key: &[u8]| parse(ScanKind::Inodes, key);
        assert_eq!(inode(b"i18446744073709551615"), Some((u64::MAX, 0)));
        for other in [&b"i"[..], b"i1_2", b"i1:x", b"i01", b"i1\xff"] {
            assert_eq!(inode(other), None, "{other:?}");
        }
        assert_eq!(parse(ScanKind::Sustained, b"session7"), Some((7, 0)));
        assert_eq!(parse(ScanKind::Sustained, b"sessions"), None);
    }

    #[test]
    fn positions_are_printed_and_read() {
        let at = Position {
            outer: 5 << 40,
            inner: 3,
            pending: vec![(7, 1), (7, 9)],
        };
        let cursor = at.print(ScanKind::Chunks);
        assert_eq!(cursor.to_string(), "chunks:5497558138880,3,7,1,7,9");
        let parts = cursor.position().unwrap_or_default();
        let again = Position::read(ScanKind::Chunks, parts);
        assert_eq!(again.map(|at| at.pending), Some(at.pending));
        assert!(Position::read(ScanKind::Chunks, &parts[..5]).is_none());
        assert!(Position::read(ScanKind::Entries, &parts[..1]).is_none());
    }
}
