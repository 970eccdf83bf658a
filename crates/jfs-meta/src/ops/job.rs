//! Jobs that one client of a volume at a time runs: each has a counter with the time of its last run.

use crate::change_log::Event;
use crate::engine::{Answer, Counter, JobSlot, Key, Write, own};
use crate::meta::Meta;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use jfs_types::{Errno, Ino};

struct ClaimJob {
    job: JobSlot,
    now_sec: i64,
    interval_sec: i64,
}

impl Meta {
    /// Wins a job: true, and the stored time becomes now, when no client has won it within the last
    /// `interval_sec` seconds. Of several clients at once one wins. Two round trips, one for a job that
    /// is not due.
    pub async fn claim_job(&self, job: JobSlot, interval_sec: i64) -> Result<bool, Errno> {
        let now_sec = self.now().sec;
        let op = ClaimJob {
            job,
            now_sec,
            interval_sec,
        };
        self.transact(&op).await
    }
}

impl Operation for ClaimJob {
    type Out = bool;
    const NAME: &'static str = "claim_job";

    fn locks(&self) -> Vec<Ino> {
        Vec::new()
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<bool, Stop> {
        let counter = Counter::Job(self.job);
        let key = Key::Counter(counter);
        tx.load(&[own(key.clone())]).await?;
        if tx.number(&key)? > self.now_sec - self.interval_sec {
            return Ok(false);
        }
        let (name, value) = (counter.name(), self.now_sec);
        tx.log(&Event::SetCounter { name, value });
        tx.write(Write::PutCounter { counter, value })?;
        Ok(true)
    }

    fn proof(&self, won: &bool) -> Proof {
        if !won {
            return Proof::Rerun;
        }
        let now = self.now_sec;
        let test = move |a: &Answer| *a == Answer::Number(now);
        Proof::Record(Key::Counter(Counter::Job(self.job)), Box::new(test))
    }
}
