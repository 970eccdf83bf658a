//! Creating a volume and looking at a server.

use crate::connections::{Committed, Connections, Sent};
use crate::listing::scan_keys;
use crate::read::{bytes, number, unexpected};
use crate::sessions::run;
use crate::{errors, keys};
use jfs_meta::EngineError;
use jfs_meta::wire::encode_attr;
use jfs_types::{Attr, Ino};
use redis::{Pipeline, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Patterns of the keys a volume consists of.
const PATTERNS: [&str; 10] = [
    "i[0-9]*",
    "d[0-9]*",
    "p[0-9]*",
    "c[0-9]*_*",
    "s[0-9]*",
    "x[0-9]*",
    "lockf[0-9]*",
    "lockp[0-9]*",
    "session[0-9]*",
    "locked[0-9]*",
];

/// Keys of a volume that exist once.
const SINGLE: [&str; 25] = [
    "setting",
    "allSessions",
    "sessionInfos",
    "delfiles",
    "detachedNodes",
    "delSlices",
    "sliceRef",
    "dirDataLength",
    "dirUsedSpace",
    "dirUsedInodes",
    "dirQuota",
    "dirQuotaUsedSpace",
    "dirQuotaUsedInodes",
    "acl",
    "aclMaxId",
    "usedSpace",
    "totalInodes",
    "nextinode",
    "nextchunk",
    "nextsession",
    "nextTrash",
    "lastCleanupSessions",
    "lastCleanupFiles",
    "lastCleanupTrash",
    "nextCleanupSlices",
];

/// A round trip that takes longer makes every operation slow.
const SLOW: Duration = Duration::from_millis(10);

/// Asks the server what it is and warns about settings that lose data.
pub(crate) async fn greet(pool: &Connections) -> Result<(), EngineError> {
    let start = Instant::now();
    let mut p = Pipeline::new();
    p.cmd("PING");
    run(pool, &p).await?;
    let latency = start.elapsed();
    tracing::info!(
        "{}",
        jfs_telemetry::scripted::redis_latency(format_args!("{latency:?}"))
    );
    if latency > SLOW {
        tracing::warn!(
            "Redis is far away: a round trip took {latency:?}, and every operation waits for some"
        );
    }
    let mut p = Pipeline::new();
    p.cmd("INFO");
    let info = match run(pool, &p).await {
        Ok(mut values) => bytes(values.swap_remove(0))?.unwrap_or_default(),
        Err(e) => {
            tracing::debug!("INFO is not permitted: {e}");
            return Ok(());
        }
    };
    let info = String::from_utf8_lossy(&info).into_owned();
    let field = |name: &str| {
        info.lines()
            .find_map(|l| l.strip_prefix(name).and_then(|l| l.strip_prefix(':')))
            .map(|v| v.trim().to_string())
    };
    if let Some(version) = field("redis_version")
        && version
            .split('.')
            .next()
            .and_then(|n| n.parse::<u32>().ok())
            .is_some_and(|n| n < 4)
    {
        return Err(EngineError::Fatal(format!(
            "Redis {version} is too old: version 4.0 or newer is needed"
        )));
    }
    if field("redis_mode").as_deref() == Some("cluster") {
        return Err(EngineError::Fatal(
            "Redis Cluster is not supported yet".into(),
        ));
    }
    if field("aof_enabled").as_deref() == Some("0") {
        tracing::warn!(
            "Redis keeps no append-only file: a crash of the server loses metadata (appendonly yes keeps it)"
        );
    }
    if let Some(policy) = field("maxmemory_policy")
        && policy != "noeviction"
    {
        tracing::warn!(
            "Redis may throw metadata away: maxmemory-policy is {policy:?}, and noeviction is safe"
        );
    }
    Ok(())
}

/// Makes sure that this user may use transactions. The commands between a refused MULTI and its EXEC
/// would be carried out one by one, whatever the others do meanwhile.
pub(crate) async fn check_transactions(pool: &Arc<Connections>) -> Result<(), EngineError> {
    let mut loan = pool.take().await?;
    let (mut p, _) = loan.start();
    p.cmd("WATCH").arg(keys::SETTING);
    crate::fence::ask(&mut p);
    p.cmd("MULTI");
    p.cmd("EXEC");
    match loan.send(&p).await {
        Sent::Answers(values) => {
            let refused = values.iter().find(|v| matches!(v, Value::ServerError(_)));
            let refused = refused.cloned();
            loan.executed(values)?;
            refused.map_or(Ok(()), |refused| Err(unexpected(refused)))
        }
        Sent::Broken(e, _) => Err(errors::classify(&e)),
    }
}

pub(crate) async fn create(
    pool: &Connections,
    json: &[u8],
    root: &Attr,
    trash: Option<&Attr>,
    overwrite: bool,
) -> Result<(), EngineError> {
    if overwrite {
        clear(pool).await?;
    }
    let mut p = Pipeline::new();
    p.cmd("SETNX").arg(keys::SETTING).arg(json);
    if number(run(pool, &p).await?.swap_remove(0))? == 0 {
        return Err(EngineError::Conflict);
    }
    let mut p = Pipeline::new();
    p.cmd("SETNX")
        .arg(keys::attr(Ino::ROOT))
        .arg(encode_attr(root));
    if let Some(trash) = trash {
        p.cmd("SETNX")
            .arg(keys::attr(Ino::TRASH))
            .arg(encode_attr(trash));
    }
    run(pool, &p).await.map(|_| ())
}

/// Removes what an earlier volume left; foreign keys stay.
async fn clear(pool: &Connections) -> Result<(), EngineError> {
    let mut all: Vec<Vec<u8>> = SINGLE.iter().map(|k| k.as_bytes().to_vec()).collect();
    for pattern in PATTERNS {
        all.extend(
            scan_keys(pool, pattern)
                .await?
                .into_iter()
                .filter(|key| is_ours(key)),
        );
    }
    for part in all.chunks(1000) {
        let mut p = Pipeline::new();
        p.cmd("DEL").arg(part);
        run(pool, &p).await?;
    }
    Ok(())
}

/// Whether a key that fits a pattern is one of a volume: numbers and nothing else after its letters.
/// The patterns alone would take `s3:cache` of another program with them.
fn is_ours(key: &[u8]) -> bool {
    let number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let letters = key.iter().take_while(|b| b.is_ascii_lowercase()).count();
    let (letters, rest) = key.split_at(letters);
    let mut parts = rest.split(|b| *b == b'_');
    let numbers = if letters == b"c" { 2 } else { 1 };
    parts
        .by_ref()
        .take(numbers)
        .filter(|part| number(part))
        .count()
        == numbers
        && parts.next().is_none()
}

/// Replaces the setting when it is still `expect`.
pub(crate) async fn swap_setting(
    pool: &Arc<Connections>,
    expect: &[u8],
    json: &[u8],
) -> Result<(), EngineError> {
    let mut loan = pool.take().await?;
    let (mut p, _) = loan.start();
    p.cmd("WATCH").arg(keys::SETTING).arg(loan.guard());
    p.cmd("GET").arg(keys::SETTING);
    let stored = match loan.send(&p).await {
        Sent::Answers(mut values) => bytes(values.pop().unwrap_or(Value::Nil))?,
        Sent::Broken(e, _) => return Err(errors::classify(&e)),
    };
    let mut p = Pipeline::new();
    if stored.as_deref() != Some(expect) {
        if let Some(c) = loan.inner.as_mut() {
            c.watching = true;
        }
        return Err(EngineError::Conflict);
    }
    p.cmd("MULTI");
    p.cmd("SET").arg(keys::SETTING).arg(json);
    loan.end_marked(&mut p);
    match loan.commit(&mut p, None).await? {
        Committed::Answered(_) | Committed::Unheard => Ok(()),
        Committed::Conflict => Err(EngineError::Conflict),
    }
}
