//! Commit marks: how it is found out whether a commit took place whose answer was lost.
//!
//! What a commit wrote says little about that: others may have changed it before anybody looks. So every
//! EXEC that changes something also stores its number in a key that no other client touches, the mark.
//! A number that is there says that the commit took place. A number that is not there says that it did
//! not, once it cannot take place any more: see [`Connections::look`](crate::connections::Connections).
//!
//! A mark has one user at a time, the one whose commits it numbers: there are as many as transactions run
//! at the same time. One that is given back in doubt, since its user gave up, is never used again: a
//! commit that is still on its way would write over the number of a later one.

use crate::keys;
use jfs_meta::EngineError;
use parking_lot::Mutex;
use redis::{Pipeline, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// How long the server keeps a mark after its last use, far longer than anybody is in doubt. What a client
/// that died has left is gone by then.
pub(crate) const KEPT: Duration = Duration::from_secs(3600);
/// A client that slept for so long between a commit and a look at its mark trusts no absence.
const TRUSTED: Duration = Duration::from_secs(1800);
/// What a look at a mark adds to its number.
const SEEN: &str = ".";

/// The marks of one engine instance.
pub(crate) struct Marks {
    instance: Uuid,
    commits: AtomicU64,
    slots: Mutex<Slots>,
}

/// Numbers of marks.
#[derive(Default)]
struct Slots {
    free: Vec<u64>,
    on_loan: BTreeSet<u64>,
    /// Never used so far.
    next: u64,
}

/// A mark on loan.
pub(crate) struct Mark {
    marks: Arc<Marks>,
    slot: u64,
    key: String,
    /// Number of the commit that nobody knows the end of, and when it was sent.
    doubt: Option<(u64, SystemTime)>,
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut slots = self.marks.slots.lock();
        slots.on_loan.remove(&self.slot);
        if self.doubt.is_none() {
            slots.free.push(self.slot);
        }
    }
}

impl Marks {
    pub(crate) fn new() -> Arc<Marks> {
        Arc::new(Marks {
            instance: Uuid::new_v4(),
            commits: AtomicU64::new(1),
            slots: Mutex::default(),
        })
    }

    pub(crate) fn take(self: &Arc<Marks>) -> Mark {
        let slot = {
            let mut slots = self.slots.lock();
            let slot = slots.free.pop().unwrap_or_else(|| {
                slots.next += 1;
                slots.next - 1
            });
            slots.on_loan.insert(slot);
            slot
        };
        Mark {
            marks: self.clone(),
            slot,
            key: keys::commit_mark(&self.instance, slot),
            doubt: None,
        }
    }

    /// Keys of the marks that nobody uses. They are not used again.
    pub(crate) fn abandon(&self) -> Vec<String> {
        let mut slots = self.slots.lock();
        slots.free.clear();
        (0..slots.next)
            .filter(|slot| !slots.on_loan.contains(slot))
            .map(|slot| keys::commit_mark(&self.instance, slot))
            .collect()
    }
}

impl Mark {
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Adds the command that marks a commit, the last one before EXEC. From now on there is a doubt, also
    /// when its caller is dropped.
    pub(crate) fn set(&mut self, p: &mut Pipeline) {
        let commit = self.marks.commits.fetch_add(1, Ordering::Relaxed);
        #[expect(
            clippy::disallowed_methods,
            reason = "the server expires marks by real time, so a clock of a test must not count"
        )]
        let now = SystemTime::now();
        self.doubt = Some((commit, now));
        p.cmd("SET")
            .arg(&self.key)
            .arg(commit)
            .arg("EX")
            .arg(KEPT.as_secs());
    }

    pub(crate) fn in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// It is known what became of the commit.
    pub(crate) fn settle(&mut self) {
        self.doubt = None;
    }

    /// Adds the commands that look at the mark; [`Mark::read`] understands the answers. They change it, so
    /// that an EXEC which comes later does nothing when its connection watches the mark, and leave the
    /// number in it, so that one may look again.
    pub(crate) fn look(&self, p: &mut Pipeline) {
        p.cmd("APPEND").arg(&self.key).arg(SEEN);
        p.cmd("EXPIRE").arg(&self.key).arg(KEPT.as_secs());
        p.cmd("GET").arg(&self.key);
    }

    /// Whether the commit in doubt took place. "No" is final only if it cannot take place later; an error
    /// says that there is no answer.
    pub(crate) fn read(&self, answers: &[Value]) -> Result<bool, EngineError> {
        let [touched, _, stored] = answers else {
            let text = format!("{} answers about a mark", answers.len());
            return Err(EngineError::Fatal(text));
        };
        let Some((commit, sent)) = self.doubt else {
            return Ok(false);
        };
        if let Value::BulkString(stored) = stored {
            let number = String::from_utf8_lossy(stored);
            if number.trim_end_matches(SEEN) == commit.to_string() {
                return Ok(true);
            }
        }
        match (touched, stored) {
            (Value::Int(_), Value::BulkString(_)) if self.is_kept(sent) => Ok(false),
            (Value::Int(_), Value::BulkString(_)) => {
                let text = "it may have expired before anybody looked";
                Err(EngineError::Fatal(text.to_string()))
            }
            (refused @ Value::ServerError(_), _) => Err(crate::read::unexpected(refused.clone())),
            (_, other) => Err(crate::read::unexpected(other.clone())),
        }
    }

    /// Whether the mark of a commit must still exist that was sent at `sent`. The time that the machine was
    /// asleep counts, so this asks the wall clock. When the clock was set back meanwhile, the mark counts as kept.
    #[expect(
        clippy::disallowed_methods,
        reason = "the server expires marks by real time, so a clock of a test must not count"
    )]
    fn is_kept(&self, sent: SystemTime) -> bool {
        sent.elapsed().is_ok_and(|age| age < TRUSTED) || sent > SystemTime::now()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn number_of(p: &Pipeline) -> String {
        let set = p.cmd_iter().last().unwrap();
        let number = set.args_iter().nth(2);
        match number.unwrap() {
            redis::Arg::Simple(b) => String::from_utf8(b.to_vec()).unwrap(),
            _ => String::new(),
        }
    }

    fn stored(text: &str) -> [Value; 3] {
        let stored = Value::BulkString(text.as_bytes().to_vec());
        [Value::Int(1), Value::Int(1), stored]
    }

    #[test]
    fn marks_are_used_again_unless_in_doubt() {
        let marks = Marks::new();
        let (one, mut two) = (marks.take(), marks.take());
        let (first, second) = (one.key().to_string(), two.key().to_string());
        assert_ne!(first, second);
        drop(one);
        assert_eq!(marks.take().key(), first);
        two.set(&mut Pipeline::new());
        drop(two);
        let again = marks.take();
        assert_eq!(again.key(), first);
        assert_ne!(marks.take().key(), second);
        // What is on loan is not removed; the others are, and no later one has their names.
        let removed = marks.abandon();
        assert_eq!(removed.len(), 2);
        assert!(removed.contains(&second) && !removed.contains(&first));
        drop(again);
        assert!(!removed.contains(&marks.take().key().to_string()));
        assert_ne!(Marks::new().take().key(), marks.take().key());
    }

    #[test]
    fn a_number_tells() {
        let marks = Marks::new();
        let mut mark = marks.take();
        let mut p = Pipeline::new();
        mark.set(&mut p);
        let first = number_of(&p);
        for text in [first.clone(), format!("{first}.."), format!("{first}.")] {
            assert!(mark.read(&stored(&text)).unwrap(), "{text}");
        }
        let (longer, shorter) = (format!("{first}0."), ".".to_string());
        for text in [longer, shorter, "0.".into(), String::new()] {
            assert!(!mark.read(&stored(&text)).unwrap(), "{text}");
        }
        mark.settle();
        let mut p = Pipeline::new();
        mark.set(&mut p);
        assert_ne!(number_of(&p), first);
        assert!(!mark.read(&stored(&first)).unwrap());
        assert!(mark.read(&[]).is_err());
    }

    #[test]
    fn what_may_have_expired_tells_nothing() {
        let mut mark = Marks::new().take();
        mark.set(&mut Pipeline::new());
        let (commit, sent) = mark.doubt.unwrap();
        mark.doubt = Some((commit, sent - TRUSTED));
        assert!(mark.read(&stored(".")).is_err());
        assert!(mark.read(&stored(&format!("{commit}."))).unwrap());
        let refused = redis::parse_redis_value(b"-OOM full\r\n").unwrap();
        let mut answers = stored("0");
        answers[0] = refused;
        assert!(mark.read(&answers).is_err());
    }
}
