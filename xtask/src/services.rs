//! Private servers that outlive the command, for trying things by hand: `services up`, `services down`.
//!
//! Tests do not use these; each test process starts its own.

use crate::paths;
use anyhow::{Context, Result};
use jfs_testkit::{DetachedMinio, DetachedRedis, MINIO_ACCESS_KEY, MINIO_SECRET_KEY};
use std::fs;
use std::path::PathBuf;

pub(crate) fn up() -> Result<()> {
    let redis = match redis()?.filter(DetachedRedis::answers) {
        Some(running) => running,
        None => {
            let redis = DetachedRedis::start(&data_dir("redis")?)?;
            remember("redis", redis.pid, redis.port)?;
            redis
        }
    };
    println!("redis is up: redis://127.0.0.1:{}/0", redis.port);
    let minio = match minio()?.filter(DetachedMinio::answers) {
        Some(running) => running,
        None => {
            let minio = DetachedMinio::start(&data_dir("minio")?)?;
            remember("minio", minio.pid, minio.port)?;
            minio
        }
    };
    println!(
        "minio is up: --storage minio --bucket {} --access-key {MINIO_ACCESS_KEY} --secret-key {MINIO_SECRET_KEY}",
        minio.bucket("BUCKET")
    );
    Ok(())
}

/// Stops the servers and forgets their data.
pub(crate) fn down() -> Result<()> {
    if let Some(redis) = redis()? {
        redis.stop()?;
    }
    if let Some(minio) = minio()? {
        minio.stop()?;
    }
    match fs::remove_dir_all(state_dir()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// What the state file names, alive or not.
fn redis() -> Result<Option<DetachedRedis>> {
    Ok(remembered("redis")?.map(|(pid, port)| DetachedRedis { pid, port }))
}

/// What the state file names, alive or not.
fn minio() -> Result<Option<DetachedMinio>> {
    Ok(remembered("minio")?.map(|(pid, port)| DetachedMinio { pid, port }))
}

fn remember(server: &str, pid: u32, port: u16) -> Result<()> {
    let file = state_file(server);
    fs::write(&file, format!("{pid} {port}\n"))
        .with_context(|| format!("writing {}", file.display()))
}

fn remembered(server: &str) -> Result<Option<(u32, u16)>> {
    let file = state_file(server);
    let Ok(text) = fs::read_to_string(&file) else {
        return Ok(None);
    };
    let numbers = text.trim().split_once(' ');
    let numbers = numbers.and_then(|(pid, port)| Some((pid.parse().ok()?, port.parse().ok()?)));
    numbers
        .map(Some)
        .with_context(|| format!("{} is damaged: remove it", file.display()))
}

/// Where a server keeps its data.
fn data_dir(server: &str) -> Result<PathBuf> {
    let dir = state_dir().join(server);
    fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    Ok(dir)
}

fn state_dir() -> PathBuf {
    paths::root().join(".services")
}

fn state_file(server: &str) -> PathBuf {
    state_dir().join(format!("{server}.pid"))
}
