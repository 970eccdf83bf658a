//! The change log: a list, oldest entry first, beside the number of all entries ever added.

use crate::connections::Connections;
use crate::keys;
use crate::read::{bytes, list, number};
use crate::sessions::run;
use jfs_meta::EngineError;
use jfs_meta::engine::{LogHead, LogLine, LogPart};
use redis::{Pipeline, Value};
use std::sync::Arc;

/// Commands that [`add`] sends for each entry.
pub(crate) const COMMANDS: usize = 2;

/// Adds the commands that append an entry. `session` is the one that the same call registers.
pub(crate) fn add(p: &mut Pipeline, line: &LogLine, session: u64) {
    let text = line.text(|part| match part {
        LogPart::Session => session,
        // The reference client composes the entry before the commit tells the number.
        LogPart::Records { .. } | LogPart::Text(_) => 0,
    });
    p.cmd("RPUSH").arg(keys::LOG).arg(text);
    p.cmd("INCR").arg(keys::LOG_TOTAL);
}

/// Adds the commands of several entries.
pub(crate) fn add_all(p: &mut Pipeline, lines: &[LogLine], session: u64) {
    lines.iter().for_each(|line| add(p, line, session));
}

/// The oldest entries. The version of an entry is its number, counted from the first one ever.
pub(crate) async fn head(pool: &Connections, limit: usize) -> Result<LogHead, EngineError> {
    let mut p = Pipeline::new();
    p.cmd("MULTI");
    p.cmd("GET").arg(keys::LOG_TOTAL);
    p.cmd("LLEN").arg(keys::LOG);
    p.cmd("LRANGE").arg(keys::LOG).arg(0).arg(limit as i64 - 1);
    p.cmd("EXEC");
    let answers = run(pool, &p).await?.pop().unwrap_or(Value::Nil);
    let mut answers = list(answers)?.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Nil);
    let (ever, total) = (number(next())? as u64, number(next())? as u64);
    let mut entries = Vec::new();
    for (version, text) in (ever.saturating_sub(total) + 1..).zip(list(next())?) {
        let text = bytes(text)?.unwrap_or_default();
        entries.push((version, String::from_utf8_lossy(&text).into_owned()));
    }
    entries.truncate(limit);
    Ok(LogHead { total, entries })
}

/// Removes the entries up to the version `last`. Entries are only added at the other end.
pub(crate) async fn trim(pool: &Arc<Connections>, last: u64) -> Result<(), EngineError> {
    let first = head(pool, 1).await?.entries.into_iter().next();
    let Some((first, _)) = first.filter(|(first, _)| *first <= last) else {
        return Ok(());
    };
    let mut p = Pipeline::new();
    p.cmd("LTRIM").arg(keys::LOG).arg(last - first + 1).arg(-1);
    pool.change_all(&p).await.map(|_| ())
}
