//! Kinds whose records have keys by inode, chunk or session: SCAN names the keys, further commands read them.

use super::Scan;
use super::key_shapes::{Numbers, Shape, name, parse, prefix, shape};
use super::position::Position;
use crate::keys;
use crate::listing::scanned;
use crate::read::{bytes, list, number, understand};
use jfs_meta::EngineError;
use jfs_meta::engine::{Key, Record, SCAN_PAGE, ScanKind};
use jfs_meta::wire::{decode_attr, decode_entry};
use jfs_types::{Ino, Name};
use redis::{Pipeline, Value};

/// Keys that one SCAN looks at. The server names fewer where a database holds other keys too.
const SCANNED: usize = 2000;
/// SCANs of one page that find nothing before the page is given out empty.
const SCANS_MAX: usize = 16;
/// Keys whose lengths are asked for at a time, and links that are read at a time.
const KEYS: usize = 64;
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
