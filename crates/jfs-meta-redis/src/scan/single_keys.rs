//! Kinds whose records are the fields of one hash, or the members of one sorted set.

use super::Scan;
use crate::keys;
use crate::listing::{parse_delayed, parse_deleted, parse_slice, scanned};
use crate::quota::limits;
use crate::read::{bytes, list, number, score};
use bytes::Bytes;
use jfs_meta::EngineError;
use jfs_meta::engine::{Delayed, DirStat, Record, SCAN_PAGE, ScanCursor, ScanKind, SessionRecord};
use jfs_meta::wire::decode_acl;
use jfs_types::Ino;
use redis::{Pipeline, Value};

/// Records of delayed slices that are read at a time: up to 12 KB each where the reference wrote them.
const DELAYED: usize = 100;

impl Scan<'_> {
    pub(super) async fn single_key(&mut self) -> Result<(), EngineError> {
        let kind = self.from.kind();
        let (command, key) = match kind {
            ScanKind::Deleted => ("ZSCAN", keys::DELETED),
            ScanKind::Sessions => ("ZSCAN", keys::ALL_SESSIONS),
            ScanKind::SliceUsers => ("HSCAN", keys::SLICE_REFS),
            ScanKind::Delayed => ("HSCAN", keys::DELAYED),
            ScanKind::DirStats => ("HSCAN", keys::DIR_INODES),
            ScanKind::Quotas => ("HSCAN", keys::DIR_QUOTA),
            _ => ("HSCAN", keys::ACL),
        };
        let count = match kind {
            ScanKind::Delayed => DELAYED,
            _ => SCAN_PAGE,
        };
        let cursor = self.from.numbers::<1>()?.map_or(0, |[at]| at);
        let mut p = Pipeline::new();
        p.cmd(command).arg(key).arg(cursor).arg("COUNT").arg(count);
        let answer = match self.ask(&p).await?.pop().unwrap_or(Value::Nil) {
            refused @ Value::ServerError(_) => return self.refused(key, refused),
            answer => answer,
        };
        let (next, items) = scanned(answer)?;
        let mut pairs = Vec::with_capacity(items.len() / 2);
        let mut items = items.into_iter();
        while let (Some(field), Some(value)) = (items.next(), items.next()) {
            pairs.push((bytes(field)?.unwrap_or_default(), value));
        }
        // What belongs to the records and lies elsewhere.
        let others = match kind {
            ScanKind::Sessions => self.others(&pairs, &[keys::SESSION_INFOS]).await?,
            ScanKind::DirStats => {
                let hashes = [keys::DIR_LENGTH, keys::DIR_SPACE];
                self.others(&pairs, &hashes).await?
            }
            ScanKind::Quotas => {
                let hashes = [keys::DIR_QUOTA_SPACE, keys::DIR_QUOTA_INODES];
                self.others(&pairs, &hashes).await?
            }
            _ => Vec::new(),
        };
        let mut others: Vec<_> = others.into_iter().map(Vec::into_iter).collect();
        for (field, value) in pairs {
            let others = others
                .iter_mut()
                .map(|of| of.next().unwrap_or(Value::Nil))
                .collect();
            let record = understand(kind, &field, value, others);
            let named = |e| match e {
                EngineError::Corrupt { reason, .. } => EngineError::corrupt(
                    format!("{key} {:?}", String::from_utf8_lossy(&field)),
                    reason,
                ),
                e => e,
            };
            self.page.add(record.map_err(named))?;
        }
        self.page.next = (next != 0).then(|| ScanCursor::at(kind, vec![next.into()]));
        Ok(())
    }

    /// The values of the same fields in other hashes.
    async fn others(
        &self,
        pairs: &[(Bytes, Value)],
        hashes: &[&str],
    ) -> Result<Vec<Vec<Value>>, EngineError> {
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let mut p = Pipeline::new();
        for hash in hashes {
            p.cmd("HMGET").arg(*hash);
            for (field, _) in pairs {
                p.arg(&field[..]);
            }
        }
        self.ask(&p).await?.into_iter().map(list).collect()
    }
}

/// The record of one field. Errors of kind `Corrupt` do not name the field.
fn understand(
    kind: ScanKind,
    field: &[u8],
    value: Value,
    others: Vec<Value>,
) -> Result<Record, EngineError> {
    let corrupt = |reason: &str| EngineError::corrupt("", reason);
    let numbered = || {
        let text = std::str::from_utf8(field).ok();
        text.and_then(|text| text.parse::<u64>().ok())
            .ok_or_else(|| corrupt("the field is no number"))
    };
    let mut others = others.into_iter();
    let mut other = || others.next().unwrap_or(Value::Nil);
    Ok(match kind {
        ScanKind::Deleted => {
            let deleted = parse_deleted(field, score(value)?);
            Record::Deleted(deleted.ok_or_else(|| corrupt("the member is no removed file"))?)
        }
        ScanKind::Sessions => {
            let info = bytes(other())?.unwrap_or_default();
            Record::Session(SessionRecord {
                sid: numbered()?,
                expire: score(value)?,
                info: info.to_vec(),
            })
        }
        ScanKind::SliceUsers => {
            let slice = parse_slice(field);
            let (id, size) = slice.ok_or_else(|| corrupt("the field is no slice"))?;
            // Stored is the number of users less one.
            let users = number(value)? + 1;
            Record::SliceUsers { id, size, users }
        }
        ScanKind::Delayed => {
            let record = parse_delayed(field);
            let (id, time) = record.ok_or_else(|| corrupt("the field is no delayed record"))?;
            let entries = bytes(value)?.unwrap_or_default();
            Record::Delayed(Delayed { id, time, entries })
        }
        ScanKind::DirStats => {
            let dir = Ino(numbered()?);
            let stat = DirStat {
                length: number(other())?,
                space: number(other())?,
                inodes: number(value)?,
            };
            Record::DirStat { dir, stat }
        }
        ScanKind::Quotas => {
            let dir = Ino(numbered()?);
            let limits = limits(&bytes(value)?.unwrap_or_default());
            let mut quota = limits.ok_or_else(|| corrupt("the limits are not 16 bytes"))?;
            (quota.used_space, quota.used_inodes) = (number(other())?, number(other())?);
            Record::Quota { dir, quota }
        }
        _ => {
            let id = u32::try_from(numbered()?).map_err(|_| corrupt("the number is too large"))?;
            let rule = decode_acl(&bytes(value)?.unwrap_or_default());
            let rule = rule.map_err(|e| EngineError::corrupt("", e.0))?;
            Record::Acl { id, rule }
        }
    })
}
