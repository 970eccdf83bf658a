//! The result as text: settings, usage of the mount process, a table.

use super::mount_counters::Counters;
use super::phase::Phase;
use super::settings::Settings;
use crate::table::{Side, render};
use std::time::Duration;

const MIB: f64 = 1_048_576.0;

/// What was measured.
pub(crate) struct Report {
    /// How long each phase took.
    pub(crate) times: Vec<(Phase, Duration)>,
    /// How long all took together, the removal included.
    pub(crate) took: Duration,
    /// What the mount had counted before and after; `None` when there is no mount.
    pub(crate) mount: Option<(Counters, Counters)>,
}

/// Limits of what is usual.
#[derive(Clone, Copy)]
enum Usual {
    /// Good from the second number on, bad below the first.
    AtLeast(f64, f64),
    /// Good up to the first number, bad above the second.
    AtMost(f64, f64),
    /// Says nothing about health.
    Any,
}

impl Usual {
    /// The escape sequence of the colour: green, yellow or red.
    fn colour(self, value: f64) -> &'static str {
        let (good, bad) = match self {
            Usual::AtLeast(low, high) => (value >= high, value < low),
            Usual::AtMost(low, high) => (value <= low, value > high),
            Usual::Any => (true, false),
        };
        match (good, bad) {
            (true, _) => "\x1b[1;32m",
            (_, true) => "\x1b[1;31m",
            _ => "\x1b[1;33m",
        }
    }
}

/// What is usual in a phase: units a second, and time for a file in seconds (big) or milliseconds (small).
fn usual(phase: Phase) -> (Usual, Usual) {
    let (rate, cost) = match phase {
        Phase::WriteBig | Phase::ReadBig => ((100.0, 200.0), (10.0, 50.0)),
        Phase::WriteSmall => ((12.5, 20.0), (50.0, 80.0)),
        Phase::ReadSmall => ((50.0, 100.0), (10.0, 20.0)),
        Phase::StatSmall => ((20.0, 1000.0), (1.0, 5.0)),
    };
    (
        Usual::AtLeast(rate.0, rate.1),
        Usual::AtMost(cost.0, cost.1),
    )
}

/// A row of what a mount counts: its name, the metric, and the usual milliseconds of one operation.
type MountRow = (&'static str, &'static str, f64, f64);

const MOUNT_ROWS: [MountRow; 7] = [
    (
        "FUSE operation",
        "juicefs_fuse_ops_durations_histogram_seconds",
        0.5,
        2.0,
    ),
    (
        "Update meta",
        "juicefs_transaction_durations_histogram_seconds",
        2.0,
        5.0,
    ),
    (
        "Put object",
        "juicefs_object_request_durations_histogram_seconds_PUT",
        100.0,
        200.0,
    ),
    (
        "Get object",
        "juicefs_object_request_durations_histogram_seconds_GET",
        100.0,
        200.0,
    ),
    (
        "Delete object",
        "juicefs_object_request_durations_histogram_seconds_DELETE",
        30.0,
        100.0,
    ),
    (
        "Write into cache",
        "juicefs_blockcache_write_hist_seconds",
        10.0,
        20.0,
    ),
    (
        "Read from cache",
        "juicefs_blockcache_read_hist_seconds",
        1.0,
        5.0,
    ),
];

impl Report {
    /// All of it, with a line break at the end.
    pub(crate) fn text(&self, settings: &Settings, colours: bool) -> String {
        let paint = |usual: Usual, value: f64, digits: usize| {
            let text = format!("{value:.digits$}");
            match colours {
                true => format!("{}{text}\x1b[0m", usual.colour(value)),
                false => text,
            }
        };
        let mut out = format!(
            "Benchmark finished!\nBlockSize: {}, BigFileSize: {}, SmallFileSize: {}, SmallFileCount: {}, NumThreads: {}\n",
            size(settings.block),
            size(settings.big_file),
            size(settings.small_file),
            settings.small_files,
            settings.threads
        );
        if let Some((before, after)) = &self.mount {
            let seconds = self.took.as_secs_f64().max(1e-9);
            let busy = after.get("juicefs_cpu_usage") - before.get("juicefs_cpu_usage");
            out.push_str(&format!(
                "Time used: {} s, CPU: {}%, Memory: {} MiB\n",
                paint(Usual::Any, seconds, 1),
                paint(Usual::AtMost(100.0, 200.0), busy * 100.0 / seconds, 1),
                paint(
                    Usual::AtMost(512.0, 1024.0),
                    after.get("juicefs_memory") / MIB,
                    1
                ),
            ));
        }
        let mut rows = Vec::new();
        for (phase, took) in &self.times {
            let (rate, cost) = usual(*phase);
            let seconds = took.as_secs_f64().max(1e-9);
            let files = settings.files(*phase) as f64;
            let all = files * settings.threads as f64;
            let row = if phase.is_big() {
                let mib = settings.file_size(*phase) as f64 * all / MIB;
                let value = format!("{} MiB/s", paint(rate, mib / seconds, 2));
                [value, format!("{} s/file", paint(cost, seconds / files, 2))]
            } else {
                let value = format!("{} files/s", paint(rate, all / seconds, 1));
                let millis = seconds * 1000.0 / files;
                [value, format!("{} ms/file", paint(cost, millis, 2))]
            };
            let [value, cost] = row;
            rows.push(vec![name(*phase).to_string(), value, cost]);
        }
        for (item, metric, good, bad) in MOUNT_ROWS {
            let Some((before, after)) = &self.mount else {
                break;
            };
            let grown = |part: &str| {
                let name = format!("{metric}_{part}");
                (after.get(&name) - before.get(&name)).max(0.0)
            };
            let (count, seconds) = (grown("total"), grown("sum"));
            let millis = if count > 0.0 {
                seconds * 1000.0 / count
            } else {
                0.0
            };
            rows.push(vec![
                item.to_string(),
                format!("{} operations", paint(Usual::Any, count, 0)),
                format!("{} ms/op", paint(Usual::AtMost(good, bad), millis, 2)),
            ]);
        }
        let head = ["ITEM", "VALUE", "COST"].map(|name| (name, Side::Right));
        out + &render(&head, &rows)
    }
}

/// In the table.
fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::WriteBig => "Write big file",
        Phase::ReadBig => "Read big file",
        Phase::WriteSmall => "Write small file",
        Phase::ReadSmall => "Read small file",
        Phase::StatSmall => "Stat file",
    }
}

/// Bytes with a binary unit: one decimal below 10, none from there on.
fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    let value = (value * 10.0).round() / 10.0;
    let digits = usize::from(value < 10.0 && unit != "B");
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        block: 1 << 20,
        big_file: 8 << 20,
        small_file: 128 << 10,
        small_files: 5,
        threads: 2,
    };

    fn report() -> Report {
        let millis = [40, 20, 20_000, 1, 2].map(Duration::from_millis);
        Report {
            times: Phase::ALL.into_iter().zip(millis).collect(),
            took: Duration::from_secs(2),
            mount: None,
        }
    }

    #[test]
    fn sizes_as_the_reference_writes_them() {
        for (bytes, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (1024, "1.0 KiB"),
            (128 << 10, "128 KiB"),
            (10 << 20, "10 MiB"),
            (1_200_000, "1.1 MiB"),
            (1 << 50, "1.0 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn rows_of_a_plain_directory() {
        assert_eq!(
            report().text(&SETTINGS, false),
            "Benchmark finished!\n\
             BlockSize: 1.0 MiB, BigFileSize: 8.0 MiB, SmallFileSize: 128 KiB, SmallFileCount: 5, NumThreads: 2\n\
             +------------------+-----------------+-----------------+\n\
             |       ITEM       |      VALUE      |       COST      |\n\
             +------------------+-----------------+-----------------+\n\
             |   Write big file |    400.00 MiB/s |     0.04 s/file |\n\
             |    Read big file |    800.00 MiB/s |     0.02 s/file |\n\
             | Write small file |     0.5 files/s | 4000.00 ms/file |\n\
             |  Read small file | 10000.0 files/s |    0.20 ms/file |\n\
             |        Stat file |  5000.0 files/s |    0.40 ms/file |\n\
             +------------------+-----------------+-----------------+\n"
        );
    }

    #[test]
    fn a_mount_adds_what_it_counted() {
        let counters = |name: &str, total: f64, sum: f64| {
            let text = format!(
                "juicefs_cpu_usage {sum}\njuicefs_memory 1048576\n{name}_total {total}\n{name}_sum {sum}\n"
            );
            Counters::parse(&text)
        };
        let name = "juicefs_object_request_durations_histogram_seconds_PUT";
        let report = Report {
            mount: Some((counters(name, 10.0, 1.0), counters(name, 30.0, 2.0))),
            ..report()
        };
        let text = report.text(&SETTINGS, false);
        assert!(
            text.contains("Time used: 2.0 s, CPU: 50.0%, Memory: 1.0 MiB\n"),
            "{text}"
        );
        assert!(
            text.contains("|       Put object |   20 operations |     50.00 ms/op |"),
            "{text}"
        );
        assert!(
            text.contains("|  Read from cache |    0 operations |      0.00 ms/op |"),
            "{text}"
        );
        assert_eq!(text.lines().filter(|l| l.starts_with("| ")).count(), 13);
        // Colours change nothing about the frame.
        let coloured = report.text(&SETTINGS, true);
        assert!(
            coloured.contains("\x1b[1;31m4000.00\x1b[0m ms/file |"),
            "{coloured}"
        );
        let mut bare = String::new();
        let mut parts = coloured.split('\x1b');
        bare.push_str(parts.next().unwrap());
        parts.for_each(|part| bare.push_str(part.split_once('m').unwrap().1));
        assert_eq!(bare, text);
    }
}
