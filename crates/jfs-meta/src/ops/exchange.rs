//! rename with `RENAME_EXCHANGE`: two names trade what they lead to.

use super::rename::{EXCHANGE, refuse_circle};
use super::{negated, stat_of, touch_dir, touch_dir_now, writable_dir};
use crate::change_log::Event;
use crate::engine::{Key, Write, own};
use crate::meta::Meta;
use crate::perm;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::{Attr, Caller, Errno, Ino, Name};

struct Exchange<'a> {
    caller: &'a Caller,
    /// The two places; the answer is what the first one led to.
    places: [(Ino, Name); 2],
    /// Bytes and inodes below each, where they are directories that come under other quotas.
    trees: [(i64, i64); 2],
}

/// An inode that changed its place.
struct Moved {
    ino: Ino,
    before: Attr,
    after: Attr,
}

impl Meta {
    /// Lets each of two names lead to what the other one led to. Both must exist. Returns what the
    /// first one led to.
    pub(super) async fn exchange(
        &self,
        caller: &Caller,
        from: (Ino, Name),
        to: (Ino, Name),
    ) -> Result<(Ino, Attr), Errno> {
        if from.0.is_trash() {
            return Err(Errno::EPERM);
        }
        let trees = [
            self.tree_that_moves(&from, to.0).await?,
            self.tree_that_moves(&to, from.0).await?,
        ];
        let op = Exchange {
            caller,
            places: [from, to],
            trees,
        };
        let moved = self.transact(&op).await?;
        for m in &moved {
            self.open_files
                .changed(m.ino, &m.before, &m.after, Some(u32::MAX));
        }
        let [first, _] = moved;
        Ok((first.ino, first.after))
    }
}

impl Operation for Exchange<'_> {
    type Out = [Moved; 2];
    const NAME: &'static str = "exchange";

    fn locks(&self) -> Vec<Ino> {
        self.places.iter().map(|(dir, _)| *dir).collect()
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<[Moved; 2], Stop> {
        let [(dir_a, name_a), (dir_b, name_b)] = &self.places;
        tx.load(&[
            own(Key::Attr(*dir_a)),
            own(Key::Attr(*dir_b)),
            own(Key::Entry(*dir_a, name_a.clone())),
            own(Key::Entry(*dir_b, name_b.clone())),
        ])
        .await?;
        let entry_a = tx.entry(*dir_a, name_a)?.ok_or(Errno::ENOENT)?;
        let entry_b = tx.entry(*dir_b, name_b)?.ok_or(Errno::ENOENT)?;
        tx.load(&[own(Key::Attr(entry_a.ino)), own(Key::Attr(entry_b.ino))])
            .await?;
        let dirs = [
            writable_dir(tx.attr(*dir_a)?, true)?,
            writable_dir(tx.attr(*dir_b)?, true)?,
        ];
        let before = [
            tx.attr(entry_a.ino)?.ok_or(Errno::ENOENT)?,
            tx.attr(entry_b.ino)?.ok_or(Errno::ENOENT)?,
        ];
        let mut may = [Ok(()), Ok(())];
        for (may, dir) in may.iter_mut().zip(&dirs) {
            *may = meta.may(self.caller, dir, perm::WRITE | perm::EXEC).await;
        }
        let elsewhere = dir_a != dir_b;
        self.plan(&dirs, &before, may)?;
        let [mut after_a, mut after_b] = before.clone();
        if entry_a.ino != entry_b.ino {
            if elsewhere && before[0].is_dir() {
                refuse_circle(tx, entry_a.ino, *dir_b, &dirs[1]).await?;
            }
            if elsewhere && before[1].is_dir() {
                refuse_circle(tx, entry_b.ino, *dir_a, &dirs[0]).await?;
            }
            if elsewhere {
                reparent(tx, entry_a.ino, &mut after_a, *dir_a, *dir_b)?;
                reparent(tx, entry_b.ino, &mut after_b, *dir_b, *dir_a)?;
            }
            (after_a.ctime, after_b.ctime) = (tx.now, tx.now);
            for (dir, name, entry) in [(dir_a, name_a, entry_b), (dir_b, name_b, entry_a)] {
                tx.write(Write::ReplaceEntry {
                    dir: *dir,
                    name: name.clone(),
                    entry,
                })?;
            }
            for (ino, attr) in [(entry_a.ino, &after_a), (entry_b.ino, &after_b)] {
                tx.write(Write::PutAttr {
                    ino,
                    attr: attr.clone(),
                })?;
            }
            self.touch(meta, tx, &dirs, &before)?;
            tx.log(&Event::Move {
                from: (*dir_a, name_a.as_bytes()),
                to: (*dir_b, name_b.as_bytes()),
                flags: EXCHANGE,
                replaced: Some(entry_b.ino),
                trash: None,
                ino: entry_a.ino,
            });
            if elsewhere {
                for (dir, comes, goes) in [(dir_a, 1, 0), (dir_b, 0, 1)] {
                    tx.add_dir_stat(*dir, stat_of(&before[comes]));
                    tx.add_dir_stat(*dir, negated(stat_of(&before[goes])));
                    let (plus, minus) = (self.trees[comes], self.trees[goes]);
                    tx.add_tree(*dir, plus.0 - minus.0, plus.1 - minus.1);
                }
            }
        }
        let [before_a, before_b] = before;
        Ok([
            Moved {
                ino: entry_a.ino,
                before: before_a,
                after: after_a,
            },
            Moved {
                ino: entry_b.ino,
                before: before_b,
                after: after_b,
            },
        ])
    }

    fn proof(&self, [first, _]: &[Moved; 2]) -> Proof {
        // The second name led elsewhere before.
        let (dir, name) = &self.places[1];
        Proof::entry_leads_to(*dir, name, first.ino)
    }
}

/// The inode `ino` is named in `to` instead of `from` now.
fn reparent(tx: &mut Txn, ino: Ino, attr: &mut Attr, from: Ino, to: Ino) -> Result<(), Stop> {
    if attr.parent != Ino(0) {
        attr.parent = to;
        return Ok(());
    }
    for (parent, delta) in [(to, 1), (from, -1)] {
        tx.write(Write::AddParent { ino, parent, delta })?;
    }
    Ok(())
}

impl Exchange<'_> {
    /// `may` says whether the caller may write each directory.
    fn plan(
        &self,
        dirs: &[Attr; 2],
        moved: &[Attr; 2],
        may: [Result<(), Errno>; 2],
    ) -> Result<(), Errno> {
        for may in may {
            may?;
        }
        if dirs.iter().any(|d| d.parent.is_trash()) {
            return Err(Errno::ENOENT);
        }
        for (dir, child) in dirs.iter().zip(moved) {
            perm::check_sticky(self.caller, dir, child)?;
        }
        if moved
            .iter()
            .any(|m| m.flags & (flags::IMMUTABLE | flags::APPEND) != 0)
        {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// A directory that comes or goes touches both parents, even when the link counts end up the same.
    fn touch(
        &self,
        meta: &Meta,
        tx: &mut Txn,
        dirs: &[Attr; 2],
        moved: &[Attr; 2],
    ) -> Result<(), Stop> {
        let [(dir_a, _), (dir_b, _)] = &self.places;
        if dir_a == dir_b {
            touch_dir(meta, tx, *dir_a, &dirs[0], 0)?;
            return Ok(());
        }
        let delta = i32::from(moved[1].is_dir()) - i32::from(moved[0].is_dir());
        for (dir, attr, delta) in [(dir_a, &dirs[0], delta), (dir_b, &dirs[1], -delta)] {
            if moved.iter().any(Attr::is_dir) {
                touch_dir_now(tx, *dir, attr, delta)?;
            } else {
                touch_dir(meta, tx, *dir, attr, 0)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::FileType;

    #[test]
    fn both_sides_are_judged() {
        let attr = |kind, mode, flags| {
            let mut a = Attr::new(kind);
            (a.mode, a.flags, a.uid) = (mode, flags, 7);
            a
        };
        let place = |n| (Ino(n), Name::stored(b"n"));
        let user = Caller::user(5, 5);
        let op = Exchange {
            caller: &user,
            places: [place(2), place(3)],
            trees: [(0, 0); 2],
        };
        let open = attr(FileType::Directory, 0o777, 0);
        let sticky = attr(FileType::Directory, 0o1777, 0);
        let file = attr(FileType::Regular, 0o644, 0);
        let frozen = attr(FileType::Regular, 0o644, flags::IMMUTABLE);
        let ok = [Ok(()), Ok(())];
        let plan = |dirs, moved, may| op.plan(&dirs, &moved, may);
        let both = |a: &Attr, b: &Attr| [a.clone(), b.clone()];
        assert_eq!(plan(both(&open, &open), both(&file, &file), ok), Ok(()));
        assert_eq!(
            plan(both(&open, &sticky), both(&file, &file), ok),
            Err(Errno::EACCES)
        );
        assert_eq!(
            plan(both(&sticky, &open), both(&file, &file), ok),
            Err(Errno::EACCES)
        );
        assert_eq!(
            plan(both(&open, &open), both(&file, &frozen), ok),
            Err(Errno::EPERM)
        );
        assert_eq!(
            plan(
                both(&open, &open),
                both(&file, &file),
                [Ok(()), Err(Errno::EACCES)]
            ),
            Err(Errno::EACCES)
        );
        let mut trashed = open.clone();
        trashed.parent = Ino(Ino::TRASH.0 + 1);
        assert_eq!(
            plan(both(&open, &trashed), both(&file, &file), ok),
            Err(Errno::ENOENT)
        );
    }
}
