//! A batch of reads of an attempt: which rows are locked, in which order, and what no lock can keep.

use crate::dialect::Lock;
use crate::net::link::Step;
use crate::net::server::{locking, plain};
use crate::records::{self, Query};
use crate::statement::Statement;
use jfs_meta::engine::{Answer, Key, Read, Strength};
use jfs_types::Ino;
use std::collections::BTreeMap;

/// A record that an attempt has read with `Hold` or `Own`.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) key: Key,
    pub(crate) answer: Answer,
    pub(crate) guard: Guard,
}

/// What keeps a record as it was read until the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Its row is locked, or it never changes.
    Locked,
    /// The rows that were found are locked, and more may come: their number is checked by the commit.
    Count(usize),
    /// Nothing: it is read again and compared.
    Compare,
}

/// The steps of a batch.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) steps: Vec<Step>,
    /// For each read the number of its step.
    pub(crate) of_read: Vec<usize>,
    /// Inodes whose rows are locked for a change by this batch.
    pub(crate) owned: Vec<Ino>,
}

/// Whether a batch needs a transaction: it locks something, or its records are to stay as they are.
pub(crate) fn holds(reads: &[Read]) -> bool {
    reads.iter().any(|read| read.strength != Strength::Peek)
}

/// Orders a batch: nodes by inode, then other rows that are locked, always in the same order, so that two clients seldom wait for each
/// other in a circle; then what is read without a lock, which is at least as new.
///
/// `owned` are inodes whose rows this attempt has locked before.
pub(crate) fn plan(reads: &[Read], owned: &[Ino]) -> Batch {
    let mut nodes: BTreeMap<Ino, Lock> = BTreeMap::new();
    let mut note = |ino: Ino, lock: Lock| {
        let known = nodes.entry(ino).or_insert(Lock::None);
        *known = lock.max(*known);
    };
    for read in reads {
        match &read.key {
            Key::Attr(ino) => note(*ino, lock_of(read)),
            key => {
                if let Some(ino) = anchor(key, read.strength).filter(|ino| !owned.contains(ino)) {
                    note(ino, Lock::Update);
                }
            }
        }
    }
    let node = |ino: Ino| records::query(&Key::Attr(ino));
    let mut steps = Vec::with_capacity(reads.len() + 1);
    let mut places: BTreeMap<Ino, usize> = BTreeMap::new();
    for (ino, lock) in nodes.iter().filter(|(_, lock)| **lock != Lock::None) {
        places.insert(*ino, steps.len());
        steps.push(locking(node(*ino), *lock));
    }
    let mut rest: Vec<(Lock, Query, usize)> = Vec::new();
    let mut free: Vec<(Query, usize)> = Vec::new();
    for (number, read) in reads.iter().enumerate() {
        if let Key::Attr(ino) = read.key
            && places.contains_key(&ino)
        {
            continue;
        }
        let query = records::query(&read.key);
        match lock_of(read) {
            lock if lock != Lock::None && query.statement.is_lockable() => {
                rest.push((lock, query, number));
            }
            _ => free.push((query, number)),
        }
    }
    rest.sort_by(|(_, a, _), (_, b, _)| {
        (a.statement as usize, &a.params).cmp(&(b.statement as usize, &b.params))
    });
    let mut of_read = vec![0; reads.len()];
    for (lock, query, number) in rest {
        set(&mut of_read, number, steps.len());
        steps.push(locking(query, lock));
    }
    for (query, number) in free {
        set(&mut of_read, number, steps.len());
        steps.push(plain(query));
    }
    for (number, read) in reads.iter().enumerate() {
        if let Key::Attr(ino) = read.key
            && let Some(place) = places.get(&ino)
        {
            set(&mut of_read, number, *place);
        }
    }
    let owned = nodes.into_iter().filter(|(_, lock)| *lock == Lock::Update);
    Batch {
        steps,
        of_read,
        owned: owned.map(|(ino, _)| ino).collect(),
    }
}

fn set(places: &mut [usize], number: usize, place: usize) {
    if let Some(slot) = places.get_mut(number) {
        *slot = place;
    }
}

fn lock_of(read: &Read) -> Lock {
    match read.strength {
        Strength::Peek => Lock::None,
        Strength::Hold => Lock::Share,
        Strength::Own => Lock::Update,
    }
}

/// The inode whose row stands for a record that may be missing, or for a set of records: clients of this family change such records
/// only while they have that row locked. Names have the row of their directory, which operations read themselves.
fn anchor(key: &Key, strength: Strength) -> Option<Ino> {
    match (key, strength) {
        (_, Strength::Peek) => None,
        (Key::Locks(ino, _) | Key::Xattr(ino, _) | Key::DirIsEmpty(ino), _) => Some(*ino),
        _ => None,
    }
}

/// The guard of a record that was read with `Hold` or `Own`, for which `found` rows came back.
pub(crate) fn guard(key: &Key, found: usize) -> Guard {
    match key {
        Key::Acl(_) => Guard::Locked,
        Key::Locks(..) => Guard::Count(found),
        Key::DirIsEmpty(_) if found == 0 => Guard::Count(0),
        Key::DirIsEmpty(_) | Key::Parents(_) | Key::Xattrs(_) => Guard::Compare,
        _ if found == 0 => Guard::Count(0),
        _ => Guard::Locked,
    }
}

/// The statement whose rows a [`Guard::Count`] counts.
pub(crate) fn counted(key: &Key, found: usize) -> Query {
    let mut query = records::query(key);
    query.params.push(found.into());
    query
}

/// The statement that stores a record only where none is.
pub(crate) fn insertion(statement: Statement) -> Option<Statement> {
    match statement {
        Statement::CounterPut => Some(Statement::CounterInsert),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::dialect::Form;
    use crate::net::link::Run;
    use crate::value::Value;
    use jfs_meta::engine::{LockKind, hold, own, peek};
    use jfs_types::Name;

    fn runs(batch: &Batch) -> Vec<(Statement, Form, i64)> {
        let run = |step: &Step| match step {
            Step::Run(Run {
                statement,
                form,
                params,
            }) => match params.first() {
                Some(Value::Int(n)) => (*statement, *form, *n),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        batch.steps.iter().map(run).collect()
    }

    #[test]
    fn nodes_come_first_and_in_order() {
        let name = |n: &[u8]| Name::new(n).unwrap();
        let reads = [
            own(Key::Entry(Ino(9), name(b"b"))),
            peek(Key::Chunk(Ino(1), 0)),
            own(Key::Attr(Ino(9))),
            own(Key::Entry(Ino(3), name(b"a"))),
            hold(Key::Attr(Ino(3))),
            hold(Key::DirIsEmpty(Ino(3))),
        ];
        let batch = plan(&reads, &[]);
        let (update, share) = (Form::Plain(Lock::Update), Form::Plain(Lock::Share));
        let free = Form::Plain(Lock::None);
        assert_eq!(
            runs(&batch),
            [
                (Statement::Node, update, 3), // an empty directory stands on its row
                (Statement::Node, update, 9),
                (Statement::Edge, update, 3),
                (Statement::Edge, update, 9),
                (Statement::Chunk, free, 1),
                (Statement::EdgeAny, free, 3),
            ]
        );
        assert_eq!(batch.of_read, [3, 4, 1, 2, 0, 5]);
        assert_eq!(batch.owned, [Ino(3), Ino(9)]);
        assert_ne!(share, update);
    }

    #[test]
    fn sets_stand_on_the_row_of_their_inode_once() {
        let locks = Key::Locks(Ino(5), LockKind::Posix);
        let reads = [own(locks.clone()), peek(Key::Attr(Ino(5)))];
        let (update, locks_of) = (Form::Plain(Lock::Update), Statement::Plocks);
        let batch = plan(&reads, &[]);
        assert_eq!(
            runs(&batch),
            [(Statement::Node, update, 5), (locks_of, update, 5)]
        );
        assert_eq!(batch.of_read, [1, 0]);
        let batch = plan(&reads[..1], &[Ino(5)]);
        assert_eq!(runs(&batch), [(locks_of, update, 5)]);
        assert_eq!(guard(&locks, 2), Guard::Count(2));
    }

    #[test]
    fn peeks_lock_nothing() {
        let reads = [
            peek(Key::Attr(Ino(2))),
            peek(Key::Counter(jfs_meta::engine::Counter::NextTrash)),
        ];
        assert!(!holds(&reads));
        let batch = plan(&reads, &[]);
        assert!(batch.owned.is_empty());
        assert_eq!(batch.of_read, [0, 1]);
    }
}
