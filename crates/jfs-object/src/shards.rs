//! Objects spread over several buckets by the hash of their keys (docs/FORMAT.md, "Shards").

use crate::ObjectError;
use crate::backend::{Backend, ObjectInfo};
use bytes::Bytes;
use futures_util::future::try_join_all;
use std::ops::Range;
use std::sync::Arc;

/// Most buckets of a volume.
const SHARDS_MAX: u32 = 256;

/// Several backends as one.
#[derive(Debug)]
pub(crate) struct Shards {
    /// First part of the keys as they are hashed.
    volume_name: String,
    stores: Vec<Arc<dyn Backend>>,
}

impl Shards {
    /// Spreads over `stores`, at least one.
    pub(crate) fn new(volume_name: &str, stores: Vec<Arc<dyn Backend>>) -> Shards {
        Shards {
            volume_name: volume_name.to_string(),
            stores,
        }
    }

    fn index(&self, key: &str) -> usize {
        let whole = [self.volume_name.as_str(), "/", key];
        let hash = fnv1a(whole.iter().flat_map(|part| part.bytes()));
        // At most 256 stores.
        (hash % self.stores.len() as u32) as usize
    }

    /// The keys that belong to each store.
    fn split(&self, keys: &[String]) -> Vec<Vec<String>> {
        let mut parts: Vec<Vec<String>> = vec![Vec::new(); self.stores.len()];
        for key in keys {
            parts[self.index(key)].push(key.clone());
        }
        parts
    }

    fn store(&self, key: &str) -> &dyn Backend {
        &*self.stores[self.index(key)]
    }
}

#[async_trait::async_trait]
impl Backend for Shards {
    async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        self.store(key).put(key, data).await
    }

    async fn put_durable(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        self.store(key).put_durable(key, data).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        self.store(key).get(key, range).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, ObjectError> {
        self.store(key).head(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.store(key).delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        start_after: &str,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        let lists = self
            .stores
            .iter()
            .map(|s| s.list(prefix, start_after, limit));
        let mut all = try_join_all(lists).await?.concat();
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        all.truncate(limit);
        Ok(all)
    }

    async fn sync(&self, keys: &[String]) -> Result<(), ObjectError> {
        let parts = self.split(keys);
        let parts = self.stores.iter().zip(&parts);
        let wanted = parts.filter(|(_, keys)| !keys.is_empty());
        try_join_all(wanted.map(|(store, keys)| store.sync(keys))).await?;
        Ok(())
    }

    fn needs_sync(&self) -> bool {
        self.stores.iter().any(|s| s.needs_sync())
    }

    fn unflushed(&self, keys: &[String]) -> Option<ObjectError> {
        let parts = self.split(keys);
        let mut parts = self.stores.iter().zip(&parts);
        parts.find_map(|(store, keys)| store.unflushed(keys))
    }

    async fn create(&self) -> Result<(), ObjectError> {
        try_join_all(self.stores.iter().map(|s| s.create())).await?;
        Ok(())
    }

    fn reads_ranges(&self) -> bool {
        self.stores.iter().all(|s| s.reads_ranges())
    }
}

/// FNV-1a, 32 bits.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The buckets that a text with one number in it stands for. Numbers are written as in Go: `%d`,
/// `%x`, `%03d`, ...; `%%` is a percent sign.
pub(crate) fn buckets(text: &str, count: u32) -> Result<Vec<String>, String> {
    if count > SHARDS_MAX {
        return Err(format!("{count} shards are too many: {SHARDS_MAX} at most"));
    }
    (0..count).map(|number| numbered(text, number)).collect()
}

fn numbered(text: &str, number: u32) -> Result<String, String> {
    let bad = || {
        let shown = jfs_telemetry::mask_url(text);
        format!("{shown} names no bucket for each shard: one %d has to stand in it")
    };
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap_or_default().to_string();
    let mut seen = 0;
    while let Some(piece) = pieces.next() {
        if piece.is_empty() {
            // Two signs in a row, or one at the end.
            out.push('%');
            out.push_str(pieces.next().ok_or_else(bad)?);
            continue;
        }
        let flags = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (flags, rest) = piece.split_at(flags);
        let width: usize = match flags {
            "" => 0,
            flags => flags.parse().ok().filter(|w| *w <= 64).ok_or_else(bad)?,
        };
        let mut chars = rest.chars();
        let digits = match chars.next() {
            Some('d') => number.to_string(),
            Some('x') => format!("{number:x}"),
            Some('X') => format!("{number:X}"),
            Some('o') => format!("{number:o}"),
            Some('b') => format!("{number:b}"),
            _ => return Err(bad()),
        };
        out += &match flags.starts_with('0') {
            true => format!("{digits:0>width$}"),
            false => format!("{digits:>width$}"),
        };
        out.push_str(chars.as_str());
        seen += 1;
    }
    if seen == 1 { Ok(out) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        for (text, want) in [
            ("", 0x811c_9dc5),
            ("a", 0xe40c_292c),
            ("foobar", 0xbf9c_f968),
        ] {
            assert_eq!(fnv1a(text.bytes()), want, "{text}");
        }
    }

    #[test]
    fn texts_with_a_number() {
        for (text, want) in [
            ("/data/s%d/", Ok("/data/s11/")),
            ("http://h/b-%03d", Ok("http://h/b-011")),
            ("%xb", Ok("bb")),
            ("a%%b%d", Ok("a%b11")),
            ("%4d", Ok("  11")),
            ("/data/", Err(())),
            ("/%d/%d", Err(())),
            ("/%s", Err(())),
            ("/%99999999999d", Err(())),
            ("100%", Err(())),
        ] {
            let got = numbered(text, 11);
            assert_eq!(got.as_deref().map_err(|_| ()), want, "{text}");
        }
        assert_eq!(
            buckets("b%d", 257),
            Err("257 shards are too many: 256 at most".to_string())
        );
        assert_eq!(
            buckets("b%d", 2),
            Ok(vec!["b0".to_string(), "b1".to_string()])
        );
    }
}
