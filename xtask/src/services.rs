//! Private servers that outlive the command, for trying things by hand: `services up`, `services down`.
//!
//! Tests do not use these; each test process starts its own.

use crate::house;
use anyhow::{Context, Result};
use jfs_testkit::DetachedRedis;
use std::fs;
use std::path::PathBuf;

pub(crate) fn up() -> Result<()> {
    if let Some(running) = running()?.filter(DetachedRedis::answers) {
        println!("redis is up: {}", url(running));
        return Ok(());
    }
    let data = state_dir().join("redis");
    fs::create_dir_all(&data).with_context(|| format!("making {}", data.display()))?;
    let redis = DetachedRedis::start(&data)?;
    fs::write(state_file(), format!("{} {}\n", redis.pid, redis.port))?;
    println!("redis is up: {}", url(redis));
    Ok(())
}

/// Stops the servers and forgets their data.
pub(crate) fn down() -> Result<()> {
    if let Some(redis) = running()? {
        redis.stop()?;
    }
    match fs::remove_dir_all(state_dir()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// What the state file names, alive or not.
fn running() -> Result<Option<DetachedRedis>> {
    let Ok(text) = fs::read_to_string(state_file()) else {
        return Ok(None);
    };
    let numbers = text.trim().split_once(' ');
    let redis = numbers.and_then(|(pid, port)| {
        Some(DetachedRedis {
            pid: pid.parse().ok()?,
            port: port.parse().ok()?,
        })
    });
    redis
        .map(Some)
        .with_context(|| format!("{} is damaged: remove it", state_file().display()))
}

fn url(redis: DetachedRedis) -> String {
    format!("redis://127.0.0.1:{}/0", redis.port)
}

fn state_dir() -> PathBuf {
    house::root().join(".services")
}

fn state_file() -> PathBuf {
    state_dir().join("redis.pid")
}
