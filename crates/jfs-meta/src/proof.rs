//! Proofs: how an operation finds out whether a commit was applied when its answer was lost.
//!
//! Proofs are for engines that cannot tell it themselves
//! ([`crate::engine::Capabilities::settles_lost_answers`] is false). A record is evidence only as long as no
//! other client changes it, and these engines make sure of that:
//!
//! - SQLite: a commit is in doubt only when the disk has failed. No process has seen that commit, and the
//!   next commit that succeeds is written over it. So a look finds the state before, and running the
//!   operation again is right.
//! - Memory: a commit is never in doubt. Tests inject the doubt, with one client.

use crate::engine::{Answer, Key};
use crate::wire::decode_records;
use jfs_types::{Attr, Ino, Name, SliceId};

/// The evidence of one operation.
pub(crate) enum Proof {
    /// None is needed: running the operation again gives the same result in both cases.
    Rerun,
    /// The commit was applied if and only if the record passes the test.
    Record(Key, Box<dyn Fn(&Answer) -> bool + Send>),
}

impl Proof {
    /// The name leads to this inode.
    pub(crate) fn entry_leads_to(dir: Ino, name: &Name, ino: Ino) -> Proof {
        let test = move |a: &Answer| matches!(a, Answer::Entry(Some(e)) if e.ino == ino);
        Proof::Record(Key::Entry(dir, name.clone()), Box::new(test))
    }

    /// The name does not lead to this inode any more.
    pub(crate) fn entry_left(dir: Ino, name: &Name, ino: Ino) -> Proof {
        let test = move |a: &Answer| !matches!(a, Answer::Entry(Some(e)) if e.ino == ino);
        Proof::Record(Key::Entry(dir, name.clone()), Box::new(test))
    }

    /// The inode has exactly these attributes.
    pub(crate) fn attr_is(ino: Ino, attr: &Attr) -> Proof {
        let attr = attr.clone();
        let test = move |a: &Answer| matches!(a, Answer::Attr(Some(found)) if *found == attr);
        Proof::Record(Key::Attr(ino), Box::new(test))
    }

    /// The list of the chunk has a record of this slice.
    pub(crate) fn chunk_has(ino: Ino, index: u32, id: SliceId) -> Proof {
        let test = move |a: &Answer| match a {
            Answer::Bytes(Some(list)) => {
                decode_records(list).is_ok_and(|records| records.iter().any(|r| r.id == id))
            }
            _ => false,
        };
        Proof::Record(Key::Chunk(ino, index), Box::new(test))
    }

    /// The record of bytes is gone.
    pub(crate) fn bytes_are_gone(key: Key) -> Proof {
        Proof::Record(key, Box::new(|a| matches!(a, Answer::Bytes(None))))
    }
}
