//! The credentials that a request is judged by.

/// Credentials of the process behind a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Supplementary groups; may or may not repeat `gid`.
    pub groups: Vec<u32>,
    /// Process id, for locks and the access log; 0 when unknown.
    pub pid: u32,
    /// Whether permissions are checked here. False behind a kernel that checks them itself
    /// (`default_permissions`) and takes setgid bits out of modes that the caller may not set. What a
    /// kernel leaves to the file system always applies: the sticky bit, which it may know too late, and
    /// the setgid bit that a change of owner or an access rule clears, depending on `groups`.
    pub check_permission: bool,
}

impl Caller {
    /// The super-user, every check applied (and passed).
    pub fn root() -> Caller {
        Caller {
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            pid: 0,
            check_permission: true,
        }
    }

    /// A user with one group, every check applied.
    pub fn user(uid: u32, gid: u32) -> Caller {
        Caller {
            uid,
            gid,
            groups: Vec::new(),
            pid: 0,
            check_permission: true,
        }
    }

    /// Whether the caller belongs to `gid`.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }
}
