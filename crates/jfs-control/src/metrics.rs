//! The numbers of a mount: of its requests, and what each crate below counts.

mod process;

use crate::view::View;
use jfs_telemetry::metrics::{MetricFamily, MetricType, number, sorted};

impl View {
    /// All numbers this process keeps, sorted by name.
    pub fn metrics(&self) -> Vec<MetricFamily> {
        let mut all = self.inner.counters.metrics();
        all.extend(self.vfs().meta().stats().metrics());
        all.extend(self.vfs().chunks().objects().stats().metrics());
        all.extend(self.vfs().chunks().cache().metrics());
        all.extend(process::metrics());
        let gauge = |name, help, value: u64| number(name, help, MetricType::GAUGE, value as f64);
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
            number(
                "juicefs_uptime",
                "Seconds since the mount.",
                MetricType::GAUGE,
                self.inner.since.elapsed().as_secs_f64(),
            ),
        ]);
        sorted(all)
    }
}
