//! Numbers of the process, from /proc. What cannot be read is left out.

use jfs_telemetry::metrics::{Family, Kind};

/// Clock ticks of /proc/self/stat in a second; Linux shows the same on every machine.
const TICKS: f64 = 100.0;
const PAGE: f64 = 4096.0;

pub(crate) fn families() -> Vec<Family> {
    let mut all = Vec::new();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold anything; fields are counted behind it.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let fields: Vec<f64> = fields
        .split_whitespace()
        .map(|f| f.parse().unwrap_or(0.0))
        .collect();
    if let (Some(user), Some(system)) = (fields.get(11), fields.get(12)) {
        let cpu = (user + system) / TICKS;
        all.push(Family::one(
            "juicefs_cpu_usage",
            "Seconds of CPU used.",
            Kind::Gauge,
            cpu,
        ));
        all.push(Family::one(
            "juicefs_process_cpu_seconds_total",
            "Seconds of CPU used.",
            Kind::Counter,
            cpu,
        ));
    }
    if let (Some(size), Some(pages)) = (fields.get(20), fields.get(21)) {
        let resident = pages * PAGE;
        for (name, help, value) in [
            ("juicefs_memory", "Bytes of memory used.", resident),
            (
                "juicefs_process_resident_memory_bytes",
                "Bytes of memory used.",
                resident,
            ),
            (
                "juicefs_process_virtual_memory_bytes",
                "Bytes of address space.",
                *size,
            ),
        ] {
            all.push(Family::one(name, help, Kind::Gauge, value));
        }
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        all.push(Family::one(
            "juicefs_process_open_fds",
            "Open file descriptors.",
            Kind::Gauge,
            open.count() as f64,
        ));
    }
    all
}
