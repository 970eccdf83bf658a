//! A model of locks: a kind for each byte and owner, a kind for each open file.

use super::operation::{Operation, Span};
use jfs_vfs::{LOCK_END_MAX, LockType};
use std::collections::BTreeMap;

/// Bytes that the model tells apart. The last one stands for all that follow.
pub(super) const BYTES: usize = 24;

/// The byte of a file that an index stands for, as the last byte of a range.
pub(super) fn last_byte(index: usize) -> u64 {
    match index == BYTES - 1 {
        true => LOCK_END_MAX,
        false => index as u64,
    }
}

fn index(byte: u64) -> usize {
    (byte as usize).min(BYTES - 1)
}

type Bytes = [Option<LockType>; BYTES];

/// The locks of one file.
#[derive(Default)]
pub(super) struct Model {
    records: BTreeMap<char, Bytes>,
    /// By owner and descriptor.
    flocks: BTreeMap<(char, usize), LockType>,
    /// The modes of open descriptors.
    open: BTreeMap<(char, usize), &'static str>,
    opened: BTreeMap<char, usize>,
}

impl Model {
    pub(super) fn descriptors(&self, owner: char) -> Vec<usize> {
        let of = self.open.keys().filter(|(o, _)| *o == owner);
        of.map(|(_, fd)| *fd).collect()
    }

    /// The answers that are right for an operation of `owner`, the best one first.
    pub(super) fn apply(&mut self, owner: char, operation: &Operation) -> Vec<String> {
        let said = |word: &str| vec![word.to_string()];
        match *operation {
            Operation::Open(mode) => {
                let fd = self.opened.entry(owner).or_default();
                *fd += 1;
                self.open.insert((owner, *fd), mode);
            }
            Operation::Close(fd) => {
                self.open.remove(&(owner, fd));
                self.flocks.remove(&(owner, fd));
                self.records.remove(&owner);
            }
            Operation::Flock(fd, kind, _) => {
                let same = self.flocks.get(&(owner, fd)) == Some(&kind);
                if !same {
                    self.flocks.remove(&(owner, fd));
                    let others = || self.flocks.values();
                    match kind {
                        LockType::Unlock => return said("ok"),
                        LockType::Write if others().next().is_some() => return said("EAGAIN"),
                        LockType::Read if others().any(|k| *k == LockType::Write) => {
                            return said("EAGAIN");
                        }
                        _ => drop(self.flocks.insert((owner, fd), kind)),
                    }
                }
            }
            Operation::Set(fd, span, _) => {
                let mode = self.open[&(owner, fd)];
                let needs = match span.0 {
                    LockType::Read => 'r',
                    LockType::Write => 'w',
                    LockType::Unlock => mode.chars().next().unwrap(),
                };
                if !mode.contains(needs) {
                    return said("EBADF");
                }
                if !self.in_the_way(owner, span).is_empty() {
                    return said("EAGAIN");
                }
                let bytes = self.records.entry(owner).or_default();
                let kind = (span.0 != LockType::Unlock).then_some(span.0);
                bytes[index(span.1)..=index(span.2)].fill(kind);
            }
            Operation::Get(_, span) => {
                let mut found = self.in_the_way(owner, span);
                found.sort_by_key(|(first, last, _, owner)| (*first, *last, *owner));
                return match found.is_empty() {
                    true => said("none"),
                    false => found.into_iter().map(show).collect(),
                };
            }
            Operation::Unlink | Operation::Rename | Operation::Exit => {
                panic!("not in the model")
            }
        }
        said("ok")
    }

    /// The longest locked ranges of other owners that conflict with a request.
    fn in_the_way(&self, owner: char, Span(kind, start, end): Span) -> Vec<Conflict> {
        let mut found = Vec::new();
        if kind == LockType::Unlock {
            return found;
        }
        for (other, bytes) in self.records.iter().filter(|(o, _)| **o != owner) {
            let mut at = 0;
            for run in bytes.chunk_by(|a, b| a == b) {
                let (first, last) = (at, at + run.len() - 1);
                at += run.len();
                let Some(held) = run[0] else { continue };
                let exclusive = held == LockType::Write || kind == LockType::Write;
                if exclusive && first <= index(end) && index(start) <= last {
                    found.push((first, last, held, *other));
                }
            }
        }
        found
    }
}

fn show((first, last, kind, owner): Conflict) -> String {
    let last = match last == BYTES - 1 {
        true => "max".to_string(),
        false => last.to_string(),
    };
    format!("{owner} {} {first} {last}", kind.letter())
}

/// First and last index, kind, owner.
type Conflict = (usize, usize, LockType, char);
