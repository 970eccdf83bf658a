//! Who a request counts for: squashing, and the groups of a process where permissions are checked here.

use jfs_types::Caller;

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
pub(crate) struct Credentials {
    /// Requests of the super-user.
    pub(crate) root: Option<Squash>,
    /// Requests of everybody; counts more than the one above.
    pub(crate) all: Option<Squash>,
    /// The kernel checks nothing.
    pub(crate) unchecked: bool,
}

impl Credentials {
    pub(crate) fn new(root: Option<Squash>, all: Option<Squash>, unchecked: bool) -> Credentials {
        Credentials {
            root,
            all,
            unchecked,
        }
    }

    /// Whether the kernel is to check permissions (`default_permissions`): it knows callers by
    /// their own ids, so what everybody is mapped to has to be checked here.
    pub(crate) fn kernel_checks(&self) -> bool {
        self.all.is_none() && !self.unchecked
    }

    /// Whether requests of a user count for another one.
    pub(crate) fn counts_for_other(&self, uid: u32) -> bool {
        self.all.is_some() || uid == 0 && self.root.is_some()
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

    /// Credentials of a request that are looked at later, supplementary groups included.
    pub(crate) fn known(&self, uid: u32, gid: u32, pid: u32) -> Caller {
        let caller = self.caller(uid, gid, pid);
        match caller.check_permission {
            true => caller,
            false => self.checked(uid, gid, pid),
        }
    }

    /// Credentials of a request about something that the kernel has not checked.
    pub(crate) fn checked(&self, uid: u32, gid: u32, pid: u32) -> Caller {
        Caller {
            uid,
            gid,
            groups: groups_of(uid, gid, pid),
            pid,
            check_permission: true,
        }
    }
}

/// Supplementary groups of a process, which a request does not carry. None when it cannot be looked at:
/// it has ended, or lives where its number means nothing here. Nothing is remembered: the number of a
/// process is used again, and to find out whether it was costs as much as the groups.
fn groups_of(uid: u32, gid: u32, pid: u32) -> Vec<u32> {
    if pid == 0 {
        return Vec::new();
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status
        .ok()
        .filter(|text| is_of(text, uid, gid))
        .map(|text| in_status(&text))
        .unwrap_or_default()
}

/// Whether `/proc/PID/status` is that of a process with this user and group for files. Another one has
/// the number by now, or in this namespace, if not.
fn is_of(text: &str, uid: u32, gid: u32) -> bool {
    let fs_id = |label| {
        let line = text.lines().find_map(|l| l.strip_prefix(label))?;
        line.split_whitespace().nth(3)?.parse().ok()
    };
    fs_id("Uid:") == Some(uid) && fs_id("Gid:") == Some(gid)
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
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const NOBODY: Squash = Squash { uid: 7, gid: 8 };

    fn ids(who: &Credentials, uid: u32) -> (u32, u32, bool) {
        let c = credentials.caller(uid, 2, 0);
        (c.uid, c.gid, c.check_permission)
    }

    #[test]
    fn who_counts_for_whom() {
        let none = Credentials::default();
        assert!(none.kernel_checks());
        assert_eq!(
            (ids(&none, 0), ids(&none, 5)),
            ((0, 2, false), (5, 2, false))
        );
        let root = Credentials::new(Some(NOBODY), None, false);
        assert!(root.kernel_checks());
        assert_eq!(
            (ids(&root, 0), ids(&root, 5)),
            ((7, 8, true), (5, 2, false))
        );
        let all = Credentials::new(None, Some(NOBODY), false);
        assert!(!all.kernel_checks());
        assert_eq!((ids(&all, 0), ids(&all, 5)), ((7, 8, true), (7, 8, true)));
        let both = Credentials::new(Some(Squash { uid: 1, gid: 1 }), Some(NOBODY), false);
        assert_eq!(ids(&both, 0), (7, 8, true));
        let unchecked = Credentials::new(None, None, true);
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
        let text = "Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9\n";
        assert!(is_of(text, 4, 8));
        assert!(!is_of(text, 2, 8) && !is_of(text, 4, 6) && !is_of("", 0, 0));
        assert!(groups_of(0, 0, 0).is_empty() && groups_of(0, 0, u32::MAX).is_empty());
    }

    /// A number that was used before tells nothing of the process that has it now, nor what a process was
    /// in before it changed its groups.
    #[test]
    fn groups_are_those_of_the_moment() {
        let sleeper = |groups: &str| {
            let mut command = std::process::Command::new("setpriv");
            command.args(["--groups", groups, "sleep", "60"]);
            command.spawn().unwrap()
        };
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        for groups in [[4711u32, 4712], [4713, 4714]] {
            let mut child = sleeper(&format!("{},{}", groups[0], groups[1]));
            let begin = std::time::Instant::now();
            while groups_of(0, 0, child.id()) != groups {
                assert!(begin.elapsed().as_secs() < 10, "{groups:?}");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            assert!(groups_of(1, 0, child.id()).is_empty(), "of another user");
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(groups_of(0, 0, child.id()).is_empty(), "it has ended");
        }
    }
}
