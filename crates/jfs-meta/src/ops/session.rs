//! Sessions: registering, heartbeats, and cleaning up after the dead.

use crate::OutageWait;
use crate::change_log::Event;
use crate::engine::{Counter, EngineError, JobSlot, LockKind, LockRow, SessionRecord, Write};
use crate::meta::{Meta, MetaConfig};
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use crate::volume_access::changed_for_good;
use crate::wire::SessionInfo;
use jfs_types::{Errno, Format, Ino};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A session runs out after this many heartbeats without a sign of life.
const HEARTBEATS: u32 = 5;
/// Expiry of a session that sends no heartbeats: a year.
const NO_HEARTBEAT_SEC: i64 = 365 * 24 * 3600;
/// Stale sessions cleaned in one go.
const STALE_MAX: usize = 1000;
/// Locks of a session, and its record, that one commit removes.
const DROPS_MAX: usize = 1000;
/// Records that dropping the record of a session changes, besides the one that counts already.
const DROP_RECORDS: usize = 1;
/// Sessions that fail before the rest is left for the next time: then the engine is away.
const FAILURES_MAX: usize = 20;

/// The reason why a client has to stop.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The setting could not be read this time.
    #[error("the volume's setting cannot be read: {0}")]
    Engine(#[from] EngineError),
    /// The volume is gone or another one has taken its place.
    #[error("{0}")]
    Lost(String),
}

impl Meta {
    /// Registers this client. Read-only clients do not register.
    pub async fn new_session(&self, info: &SessionInfo) -> Result<u64, Errno> {
        let (json, expire) = (info_json(info), self.session_expiry());
        let name = Counter::NextSession.name();
        let mut log = self.change_log().lines(&Event::AddCounter { name, n: 1 });
        let info = &json;
        log.extend(self.change_log().lines(&Event::NewSession { expire, info }));
        let sid = self
            .engine()
            .new_session(expire, &json, &log)
            .await
            .map_err(|e| self.to_errno("new_session", &e))?;
        self.session.store(sid, Ordering::Release);
        self.change_log().set_session(sid);
        self.session_watch.beat(self.now());
        self.refresh_usage().await;
        self.load_quotas().await?;
        if self.format().dir_stats
            && let Err(e) = self
                .dir_stats
                .ensure(&**self.engine(), self.change_log(), Ino::ROOT)
                .await
        {
            tracing::debug!("whether the root has statistics is left to the first flush: {e}");
        }
        Ok(sid)
    }

    /// Sends a sign of life.
    pub async fn heartbeat(&self, info: &SessionInfo) -> Result<(), EngineError> {
        let Some(sid) = self.session_id() else {
            return Ok(());
        };
        self.check_present()
            .map_err(|_| EngineError::Fatal("the volume is lost".into()))?;
        let sent = self
            .engine()
            .refresh_session(sid, self.session_expiry(), &info_json(info))
            .await;
        match &sent {
            Ok(()) => self.session_watch.beat(self.now()),
            Err(e) => {
                self.session_watch.miss();
                self.note_failure(e);
            }
        }
        sent
    }

    fn session_expiry(&self) -> i64 {
        let heartbeat = self.config().heartbeat;
        let life = if heartbeat.is_zero() {
            NO_HEARTBEAT_SEC
        } else {
            session_life(self.config()).as_secs() as i64
        };
        self.now().sec + life
    }

    /// Reads the setting again, and decides anew whether this client may write. An error of kind `Lost`
    /// means that it must stop: nothing is stored any more.
    pub async fn reload_format(&self) -> Result<(), ReloadError> {
        let read = self.read_setting().await;
        if let Err(ReloadError::Lost(why)) = &read {
            self.lose(why);
        }
        read
    }

    async fn read_setting(&self) -> Result<(), ReloadError> {
        let lost = |text: &str| ReloadError::Lost(text.to_string());
        let json = match self.engine().load_setting().await {
            Err(EngineError::Replaced(why)) => return Err(ReloadError::Lost(why)),
            json => json?.ok_or_else(|| lost("the volume's setting is gone"))?,
        };
        let before = self.format();
        let format = match Format::from_json(&json) {
            Ok(format) => format,
            // Half a document says nothing about the volume: what was read before stays in use.
            Err(why) => {
                self.accept(&json, &before);
                return Err(EngineError::corrupt("the volume's setting", why).into());
            }
        };
        if format.uuid != before.uuid {
            return Err(lost("another volume has taken the place of this one"));
        }
        if let Some(what) = changed_for_good(&before, &format) {
            return Err(ReloadError::Lost(format!(
                "the {what} of the volume is another one now"
            )));
        }
        format
            .check_version(jfs_types::version::ACTS_AS)
            .map_err(ReloadError::Lost)?;
        // Before changes pass under the new setting: it says what has to be kept besides.
        if format != *before {
            tracing::info!("the volume's setting has changed");
            self.set_format(format.clone());
        }
        self.accept(&json, &format);
        Ok(())
    }

    /// Reads the setting that an attempt found changed. Waits for an engine that is away.
    pub(crate) async fn follow_setting(&self) -> Result<(), Stop> {
        let mut outage = OutageWait::begin();
        loop {
            return match self.reload_format().await {
                Ok(()) => Ok(()),
                Err(ReloadError::Lost(_)) => Err(Stop::Answer(Errno::EIO)),
                Err(ReloadError::Engine(EngineError::Transient(why)))
                    if outage.wait(&why).await =>
                {
                    continue;
                }
                // The setting does not decode: see `read_setting`.
                Err(ReloadError::Engine(EngineError::Corrupt { .. })) => Ok(()),
                Err(ReloadError::Engine(e)) => Err(Stop::Engine(e)),
            };
        }
    }

    /// Ends this client's session: what it sustains is deleted, its record dropped.
    ///
    /// A client that may not change its volume any more leaves the session, which runs out: another one
    /// cleans it.
    pub async fn close_session(&self) -> Result<(), Errno> {
        if !self.is_writable() && self.session_id().is_some() {
            self.flush_stats().await;
            self.session.store(0, Ordering::Release);
            return Ok(());
        }
        let Some(sid) = self.session_id() else {
            self.flush_stats().await;
            return Ok(());
        };
        let dropped = self.drop_session(sid).await;
        // Last: deleting what was sustained gives usage back.
        self.flush_stats().await;
        dropped?;
        self.session.store(0, Ordering::Release);
        Ok(())
    }

    /// Deletes what a session sustains, then its locks, then its record: the record is the only trace of
    /// the others, so it goes last. What the session sustains or locks meanwhile stays.
    async fn drop_session(&self, sid: u64) -> Result<(), Errno> {
        let op = "drop_session";
        let inodes = self
            .engine()
            .list_sustained(sid)
            .await
            .map_err(|e| self.to_errno(op, &e))?;
        let mut failed = None;
        for ino in inodes {
            if let Err(e) = self.delete_sustained_of(sid, ino).await {
                failed = failed.or(Some(e));
            }
        }
        // The record is the only trace of what could not be deleted.
        if let Some(e) = failed {
            return Err(e);
        }
        let locks = self.engine().list_locks(sid).await;
        let locks = locks.map_err(|e| self.to_errno(op, &e))?;
        let mut writes = unlocks(locks);
        writes.push(Write::DelSession { sid });
        let most = self.records_of_a_commit().saturating_sub(DROP_RECORDS);
        for writes in writes.chunks(most.clamp(1, DROPS_MAX)) {
            self.transact(&DropSession { writes }).await?;
        }
        Ok(())
    }

    /// Drops the session of another client. One that turns out to be alive may have sustained more since
    /// that was listed: then the record that leads there comes back, as at its next heartbeat.
    async fn clean_session(&self, session: &SessionRecord) -> Result<(), Errno> {
        let op = "clean_session";
        let sid = session.sid;
        self.drop_session(sid).await?;
        let left = self.engine().list_sustained(sid).await;
        if left.map_err(|e| self.to_errno(op, &e))?.is_empty() {
            return Ok(());
        }
        tracing::info!("session {sid} has woken up");
        let info = String::from_utf8_lossy(&session.info);
        self.engine()
            .refresh_session(sid, self.session_expiry(), &info)
            .await
            .map_err(|e| self.to_errno(op, &e))
    }

    /// Cleans the sessions of clients that are dead, when this client wins the job. Returns how many.
    /// Call it after every heartbeat.
    ///
    /// A client is dead when its session has run out and showed no sign of life for one full life, in
    /// which this client's own heartbeats succeeded without a gap. Until this client has watched for so
    /// long it leaves the job to others.
    pub async fn clean_stale_sessions(&self) -> Result<usize, Errno> {
        let op = "clean_stale_sessions";
        self.check_writable()?;
        if self.session_watch.may_judge(self.now()) {
            let interval = (self.config().heartbeat.as_secs() * 9 / 10).max(1) as i64;
            if !self.claim_job(JobSlot::StaleSessions, interval).await? {
                return Ok(0);
            }
        }
        let sessions = self
            .engine()
            .list_sessions()
            .await
            .map_err(|e| self.to_errno(op, &e))?;
        let own = self.session_id();
        let stale = self.session_watch.judge(sessions, self.now()).into_iter();
        let stale = stale.filter(|s| Some(s.sid) != own);
        let (mut cleaned, mut failed, mut left) = (0, None, FAILURES_MAX);
        for session in stale.take(STALE_MAX) {
            // The rest waits for the next heartbeat.
            if !self.session_watch.goes_on(self.now()) {
                break;
            }
            tracing::info!("cleaning up stale session {}", session.sid);
            match self.clean_session(&session).await {
                Ok(()) => cleaned += 1,
                // The sustained inodes of this session cannot be read: the session stays,
                // and the others go.
                Err(e) => {
                    failed = failed.or(Some(e));
                    left -= 1;
                }
            }
            if left == 0 {
                break;
            }
        }
        failed.map_or(Ok(cleaned), Err)
    }
}

/// The removal of all locks of a session.
fn unlocks(mut locks: Vec<(Ino, LockKind, LockRow)>) -> Vec<Write> {
    locks.sort_unstable();
    let place = |lock: &(Ino, LockKind, LockRow)| (lock.0, lock.1);
    let unlock = |(n, lock): (usize, &(Ino, LockKind, LockRow))| Write::DelLock {
        ino: lock.0,
        kind: lock.1,
        sid: lock.2.sid,
        owner: lock.2.owner,
        last_of_session: locks.get(n + 1).map(place) != Some(place(lock)),
    };
    locks.iter().enumerate().map(unlock).collect()
}

/// A part of what is kept about a session.
struct DropSession<'a> {
    writes: &'a [Write],
}

impl Operation for DropSession<'_> {
    type Out = ();
    const NAME: &'static str = "drop_session";

    fn locks(&self) -> Vec<Ino> {
        Vec::new()
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        for write in self.writes {
            if let Write::DelSession { sid } = write {
                tx.log(&Event::CleanSession { sid: *sid });
            }
            tx.write(write.clone())?;
        }
        Ok(())
    }

    fn proof(&self, _: &()) -> Proof {
        Proof::Rerun
    }
}

/// How long a session lives without a sign of life. A client without heartbeats judges as one that
/// sends one a second.
pub(crate) fn session_life(config: &MetaConfig) -> Duration {
    HEARTBEATS * Duration::from_secs(config.heartbeat.as_secs().max(1))
}

fn info_json(info: &SessionInfo) -> String {
    serde_json::to_string(info).unwrap_or_else(|_| "{}".to_string())
}
