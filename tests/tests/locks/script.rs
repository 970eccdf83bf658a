//! Scripts: one operation a line, `OWNER OPERATION = ANSWER`.
//!
//! - Without an answer the operation succeeds; with `wait` and without an answer it waits.
//! - `OWNER gets ANSWER`: an operation that waited has ended.
//! - `OWNER waits`: it still has not.
//! - `OWNER cancel`: the operation that waits is broken off.
//! - `get` answers `none`, or the owner, the kind, the first and the last byte of a lock.

use super::operation::Operation;
use super::owners::Owners;
use std::time::Duration;

/// Time in which an operation that does not wait ends.
const DONE: Duration = Duration::from_secs(20);
/// Time after which an operation counts as waiting. A poll of another client comes in this time.
const WAITS: Duration = Duration::from_millis(60);

/// A rule with the script that shows it.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) rule: &'static str,
    pub(super) script: &'static str,
}

impl Case {
    /// Runs the script on a new file.
    pub(super) async fn run(&self, owners: &mut Owners) {
        owners.begin_file().await;
        let lines = self.script.lines().map(str::trim);
        for (n, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let at = format!("{}, line {n}: {line}", self.rule);
            let (owner, rest) = line.split_once(' ').unwrap();
            let owner = owner.chars().next().unwrap();
            match rest.split_once(' ') {
                Some(("gets", answer)) => {
                    let reply = owners.reply(owner, DONE).await;
                    assert_eq!(reply.as_deref(), Some(answer), "{at}");
                }
                None if rest == "waits" => {
                    assert_eq!(owners.reply(owner, WAITS).await, None, "{at}");
                }
                None if rest == "cancel" => {
                    owners.cancel(owner).await;
                    let reply = owners.reply(owner, DONE).await;
                    assert_eq!(reply.as_deref(), Some("EINTR"), "{at}");
                }
                _ => step(owners, owner, rest, &at).await,
            }
        }
    }
}

async fn step(owners: &mut Owners, owner: char, rest: &str, at: &str) {
    let (operation, answer) = match rest.split_once('=') {
        Some((operation, answer)) => (operation.trim(), answer.trim()),
        None if rest.ends_with("wait") => (rest, ""),
        None => (rest, "ok"),
    };
    let operation = Operation::parse(operation);
    owners.begin(owner, &operation).await;
    if answer.is_empty() {
        assert_eq!(owners.reply(owner, WAITS).await, None, "{at}");
        return;
    }
    let reply = owners.reply(owner, DONE).await.unwrap_or_default();
    let same = match (reply.split_once(' '), answer.split_once(' ')) {
        // The process of another client is not told.
        (Some(("?", found)), Some((other, wanted))) => {
            let other = other.chars().next().unwrap();
            !owners.know_each_other(owner, other) && found == wanted
        }
        _ => reply == answer,
    };
    assert!(same, "{at}: {reply}");
    if operation == Operation::Exit {
        owners.forget(owner);
    }
}
