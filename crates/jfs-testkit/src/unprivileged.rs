//! The user that database servers run as: PostgreSQL refuses to run as root.

use crate::error::IoContext;
use crate::{KitError, Result};
use nix::unistd::{Gid, Uid, User, chown, geteuid};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A user without rights, taken when the user of the server's package does not exist.
const NOBODY: &str = "nobody";

/// A user without rights for a child process, when this process is root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unprivileged(Option<(Uid, Gid)>);

impl Unprivileged {
    /// The user `name`, else `nobody`. A process that is not root keeps its own user.
    pub(crate) fn or_nobody(name: &str) -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        for name in [name, NOBODY] {
            let user = User::from_name(name).map_err(std::io::Error::from);
            if let Some(user) = user.doing(|| format!("looking for the user {name}"))? {
                return Ok(Self(Some((user.uid, user.gid))));
            }
        }
        Err(KitError::Failed {
            what: format!("there is no user {name} and no user {NOBODY}"),
            output: String::new(),
        })
    }

    /// Makes `command` run as this user. The user is changed before the hooks of
    /// [`crate::process::spawn_with_us`] run, because a change of user clears the signal of a parent's death.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Some((uid, gid)) = self.0 {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
    }

    /// Makes this user the owner of a file or directory, not of what is below.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        let Some((uid, gid)) = self.0 else {
            return Ok(());
        };
        chown(path, Some(uid), Some(gid))
            .map_err(std::io::Error::from)
            .doing(|| format!("changing the owner of {}", path.display()))
    }
}
