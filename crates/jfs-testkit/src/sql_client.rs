//! Parts that private SQL servers share: users, TLS files, and their command-line clients.

use crate::client::describe;
use crate::error::IoContext;
use crate::unprivileged::Unprivileged;
use crate::{KitError, Result};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The user that owns the databases of private SQL servers. It has no password.
pub const USER: &str = "jfs";
/// A user with the same rights who has the password [`USER_PASSWORD`].
pub const PASSWORD_USER: &str = "guarded";
/// The password of [`PASSWORD_USER`]. It protects nothing; an URL must escape some of its letters.
pub const USER_PASSWORD: &str = "se/same:4@b";

/// The certificate of a server and its private key, both PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, with the chain that the server sends.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Copies the files to `server.crt` and `server.key` in `dir`, for `user` alone.
    pub(crate) fn copy_for(&self, user: Unprivileged, dir: &Path) -> Result<()> {
        for (from, name) in [(&self.certificate, "server.crt"), (&self.key, "server.key")] {
            let to = dir.join(name);
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::copy(from, &to)
                .and_then(|_| std::fs::set_permissions(&to, private))
                .doing(|| format!("copying {}", from.display()))?;
            user.own(&to)?;
        }
        Ok(())
    }
}

/// The command-line client of a server; it takes statements on its standard input.
#[derive(Debug)]
pub(crate) struct SqlClient {
    pub(crate) command: Command,
}

impl SqlClient {
    /// Runs statements and returns what they printed. A statement that fails is an error with its message.
    pub(crate) fn run(mut self, sql: &str) -> Result<String> {
        run_to_end(&mut self.command, sql)
    }

    /// Splits printed rows into columns.
    pub(crate) fn rows(text: &str) -> Vec<Vec<String>> {
        let columns = |line: &str| line.split('\t').map(str::to_owned).collect();
        text.lines().map(columns).collect()
    }
}

/// Runs a program with `input` on its standard input and returns its standard output.
pub(crate) fn run_to_end(command: &mut Command, input: &str) -> Result<String> {
    let what = describe(command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().doing(|| what.clone())?;
    let mut stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // In a thread of its own: the program may print before it has read everything.
        scope.spawn(move || {
            // A program that ends early breaks the pipe; its exit code tells.
            let _ = stdin.as_mut().map(|pipe| pipe.write_all(input.as_bytes()));
        });
        child.wait_with_output()
    });
    let output = output.doing(|| what.clone())?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(KitError::Failed {
        what: format!("{what}: {}", output.status),
        output: format!("{stdout}{stderr}"),
    })
}
