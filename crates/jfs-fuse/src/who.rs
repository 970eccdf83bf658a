//! Who a request counts for: squashing, and the groups of a process where permissions are checked here.

use jfs_types::Caller;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long the groups of a process are believed.
const GROUPS_LIFE: Duration = Duration::from_secs(1);
/// Processes whose groups are remembered.
const PROCESSES_MAX: usize = 1024;
/// Supplementary groups of one process that are looked at (Linux allows 65536).
const GROUPS_MAX: usize = 65_536;

/// A user and a group that requests are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Squash {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Whose requests count for whom, and who checks what they may do.
#[derive(Debug, Default)]
pub(crate) struct Who {
    /// Requests of the super-user.
    pub(crate) root: Option<Squash>,
    /// Requests of everybody; counts more than the one above.
    pub(crate) all: Option<Squash>,
    /// The kernel checks nothing.
    pub(crate) unchecked: bool,
    groups: Groups,
}

impl Who {
    pub(crate) fn new(root: Option<Squash>, all: Option<Squash>, unchecked: bool) -> Who {
        Who {
            root,
            all,
            unchecked,
            groups: Groups::default(),
        }
    }

    /// Whether the kernel is to check permissions (`default_permissions`): it knows callers by
    /// their own ids, so what everybody is mapped to has to be checked here.
    pub(crate) fn kernel_checks(&self) -> bool {
        self.all.is_none() && !self.unchecked
    }

    /// Credentials of a request. Somebody who is mapped has no supplementary groups.
    pub(crate) fn caller(&self, uid: u32, gid: u32, pid: u32) -> Caller {
        let root = self.root.filter(|_| uid == 0);
        if let Some(Squash { uid, gid }) = self.all.or(root) {
            return Caller {
                uid,
                gid,
                groups: Vec::new(),
                pid,
                check_permission: true,
            };
        }
        if self.unchecked && uid != 0 {
            return self.checked(uid, gid, pid);
        }
        Caller {
            uid,
            gid,
            groups: Vec::new(),
            pid,
            check_permission: false,
        }
    }

    /// Credentials of a request about something that the kernel has not checked.
    pub(crate) fn checked(&self, uid: u32, gid: u32, pid: u32) -> Caller {
        Caller {
            uid,
            gid,
            groups: self.groups.of(pid),
            pid,
            check_permission: true,
        }
    }
}

/// Supplementary groups of processes, which a request does not carry.
#[derive(Debug, Default)]
struct Groups {
    known: Mutex<HashMap<u32, (Vec<u32>, Instant)>>,
}

impl Groups {
    /// Those of a process; none when it cannot be looked at (it has ended, or lives where its number
    /// means nothing here).
    fn of(&self, pid: u32) -> Vec<u32> {
        if pid == 0 {
            return Vec::new();
        }
        let now = Instant::now();
        if let Some((groups, since)) = self.known.lock().get(&pid)
            && now - *since < GROUPS_LIFE
        {
            return groups.clone();
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
        let groups = status.map(|text| in_status(&text)).unwrap_or_default();
        let mut known = self.known.lock();
        if known.len() >= PROCESSES_MAX {
            known.retain(|_, (_, since)| now - *since < GROUPS_LIFE);
            if known.len() >= PROCESSES_MAX {
                known.clear();
            }
        }
        known.insert(pid, (groups.clone(), now));
        groups
    }
}

/// The groups that `/proc/PID/status` lists.
fn in_status(text: &str) -> Vec<u32> {
    let line = text.lines().find_map(|l| l.strip_prefix("Groups:"));
    let words = line.unwrap_or_default().split_whitespace();
    words
        .filter_map(|w| w.parse().ok())
        .take(GROUPS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Squash = Squash { uid: 7, gid: 8 };

    fn ids(who: &Who, uid: u32) -> (u32, u32, bool) {
        let c = who.caller(uid, 2, 0);
        (c.uid, c.gid, c.check_permission)
    }

    #[test]
    fn who_counts_for_whom() {
        let none = Who::default();
        assert!(none.kernel_checks());
        assert_eq!(
            (ids(&none, 0), ids(&none, 5)),
            ((0, 2, false), (5, 2, false))
        );
        let root = Who::new(Some(NOBODY), None, false);
        assert!(root.kernel_checks());
        assert_eq!(
            (ids(&root, 0), ids(&root, 5)),
            ((7, 8, true), (5, 2, false))
        );
        let all = Who::new(None, Some(NOBODY), false);
        assert!(!all.kernel_checks());
        assert_eq!((ids(&all, 0), ids(&all, 5)), ((7, 8, true), (7, 8, true)));
        let both = Who::new(Some(Squash { uid: 1, gid: 1 }), Some(NOBODY), false);
        assert_eq!(ids(&both, 0), (7, 8, true));
        let unchecked = Who::new(None, None, true);
        assert!(!unchecked.kernel_checks());
        assert_eq!(
            (ids(&unchecked, 0), ids(&unchecked, 5)),
            ((0, 2, false), (5, 2, true))
        );
    }

    #[test]
    fn groups_of_processes() {
        assert_eq!(
            in_status("Name:\tx\nGroups:\t4 24 27 \nNStgid:\t1\n"),
            [4, 24, 27]
        );
        assert_eq!(in_status("Groups:\t\nGid:\t3\n"), [0u32; 0]);
        assert_eq!(in_status(""), [0u32; 0]);
        let groups = Groups::default();
        assert!(groups.of(0).is_empty() && groups.of(u32::MAX).is_empty());
        for pid in 1..3000 {
            groups.of(u32::MAX - pid);
        }
        assert!(groups.known.lock().len() <= PROCESSES_MAX);
    }
}
