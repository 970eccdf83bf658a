//! The change log of a volume: one text entry for each change, in the same commit (`ChangeLog` in the setting).
//!
//! Programs follow the log to build a copy of the metadata elsewhere. So the entries have exactly the form
//! that the reference client writes (docs/FORMAT.md, "Change log"). This file composes all of them, from the
//! facts of an operation. An engine stores what it gets as [`LogLine`].
//!
//! Entries tell what an operation was asked for; a follower applies the rules of permissions, groups, ACLs and
//! the trash itself.

mod event;

pub(crate) use event::{Event, MOVE_RESTORES, mask};

use crate::engine::{LogLine, LogPart};
use jfs_types::{Clock, Time};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The state of the log in one client: whether the volume has one, and what the end of each entry says.
pub(crate) struct ChangeLog {
    clock: Arc<dyn Clock>,
    on: AtomicBool,
    sid: AtomicU64,
    /// Entries composed so far.
    composed: AtomicU64,
}

impl ChangeLog {
    /// A log that is off.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> ChangeLog {
        ChangeLog {
            clock,
            on: AtomicBool::new(false),
            sid: AtomicU64::new(0),
            composed: AtomicU64::new(0),
        }
    }

    /// Follows the setting: entries are composed while the volume has a log.
    pub(crate) fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Release);
    }

    /// Whether changes have to be logged.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// The session that entries name from now on; 0 without one.
    pub(crate) fn set_session(&self, sid: u64) {
        self.sid.store(sid, Ordering::Release);
    }

    /// The entry of `event`, with the next number of this client.
    pub(crate) fn line(&self, at: Time, event: &Event<'_>) -> LogLine {
        let n = self.composed.fetch_add(1, Ordering::Relaxed) + 1;
        compose(at, event, self.sid.load(Ordering::Acquire), n)
    }

    /// The entry of a change that is made outside of attempts; nothing while the log is off.
    pub(crate) fn lines(&self, event: &Event<'_>) -> Vec<LogLine> {
        match self.is_on() {
            true => vec![self.line(self.clock.now(), event)],
            false => Vec::new(),
        }
    }
}

/// `<seconds>.<nanoseconds>|<operation>(<arguments>)[:<result>]|(<session>,<number>)`.
fn compose(at: Time, event: &Event<'_>, sid: u64, n: u64) -> LogLine {
    let mut line = LogLine::default();
    line.push_text(&format!("{}.{:09}|", at.sec, at.nsec));
    if let Event::NewSession { expire, info } = event {
        line.push_text("NEWSESSION(");
        line.push_number(LogPart::Session);
        line.push_text(&format!(",{expire},{})|(", Escaped(info.as_bytes())));
        line.push_number(LogPart::Session);
        line.push_text(&format!(",{n})"));
        return line;
    }
    line.push_text(&event.to_string());
    if let Event::Write {
        ino, index, later, ..
    } = event
    {
        line.push_text(":");
        line.push_number(LogPart::Records {
            ino: *ino,
            index: *index,
            later: *later,
        });
    }
    line.push_text(&format!("|({sid},{n})"));
    line
}

/// Bytes in the text of an entry: what is no printable ASCII character and what separates arguments becomes
/// `%XX`.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            match byte {
                b',' | b'%' | b'(' | b')' | b'"' | b'\\' | 0..0x20 | 0x7F.. => {
                    write!(f, "%{byte:02X}")?;
                }
                _ => write!(f, "{}", char::from(*byte))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::DirStat;
    use crate::wire::{LockRecord, LockType};
    use jfs_types::{AclEntry, AclKind, AclRule, Attr, FileType, Ino, SliceId, SliceRecord};

    /// The entry without time, session and number; `#` for numbers known at the commit.
    fn text(event: &Event<'_>) -> String {
        let at = Time { sec: 7, nsec: 9 };
        let line = compose(at, event, 3, 12).text(|part| match part {
            LogPart::Records { .. } => 99,
            _ => 88,
        });
        let body = line.strip_prefix("7.000000009|").expect("the time");
        let (body, end) = body.rsplit_once('|').expect("the end");
        assert!(end == "(3,12)" || end == "(88,12)", "{end}");
        body.to_string()
    }

    /// Entries as version 1.4.2 wrote them.
    #[test]
    fn entries_look_like_those_of_the_reference() {
        let create = Event::Create {
            parent: Ino(2),
            name: "a, (b)%\"\\|\u{e9}\u{1}\u{7f}".as_bytes(),
            uid: 0,
            gid: 0,
            kind: FileType::Regular,
            mode: 0o664,
            umask: 0o077,
            target: b"",
            touched: true,
            ino: Ino(5),
        };
        let wanted = "CREATE(2,a%2C %28b%29%25%22%5C|%C3%A9%01%7F,0,0,1,436,63,,linux,true):5";
        assert_eq!(text(&create), wanted);
        let record = SliceRecord {
            pos: 67_108_862,
            id: SliceId(3),
            size: 2,
            off: 0,
            len: 2,
        };
        let mtime = Time {
            sec: 1_796_048_772,
            nsec: 668_244_578,
        };
        let write = Event::Write {
            ino: Ino(4),
            index: 0,
            record,
            mtime,
            later: 0,
        };
        let wanted = "WRITE(4,0,67108862,3,2,1796048772,668244578):99";
        assert_eq!(text(&write), wanted);
        let mut attr = Attr::new(FileType::Regular);
        (attr.uid, attr.gid, attr.mode, attr.access_acl) = (1000, 2001, 0o6755, 3);
        (attr.atime.sec, attr.atime.nsec) = (1, 2);
        (attr.mtime.sec, attr.mtime.nsec) = (3, 4);
        (attr.ctime.sec, attr.ctime.nsec) = (5, 6);
        let set = Event::SetAttr {
            ino: Ino(4),
            mask: mask::MTIME | mask::MTIME_NOW | mask::ATIME | mask::ATIME_NOW,
            attr: &attr,
        };
        assert_eq!(
            text(&set),
            "SETATTR(4,432,0,1000,2001,3565,0,1,3,2,4,5,6,3)"
        );
        let rule = AclRule {
            owner: 6,
            group: 4,
            mask: 6,
            other: 0,
            named_users: vec![
                AclEntry { id: 1000, perm: 6 },
                AclEntry { id: 1001, perm: 4 },
            ],
            named_groups: vec![AclEntry { id: 77, perm: 4 }],
        };
        let acl = Event::SetAcl {
            ino: Ino(4),
            kind: AclKind::Access,
            rule: &rule,
        };
        assert_eq!(
            text(&acl),
            "SETFACL(4,1,%00%06%00%04%00%06%00%00%00%00%00%02%00%00%03%E8%00%06%00%00%03%E9%00%04\
             %00%00%00%01%00%00%00M%00%04)"
        );
        let unlock = Event::SetLock {
            ino: Ino(14),
            owner: u64::MAX,
            record: LockRecord {
                kind: LockType::Unlock,
                pid: 2698,
                start: 10,
                end: 109,
            },
        };
        assert_eq!(text(&unlock), "SETLK(14,18446744073709551615,U,10,109,0)");
        let session = Event::NewSession {
            expire: 1_796_048_827,
            info: "{\"Version\":\"1.4.2\",\"HostName\":\"vm\"}",
        };
        assert_eq!(
            text(&session),
            "NEWSESSION(88,1796048827,{%22Version%22:%221.4.2%22%2C%22HostName%22:%22vm%22})"
        );
        let stat = DirStat {
            length: 0,
            space: 4096,
            inodes: 1,
        };
        let dir = Ino(1);
        assert_eq!(text(&Event::DirStat { dir, stat }), "DIRSTAT(1,0,4096,1)");
    }
}
