//! The fence on Redis: changes watch the setting, and look at it right after.
//!
//! An attempt reads and compares the setting in its first round trip, which costs one command. The
//! server refuses its EXEC when the setting is written, the database flushed or swapped after that.
//! Other changes read the setting first, one more round trip in the background.
//!
//! Attempts that only write have no first round trip. Their commit watches and reads the setting anew
//! behind its EXEC. The connection is *armed* then: the next attempt on it needs no look of its own.

use crate::connections::{Connections, Loan, Sent};
use crate::read::{bytes, unexpected};
use crate::{errors, keys};
use jfs_meta::EngineError;
use jfs_meta::engine::Fence;
use redis::{Pipeline, Value};
use std::sync::Arc;

/// Tries of a change against others that write the setting at the same time.
const TRIES_MAX: usize = 20;
/// Answers to the commands of [`arm`].
pub(crate) const ARM_ANSWERS: usize = 2;

/// Adds the command that reads the setting; [`check`] understands the answer.
pub(crate) fn ask(p: &mut Pipeline) {
    p.cmd("GET").arg(keys::SETTING);
}

/// Adds the commands that watch and read the setting. [`check`] understands the answer to the last one.
pub(crate) fn arm(p: &mut Pipeline) {
    p.cmd("WATCH").arg(keys::SETTING);
    ask(p);
}

/// Compares the setting that [`ask`] read with that of the fence.
pub(crate) fn check(fence: &Fence, answer: &Value) -> Result<(), EngineError> {
    match answer {
        Value::BulkString(stored) if stored == fence.document() => Ok(()),
        Value::BulkString(_) | Value::Nil => Err(EngineError::SettingChanged),
        refused => Err(unexpected(refused.clone())),
    }
}

/// The error for a database that holds another volume than the fence's.
pub(crate) fn replaced(stored: Option<&[u8]>) -> EngineError {
    EngineError::Replaced(
        match stored {
            None => "the volume's setting is gone",
            Some(_) => "another volume has taken the place of this one",
        }
        .to_string(),
    )
}

impl Connections {
    /// Runs commands that change something outside of attempts: as a transaction on the fence's volume,
    /// as they are without a fence. Errors of the server to single commands are among the answers.
    pub(crate) async fn change(
        self: &Arc<Self>,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, EngineError> {
        let Some(fence) = self.fence.get() else {
            return self.query(commands).await;
        };
        for _ in 0..TRIES_MAX {
            // An attempt may wait for this, with a connection of its own.
            let mut loan = self.take_beside().await?;
            loan.watch_volume(&fence).await?;
            let mut p = Pipeline::with_capacity(commands.len() + 2);
            p.cmd("MULTI");
            commands.cmd_iter().for_each(|command| {
                p.add_command(command.clone());
            });
            p.cmd("EXEC");
            match loan.send(&p).await {
                Sent::Answers(values) => {
                    if let Some(answers) = loan.executed(values)? {
                        return Ok(answers);
                    }
                }
                Sent::Broken(e, _) => return Err(errors::classify(&e)),
            }
        }
        Err(EngineError::Transient(
            "the volume's setting changes all the time".into(),
        ))
    }

    /// As [`Connections::change`], for commands none of which may fail.
    pub(crate) async fn change_all(
        self: &Arc<Self>,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, EngineError> {
        let mut values = self.change(commands).await?;
        let refused = |v: &Value| matches!(v, Value::ServerError(_));
        match values.iter().position(refused) {
            Some(at) => Err(unexpected(values.swap_remove(at))),
            None => Ok(values),
        }
    }

    /// Fails when the database holds another volume than the fence's.
    pub(crate) async fn check_volume(&self) -> Result<(), EngineError> {
        let Some(fence) = self.fence.get() else {
            return Ok(());
        };
        let mut p = Pipeline::new();
        p.cmd("GET").arg(keys::SETTING);
        let stored = bytes(self.query(&p).await?.pop().unwrap_or(Value::Nil))?;
        match fence.is_same_volume(stored.as_deref()) {
            true => Ok(()),
            false => Err(replaced(stored.as_deref())),
        }
    }
}

impl Loan {
    /// Watches the setting, and makes sure that it is that of the fence's volume. The connection goes on
    /// watching.
    pub(crate) async fn watch_volume(&mut self, fence: &Fence) -> Result<(), EngineError> {
        let (mut p, _) = self.start();
        p.cmd("WATCH").arg(keys::SETTING);
        p.cmd("GET").arg(keys::SETTING);
        let stored = match self.send(&p).await {
            Sent::Answers(mut values) => bytes(values.pop().unwrap_or(Value::Nil)),
            Sent::Broken(e, _) => return Err(errors::classify(&e)),
        };
        let checked = stored.and_then(|stored| match fence.is_same_volume(stored.as_deref()) {
            true => Ok(()),
            false => Err(replaced(stored.as_deref())),
        });
        if checked.is_err()
            && let Some(connection) = self.inner.as_mut()
        {
            connection.watching = true;
        }
        checked
    }
}
