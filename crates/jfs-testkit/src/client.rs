//! Driving a client program: ours or the reference, which share one command line.

use crate::error::IoContext;
use crate::{KitError, Mount, MountArgs, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The output and the exit status of a program.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error, where the log lines go.
    pub stderr: String,
    what: String,
}

impl Output {
    /// Passes the output on when the exit code is 0, else an error that shows it.
    pub fn ok(self) -> Result<Self> {
        self.exit(0)
    }

    /// Passes the output on when the exit code is `code`, else an error that shows it.
    pub fn exit(self, code: i32) -> Result<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        let what = format!("{}: exit code {:?}, wanted {code}", self.what, self.code);
        Err(KitError::Failed {
            what,
            output: format!("{}{}", self.stdout, self.stderr),
        })
    }

    /// Standard output and standard error, one after the other.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A program with the command line of the reference client.
#[derive(Debug, Clone)]
pub struct Client {
    program: PathBuf,
    environment: Vec<(String, String)>,
}

impl Client {
    /// Drives the program at this path.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            environment: Vec::new(),
        }
    }

    /// Sets a variable of the environment of every command and mount.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs one command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Output> {
        let mut command = self.command();
        command.args(arguments);
        let what = describe(&command);
        let output = command.output().doing(|| what.clone())?;
        Ok(Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            what,
        })
    }

    /// Mounts a volume in the foreground of a process of its own and returns once it answers.
    pub fn mount(&self, arguments: MountArgs) -> Result<Mount> {
        let mut command = self.command();
        command.arg("mount");
        Mount::start(command, arguments)
    }

    /// Formats a volume on local files: `meta_url`, bucket `bucket`, plus `flags`.
    pub fn format(
        &self,
        meta_url: &str,
        name: &str,
        bucket: &Path,
        flags: &[&str],
    ) -> Result<Output> {
        let bucket = format!("{}/", bucket.display());
        let mut arguments = vec!["format", "--storage", "file", "--bucket", &bucket];
        arguments.extend(flags);
        arguments.extend([meta_url, name]);
        self.run(&arguments)?.ok()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Passwords and supervisors of the caller's own mounts have no business here.
        for name in [
            "META_PASSWORD",
            "REDIS_PASSWORD",
            "JFS_SUPERVISOR",
            "JFS_SUPER_COMM",
            "JFS_RSA_PASSPHRASE",
            "ACCESS_KEY",
            "SECRET_KEY",
            "SESSION_TOKEN",
        ] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }
}

/// The command line, for messages.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
