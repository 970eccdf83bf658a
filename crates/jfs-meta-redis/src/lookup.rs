//! A name and the attributes behind it in one round trip, by a script.

use crate::errors::{classify, name_record, undecodable};
use crate::layout;
use crate::resp::{Replies, Value};
use crate::shared::Shared;
use jfs_meta::EngineError;
use jfs_meta::engine::{Answer, Key};
use jfs_meta::wire::{decode_attr, decode_entry};
use jfs_types::{Attr, Entry, Ino, Name};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

type Found = Option<(Entry, Option<Attr>)>;

/// Returns the stored entry and the stored attribute. Numbers of the script language are exact up to 2^53
/// only; larger inodes are turned into digits byte by byte, three limbs of seven digits each.
const SCRIPT: &[u8] = b"local e = redis.call('HGET', KEYS[1], ARGV[1])
if not e then return false end
if #e ~= 9 then return {e, false} end
local b = {string.byte(e, 2, 9)}
local key
if b[1] == 0 and b[2] < 32 then
  local n = 0
  for i = 1, 8 do n = n * 256 + b[i] end
  key = string.format('i%.0f', n)
else
  local lo, mid, hi = 0, 0, 0
  for i = 1, 8 do
    lo = lo * 256 + b[i]
    local carry = math.floor(lo / 10000000)
    lo = lo - carry * 10000000
    mid = mid * 256 + carry
    carry = math.floor(mid / 10000000)
    mid = mid - carry * 10000000
    hi = hi * 256 + carry
  end
  key = string.format('i%.0f%07.0f%07.0f', hi, mid, lo)
end
return {e, redis.call('GET', key)}";

/// What came of running the script.
enum Ran {
    Found(Found),
    /// The server does not know it.
    Unknown,
    /// The server does not run scripts for us.
    Forbidden,
}

/// See [`jfs_meta::Engine::lookup`]. Two round trips where scripts are not allowed.
pub(crate) async fn lookup(shared: &Shared, dir: Ino, name: &Name) -> Result<Found, EngineError> {
    if shared.scripts.load(Ordering::Relaxed) {
        let ran = match digest() {
            None => run(shared, b"EVAL", SCRIPT, dir, name).await?,
            Some(digest) => match run(shared, b"EVALSHA", digest, dir, name).await? {
                Ran::Unknown => run(shared, b"EVAL", SCRIPT, dir, name).await?,
                ran => ran,
            },
        };
        match ran {
            Ran::Found(found) => return Ok(found),
            Ran::Unknown | Ran::Forbidden => {
                tracing::warn!("Redis does not run scripts for us: a lookup takes two round trips");
                shared.scripts.store(false, Ordering::Relaxed);
            }
        }
    }
    plainly(shared, dir, name).await
}

/// Name of the script on the server, known once a server has loaded it.
fn digest() -> Option<&'static [u8]> {
    DIGEST.get().map(|d| &d[..])
}

static DIGEST: OnceLock<Vec<u8>> = OnceLock::new();

/// Loads the script, so that lookups can call it by its digest. Failure is no harm.
pub(crate) async fn load(shared: &Shared) -> Result<(), EngineError> {
    let loaded = shared
        .ask(
            |r| r.call(&[b"SCRIPT", b"LOAD", SCRIPT]),
            |replies| match replies.value()? {
                Value::Bulk(digest) => Ok(Some(digest.to_vec())),
                _ => Ok(None),
            },
        )
        .await?;
    if let Some(loaded) = loaded {
        DIGEST.get_or_init(|| loaded);
    }
    Ok(())
}

async fn run(
    shared: &Shared,
    how: &[u8],
    script: &[u8],
    dir: Ino,
    name: &Name,
) -> Result<Ran, EngineError> {
    let key = layout::dir(dir);
    shared
        .ask(
            |r| r.call(&[how, script, b"1", &key, name.as_bytes()]),
            |replies| decode(replies).map_err(|e| name_record(e, || format!("{key} {name}"))),
        )
        .await
}

fn decode(replies: &mut Replies<'_>) -> Result<Ran, EngineError> {
    match replies.value()? {
        Value::Nil => Ok(Ran::Found(None)),
        Value::Array(2) => {
            let entry = decode_entry(replies.bytes()?).map_err(undecodable)?;
            let attr = replies.bulk()?.map(decode_attr).transpose().map_err(undecodable)?;
            Ok(Ran::Found(Some((entry, attr))))
        }
        Value::Error(text) if text.starts_with(b"NOSCRIPT") => Ok(Ran::Unknown),
        Value::Error(text) if text.starts_with(b"NOPERM") || contains(text, b"unknown command") => {
            Ok(Ran::Forbidden)
        }
        // The server puts words of its own around what a command inside a script answered.
        Value::Error(text) if contains(text, b"WRONGTYPE") => Err(classify(b"WRONGTYPE")),
        Value::Error(text) => Err(classify(text)),
        other => Err(EngineError::Fatal(format!("the lookup script answered {other:?}"))),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}

async fn plainly(shared: &Shared, dir: Ino, name: &Name) -> Result<Found, EngineError> {
    let entry = shared.fetch_one(&Key::Entry(dir, name.clone())).await?;
    let Some(entry) = entry.into_entry()? else { return Ok(None) };
    match shared.fetch_one(&Key::Attr(entry.ino)).await? {
        Answer::Attr(attr) => Ok(Some((entry, attr))),
        other => Err(EngineError::Fatal(format!("an attribute was answered with {other:?}"))),
    }
}
