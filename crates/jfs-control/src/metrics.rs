//! The numbers of a mount: of its requests, and what each crate below counts.

mod process;

use crate::view::View;
use jfs_telemetry::metrics::{Family, Kind};

impl View {
    /// All numbers this process keeps, sorted by name.
    pub fn metrics(&self) -> Vec<Family> {
        let mut all = self.inner.counters.families();
        all.extend(self.vfs().meta().stats().families());
        all.extend(self.vfs().chunks().objects().stats().families());
        all.extend(self.cache_metrics());
        all.extend(process::families());
        let gauge = |name, help, value: u64| Family::one(name, help, Kind::Gauge, value as f64);
        let (space, inodes) = self.vfs().meta().known_usage();
        all.extend([
            gauge(
                "juicefs_fuse_open_handlers",
                "Open files and directories.",
                self.vfs().open_handles(),
            ),
            gauge(
                "juicefs_used_buffer_size_bytes",
                "Bytes in write buffers.",
                self.vfs().chunks().budget().used(),
            ),
            gauge("juicefs_used_space", "Bytes in use in the volume.", space),
            gauge(
                "juicefs_used_inodes",
                "Inodes in use in the volume.",
                inodes,
            ),
            Family::one(
                "juicefs_uptime",
                "Seconds since the mount.",
                Kind::Gauge,
                self.inner.since.elapsed().as_secs_f64(),
            ),
        ]);
        all.sort_by_key(|family| family.name);
        all
    }

    fn cache_metrics(&self) -> Vec<Family> {
        let s = self.vfs().chunks().cache().stats();
        [
            (
                "juicefs_blockcache_blocks",
                "Blocks in the cache.",
                Kind::Gauge,
                s.blocks,
            ),
            (
                "juicefs_blockcache_bytes",
                "Bytes in the cache.",
                Kind::Gauge,
                s.bytes,
            ),
            (
                "juicefs_blockcache_drops",
                "Blocks not cached because the disk was busy.",
                Kind::Counter,
                s.dropped,
            ),
            (
                "juicefs_blockcache_evicts",
                "Blocks evicted.",
                Kind::Counter,
                s.evictions,
            ),
            (
                "juicefs_blockcache_hit_bytes",
                "Bytes read from the cache.",
                Kind::Counter,
                s.hit_bytes,
            ),
            (
                "juicefs_blockcache_hits",
                "Reads from the cache.",
                Kind::Counter,
                s.hits,
            ),
            (
                "juicefs_blockcache_miss",
                "Reads that the cache could not answer.",
                Kind::Counter,
                s.misses,
            ),
            (
                "juicefs_blockcache_miss_bytes",
                "Bytes of them.",
                Kind::Counter,
                s.miss_bytes,
            ),
            (
                "juicefs_blockcache_write_bytes",
                "Bytes written to the cache.",
                Kind::Counter,
                s.write_bytes,
            ),
            (
                "juicefs_blockcache_writes",
                "Blocks written to the cache.",
                Kind::Counter,
                s.writes,
            ),
        ]
        .map(|(name, help, kind, value)| Family::one(name, help, kind, value as f64))
        .into_iter()
        .chain(self.vfs().chunks().cache().times())
        .collect()
    }
}
