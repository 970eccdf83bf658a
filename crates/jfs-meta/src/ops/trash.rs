//! The trash: hour directories, and emptying the old ones.

use super::lookup::TRASH_NAME;
use crate::change_log::Event;
use crate::engine::{Counter, DirCursor, Key, Read, Write, hold, own};
use crate::meta::Meta;
use crate::proof::Proof;
use crate::run::{Operation, patiently};
use crate::txn::{Stop, Txn};
use jfs_types::{Attr, Entry, Errno, FileType, Ino, Name};

/// Entries that fail with EIO one after the other before the rest is left for later: then the engine is away.
const FAILURES_MAX: usize = 20;
/// Passes in a row over an hour directory in which each entry turns out to be gone.
const VAIN_PASSES_MAX: u32 = 3;

/// An hour directory of the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrashHour {
    /// Its name, `YYYY-MM-DD-HH` in UTC.
    pub name: Name,
    /// Its inode.
    pub ino: Ino,
    /// The hour it stands for, in hours since the epoch.
    pub hour: i64,
}

/// The outcome for the entries of an hour directory when each was tried once.
#[derive(Default)]
struct Pass {
    removed: usize,
    /// Listed, but not there when they were to be removed.
    vanished: usize,
    /// The first failure.
    failed: Option<Errno>,
}

/// Times that one removal makes a new hour directory because the one it knew was gone.
const HOURS_MAX: u32 = 3;

struct NewHour {
    name: Name,
    ino: Ino,
}

/// Reads the hour directory that a removed inode goes to, for [`hour_is_gone`].
pub(super) fn hour_read(trash: Option<Ino>) -> Option<Read> {
    trash.map(|hour| hold(Key::Attr(hour)))
}

/// Whether the hour directory is no longer in the trash. A client remembers its inode for an hour, and any
/// client may remove it meanwhile. An entry below a removed directory would be lost, so each commit that
/// adds one holds the directory.
pub(super) fn hour_is_gone(tx: &Txn, trash: Option<Ino>) -> Result<bool, Stop> {
    let Some(hour) = trash else { return Ok(false) };
    let attr = tx.attr(hour)?;
    Ok(!attr.is_some_and(|a| a.is_dir() && a.parent == Ino::TRASH))
}

impl Meta {
    /// The hour directory that removed entries go to now, created on first use; `None` when the
    /// volume has no trash. No round trip while the hour lasts.
    pub(crate) async fn trash_dir(&self) -> Result<Option<Ino>, Errno> {
        if let Some(known) = self.known_trash_dir() {
            return Ok(known);
        }
        let name = hour_name(self.now().sec.div_euclid(3600));
        let ino = self
            .within(
                "trash_dir",
                self.find_or_make_hour(Name::stored(name.as_bytes())),
            )
            .await?;
        *self.trash_hour.lock() = Some((name, ino));
        Ok(Some(ino))
    }

    /// The answer of [`Meta::trash_dir`] when it needs no round trip.
    pub(crate) fn known_trash_dir(&self) -> Option<Option<Ino>> {
        if self.format().trash_days <= 0 {
            return Some(None);
        }
        let name = hour_name(self.now().sec.div_euclid(3600));
        let hour = self.trash_hour.lock();
        hour.as_ref()
            .filter(|(known, _)| *known == name)
            .map(|(_, ino)| Some(*ino))
    }

    /// Forgets the hour directory `gone`, which a transaction has not found. EIO after [`HOURS_MAX`] `tries`.
    pub(super) fn forget_hour(&self, gone: Option<Ino>, tries: &mut u32) -> Result<(), Errno> {
        let Some(gone) = gone else { return Ok(()) };
        let mut hour = self.trash_hour.lock();
        if hour.as_ref().is_some_and(|(_, known)| *known == gone) {
            *hour = None;
        }
        *tries += 1;
        if *tries < HOURS_MAX {
            return Ok(());
        }
        tracing::error!("hour directories of the trash disappear as soon as they are made");
        Err(Errno::EIO)
    }

    async fn find_or_make_hour(&self, name: Name) -> Result<Ino, Errno> {
        for _ in 0..3 {
            let found = patiently(|| self.engine().lookup(Ino::TRASH, &name)).await;
            let found = found.map_err(|e| self.to_errno("trash_dir", &e))?;
            if let Some((entry, Some(attr))) = found
                && attr.parent == Ino::TRASH
            {
                return Ok(entry.ino);
            }
            let n = patiently(|| self.engine().add_counter(Counter::NextTrash, 1)).await;
            let n = n.map_err(|e| self.to_errno("trash_dir", &e))?;
            let op = NewHour {
                name: name.clone(),
                ino: Ino(Ino::TRASH.0 + n as u64),
            };
            match self.transact(&op).await {
                Ok(()) => return Ok(op.ino),
                Err(Errno::EEXIST) => {} // another client was faster
                Err(e) => return Err(e),
            }
        }
        Err(Errno::EIO)
    }

    /// Hour directories older than `TrashDays` days and two hours, oldest first.
    pub async fn expired_trash_hours(&self) -> Result<Vec<TrashHour>, Errno> {
        let days = self.format().trash_days.max(0);
        let limit = self.now().sec.div_euclid(3600) - 24 * days - 2;
        let mut hours = self.trash_hours().await?;
        hours.retain(|h| h.hour < limit);
        Ok(hours)
    }

    /// All hour directories, oldest first.
    pub async fn trash_hours(&self) -> Result<Vec<TrashHour>, Errno> {
        let mut hours = Vec::new();
        let mut cursor = DirCursor::Start;
        loop {
            let page = patiently(|| self.engine().list_dir(Ino::TRASH, &cursor, false)).await;
            let page = page.map_err(|e| self.to_errno("trash", &e))?;
            for e in page.entries {
                if let Some(hour) = parse_hour(e.name.as_bytes())
                    && e.entry.ino.is_trash()
                {
                    hours.push(TrashHour {
                        name: e.name,
                        ino: e.entry.ino,
                        hour,
                    });
                }
            }
            match page.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        hours.sort_by_key(|h| h.hour);
        hours.dedup();
        Ok(hours)
    }

    /// Removes what an hour directory holds, oldest inodes of a page first, then the directory. Returns the
    /// number of entries removed. Safe to repeat. An entry that fails does not keep the others; the first
    /// failure is returned when all were tried. ENOENT when listed entries cannot be removed.
    pub async fn empty_trash_hour(&self, hour: &TrashHour) -> Result<usize, Errno> {
        let (mut removed, mut vain) = (0, 0);
        loop {
            let pass = self.empty_once(hour.ino).await?;
            removed += pass.removed;
            match (pass.removed, pass.vanished, pass.failed) {
                (0, 0, None) => break,
                (0, _, Some(why)) => return Err(why),
                (0, names, None) => {
                    // Another client removes them at the same time, or they cannot be removed at all.
                    vain += 1;
                    if vain == VAIN_PASSES_MAX {
                        let name = &hour.name;
                        tracing::error!("{names} entries of {name:?} in the trash lead nowhere");
                        return Err(Errno::ENOENT);
                    }
                }
                _ => vain = 0,
            }
        }
        match self
            .remove_for_good(Ino::TRASH, &hour.name, FileType::Directory)
            .await
        {
            Ok(()) | Err(Errno::ENOENT) => Ok(removed),
            Err(e) => Err(e),
        }
    }

    /// Tries each entry of an hour directory once.
    async fn empty_once(&self, hour: Ino) -> Result<Pass, Errno> {
        let (mut pass, mut away) = (Pass::default(), 0);
        let mut cursor = DirCursor::Start;
        loop {
            let page = patiently(|| self.engine().list_dir(hour, &cursor, false)).await;
            let mut page = page.map_err(|e| self.to_errno("trash", &e))?;
            page.entries.sort_by_key(|e| e.entry.ino);
            for e in page.entries {
                match self.remove_for_good(hour, &e.name, e.entry.kind).await {
                    Ok(()) => {
                        pass.removed += 1;
                        away = 0;
                    }
                    Err(Errno::ENOENT) => pass.vanished += 1,
                    Err(why) => {
                        tracing::warn!("{:?} stays in the trash: {why}", e.name);
                        pass.failed = pass.failed.or(Some(why));
                        away = if why == Errno::EIO { away + 1 } else { 0 };
                        if away == FAILURES_MAX {
                            return Err(why);
                        }
                    }
                }
            }
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(pass),
            }
        }
    }

    /// Whether `name` in the root is the trash.
    pub fn is_trash_name(parent: Ino, name: &[u8]) -> bool {
        parent == Ino::ROOT && name == TRASH_NAME
    }
}

impl Operation for NewHour {
    type Out = ();
    const NAME: &'static str = "trash_dir";

    fn locks(&self) -> Vec<Ino> {
        vec![Ino::TRASH]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        tx.load(&[own(Key::Entry(Ino::TRASH, self.name.clone()))])
            .await?;
        let old = tx.entry(Ino::TRASH, &self.name)?;
        if let Some(old) = old {
            tx.load(&[hold(Key::Attr(old.ino))]).await?;
            if !hour_is_gone(tx, Some(old.ino))? {
                return Err(Errno::EEXIST.into());
            }
        }
        let mut attr = Attr::new(FileType::Directory);
        attr.mode = 0o555;
        attr.parent = Ino::TRASH;
        (attr.atime, attr.mtime, attr.ctime) = (tx.now, tx.now, tx.now);
        let entry = Entry {
            kind: FileType::Directory,
            ino: self.ino,
        };
        let (dir, name) = (Ino::TRASH, self.name.clone());
        tx.write(match old {
            // The name of an hour directory that is not there.
            Some(_) => Write::ReplaceEntry { dir, name, entry },
            None => Write::NewEntry { dir, name, entry },
        })?;
        tx.write(Write::NewNode {
            ino: self.ino,
            attr: attr.clone(),
        })?;
        if meta.format().dir_stats {
            tx.write(Write::NewDirStat { dir: self.ino })?;
        }
        tx.log(&Event::Create {
            parent: Ino::TRASH,
            name: self.name.as_bytes(),
            uid: attr.uid,
            gid: attr.gid,
            kind: attr.kind,
            mode: attr.mode,
            umask: 0,
            target: b"",
            touched: false,
            ino: self.ino,
        });
        tx.add_usage(&attr, 4096, 1);
        Ok(())
    }

    fn proof(&self, _: &()) -> Proof {
        Proof::entry_leads_to(Ino::TRASH, &self.name, self.ino)
    }
}

/// `YYYY-MM-DD-HH` of an hour since the epoch, UTC.
fn hour_name(hour: i64) -> String {
    let (days, hour) = (hour.div_euclid(24), hour.rem_euclid(24));
    let (y, m, d) = civil(days);
    format!("{y:04}-{m:02}-{d:02}-{hour:02}")
}

/// The hour since the epoch that a directory name stands for.
fn parse_hour(name: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(name).ok()?;
    let mut parts = text.split('-').map(|p| p.parse::<i64>().ok());
    let (y, m, d, h) = (
        parts.next()??,
        parts.next()??,
        parts.next()??,
        parts.next()??,
    );
    let sane = (1..=12).contains(&m)
        && (1..=31).contains(&d)
        && (0..24).contains(&h)
        && (0..=9999).contains(&y);
    if !sane || parts.next().is_some() {
        return None;
    }
    Some(days(y, m, d) * 24 + h)
}

/// Days since the epoch of a date in the proleptic Gregorian calendar, years counted from March so
/// that the leap day comes last.
fn days(y: i64, m: i64, d: i64) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((m + 9) % 12) + 2) / 5 + d - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day since the epoch; the inverse of [`days`].
fn civil(day: i64) -> (i64, i64, i64) {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let d = day_of_year - (153 * month + 2) / 5 + 1;
    let m = if month < 10 { month + 3 } else { month - 9 };
    let y = year_of_era + era * 400 + i64::from(m <= 2);
    (y, m, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_have_names_and_back() {
        assert_eq!(hour_name(0), "1970-01-01-00");
        assert_eq!(parse_hour(b"2026-11-22-21"), Some(1_795_382_665 / 3600));
        assert_eq!(hour_name(1_795_382_665 / 3600), "2026-11-22-21");
        for hour in (0..900_000).step_by(7) {
            assert_eq!(parse_hour(hour_name(hour).as_bytes()), Some(hour));
        }
        for bad in [
            &b"x"[..],
            b"2026-13-01-00",
            b"2026-01-01",
            b"2026-01-01-24",
            b"2026-01-01-00-1",
            b"\xff",
        ] {
            assert_eq!(parse_hour(bad), None);
        }
    }
}
