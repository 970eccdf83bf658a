//! The watch over other sessions: which of them are dead, and whether this client may judge that.
//!
//! A session whose time has run out may belong to a client that lives: the engine was away for longer
//! than a session lives, clocks differ, or this client itself stood still. So a session counts as dead
//! only when this client has watched it for one full life: its own heartbeats succeeded all the time,
//! and the expiry of the session stayed the same. A client that is new, or that met a gap, begins anew.

use crate::engine::SessionRecord;
use jfs_types::Time;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// Sessions watched at most. Those beyond are watched once others are gone.
const WATCHED_MAX: usize = 100_000;

/// See the module's text.
pub(crate) struct SessionWatch {
    /// How long a session of this client lives without a sign of life.
    life: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// First and last heartbeat of a row without a gap.
    row: Option<(Time, Time)>,
    /// Expiry of each session, and since when it is known.
    watched: HashMap<u64, (i64, Time)>,
}

impl SessionWatch {
    pub(crate) fn new(life: Duration) -> SessionWatch {
        SessionWatch {
            life,
            state: Mutex::default(),
        }
    }

    /// The longest time between two heartbeats of one row: half a life, so that the sessions of others
    /// cannot have run out meanwhile.
    fn gap_max(&self) -> Duration {
        self.life / 2
    }

    /// A heartbeat has succeeded.
    pub(crate) fn beat(&self, now: Time) {
        let mut state = self.state.lock();
        match state.row {
            Some((first, last)) if follows(last, now, self.gap_max()) => {
                state.row = Some((first, now));
            }
            _ => {
                state.watched.clear();
                state.row = Some((now, now));
            }
        }
    }

    /// A heartbeat has failed.
    pub(crate) fn miss(&self) {
        let mut state = self.state.lock();
        state.row = None;
        state.watched.clear();
    }

    /// Whether the row of heartbeats goes on at this moment.
    pub(crate) fn goes_on(&self, now: Time) -> bool {
        let row = self.state.lock().row;
        row.is_some_and(|(_, last)| follows(last, now, self.gap_max()))
    }

    /// Whether the row is so long that a session may be judged.
    pub(crate) fn may_judge(&self, now: Time) -> bool {
        let row = self.state.lock().row;
        self.goes_on(now) && row.is_some_and(|(first, _)| now.since(first) >= self.life)
    }

    /// Takes note of all sessions, and returns the dead ones. `now` is a time after they were read.
    pub(crate) fn judge(&self, sessions: Vec<SessionRecord>, now: Time) -> Vec<SessionRecord> {
        if !self.goes_on(now) {
            return Vec::new();
        }
        let mut state = self.state.lock();
        let mut before = std::mem::take(&mut state.watched);
        let mut dead = Vec::new();
        for session in sessions {
            let since = match before.remove(&session.sid) {
                Some((expire, since)) if expire == session.expire && since <= now => since,
                _ => now,
            };
            if state.watched.len() < WATCHED_MAX {
                state.watched.insert(session.sid, (session.expire, since));
            }
            if session.expire < now.sec && now.since(since) >= self.life {
                dead.push(session);
            }
        }
        dead
    }
}

/// Whether `now` comes after `last`, and not too late. A clock that was set, a process that was stopped
/// and a machine that slept show here.
fn follows(last: Time, now: Time, gap_max: Duration) -> bool {
    last <= now && now.since(last) <= gap_max
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: i64 = 60;

    fn at(sec: i64) -> Time {
        Time {
            sec,
            ..Time::default()
        }
    }

    fn session(sid: u64, expire: i64) -> SessionRecord {
        SessionRecord {
            sid,
            expire,
            info: Vec::new(),
        }
    }

    /// What the judge says at `now`, a heartbeat, about sessions with these times of expiry.
    fn judge(watch: &SessionWatch, now: i64, expiries: &[i64]) -> Vec<u64> {
        watch.beat(at(now));
        let sessions = (1..).zip(expiries).map(|(sid, e)| session(sid, *e));
        let dead = watch.judge(sessions.collect(), at(now));
        dead.iter().map(|s| s.sid).collect()
    }

    fn watch() -> SessionWatch {
        SessionWatch::new(Duration::from_secs(LIFE as u64))
    }

    #[test]
    fn a_life_is_watched_before_a_judgement() {
        let v = watch();
        for now in (1000..1060).step_by(12) {
            assert!(judge(&v, now, &[0]).is_empty(), "{now}");
            assert!(!v.may_judge(at(now)));
        }
        assert_eq!(judge(&v, 1060, &[0, 2000]), [1]);
        assert!(v.may_judge(at(1060)));
    }

    #[test]
    fn a_gap_begins_anew() {
        for (gap, missed) in [(31, false), (-1, false), (12, true)] {
            let v = watch();
            let row = |from: i64| (0..=5).map(move |n| from + 12 * n);
            row(1000).for_each(|now| drop(judge(&v, now, &[0])));
            assert!(v.may_judge(at(1060)));
            if missed {
                v.miss();
                assert!(!v.goes_on(at(1061)));
            }
            let again = 1060 + gap;
            let dead: Vec<_> = row(again).map(|now| judge(&v, now, &[0])).collect();
            assert!(dead[..5].iter().all(Vec::is_empty), "{gap}: {dead:?}");
            assert_eq!(dead[5], [1]);
        }
    }

    /// The engine stood still between the heartbeat and the answer with the sessions.
    #[test]
    fn a_late_list_judges_nothing() {
        let v = watch();
        (0..=5).for_each(|n| drop(judge(&v, 1000 + 12 * n, &[0])));
        assert!(v.judge(vec![session(1, 0)], at(1060 + 31)).is_empty());
        assert!(!v.may_judge(at(1060 + 31)));
    }

    /// A client whose clock is behind is stale at every look, and shows signs of life.
    #[test]
    fn clocks_may_differ() {
        let v = watch();
        for now in (1000..2000).step_by(12) {
            assert!(judge(&v, now, &[now - 500]).is_empty(), "{now}");
        }
    }
}
