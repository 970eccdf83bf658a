//! Numbers a process keeps about itself, and the text forms they are shown in.
//!
//! Crates count with [`Counter`] and [`Histogram`]: relaxed atomics, no lock. A program that shows the
//! numbers collects a [`Family`] for each name. Names are those of the reference, so that its tools and
//! dashboards find them.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Nanoseconds in a second.
const NANOS: f64 = 1e9;

/// A number that only grows. Cheap to add to from any thread.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at 0.
    pub const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes `n` back, for numbers that go up and down.
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts of values up to each of several bounds, and the sum of the values.
#[derive(Debug)]
pub struct Histogram {
    /// In units, rising.
    bounds: Box<[u64]>,
    /// The text of a bound.
    shown: Box<[f64]>,
    /// One more than bounds: the last is for what lies above all of them.
    counts: Box<[Counter]>,
    sum: Counter,
    /// Units in what is shown as 1.
    per_shown: f64,
}

impl Histogram {
    /// Of durations: `n` bounds from `first` seconds on, each `factor` times the one before.
    pub fn seconds(first: f64, factor: f64, n: usize) -> Histogram {
        Histogram::new(first, factor, n, NANOS)
    }

    /// Of sizes: the same in bytes.
    pub fn bytes(first: f64, factor: f64, n: usize) -> Histogram {
        Histogram::new(first, factor, n, 1.0)
    }

    fn new(first: f64, factor: f64, n: usize, per_shown: f64) -> Histogram {
        let shown: Vec<f64> = std::iter::successors(Some(first), |b| Some(b * factor))
            .take(n)
            .collect();
        Histogram {
            bounds: shown
                .iter()
                .map(|b| (b * per_shown).round() as u64)
                .collect(),
            shown: shown.into(),
            counts: (0..=n).map(|_| Counter::new()).collect(),
            sum: Counter::new(),
            per_shown,
        }
    }

    /// Counts a duration.
    pub fn observe(&self, time: Duration) {
        self.count(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts a value in units: bytes, or nanoseconds.
    pub fn count(&self, value: u64) {
        let at = self.bounds.partition_point(|b| *b < value);
        if let Some(counter) = self.counts.get(at) {
            counter.add(1);
        }
        self.sum.add(value);
    }

    /// The values now.
    pub fn snapshot(&self) -> Buckets {
        let mut total = 0;
        let counts = self.counts.iter().map(|c| {
            total += c.get();
            total
        });
        let below: Vec<u64> = counts.collect();
        Buckets {
            bounds: self.shown.to_vec(),
            count: below.last().copied().unwrap_or(0),
            below,
            sum: self.sum.get() as f64 / self.per_shown,
        }
    }
}

/// A [`Histogram`] at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets {
    bounds: Vec<f64>,
    /// Number of values up to each bound. The last is the number of all values.
    below: Vec<u64>,
    /// Number of values.
    pub count: u64,
    /// Their sum, in seconds or bytes.
    pub sum: f64,
}

/// The behaviour of a value over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The value only grows.
    Counter,
    /// The value goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One value of a family.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A distribution.
    Buckets(Buckets),
}

/// All values of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// The name, with the prefix `juicefs_`.
    pub name: &'static str,
    /// The meaning of the value, for people.
    pub help: &'static str,
    /// See [`Kind`].
    pub kind: Kind,
    /// Values, each with a label of its own (`method`, `errno`) when there are several.
    pub values: Vec<(Option<(&'static str, String)>, Value)>,
}

impl Family {
    /// A family of one number.
    pub fn one(name: &'static str, help: &'static str, kind: Kind, value: f64) -> Family {
        Family {
            name,
            help,
            kind,
            values: vec![(None, Value::Number(value))],
        }
    }

    /// A family of one distribution.
    pub fn histogram(name: &'static str, help: &'static str, h: &Histogram) -> Family {
        Family {
            name,
            help,
            kind: Kind::Histogram,
            values: vec![(None, Value::Buckets(h.snapshot()))],
        }
    }
}

/// Lines `name value`, as the file `.stats` shows them: values of labels are parts of the name.
pub fn stats_text(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families {
        for (label, value) in &family.values {
            let mut name = family.name.to_string();
            if let Some((_, text)) = label {
                let _ = write!(name, "_{text}");
            }
            match value {
                Value::Number(n) => {
                    let _ = writeln!(out, "{name} {n}");
                }
                Value::Buckets(b) => {
                    let _ = writeln!(out, "{name}_total {}\n{name}_sum {}", b.count, b.sum);
                }
            }
        }
    }
    out
}

/// The Prometheus text format, with `labels` on every value.
pub fn prometheus_text(families: &[Family], labels: &[(String, String)]) -> String {
    let mut out = String::new();
    for family in families {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let name = family.name;
        let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
        for (own, value) in &family.values {
            let own = own.as_ref().map(|(k, v)| (k.to_string(), v.clone()));
            let mut all: Vec<&(String, String)> = labels.iter().chain(&own).collect();
            all.sort();
            let labels: Vec<String> = all
                .iter()
                .map(|(k, v)| format!("{k}=\"{}\"", escaped(v)))
                .collect();
            let labels = labels.join(",");
            match value {
                Value::Number(n) => {
                    let _ = writeln!(out, "{name}{} {n}", braced(&labels));
                }
                Value::Buckets(b) => push_buckets(&mut out, name, &labels, b),
            }
        }
    }
    out
}

fn push_buckets(out: &mut String, name: &str, labels: &str, b: &Buckets) {
    let bounds = b.bounds.iter().map(f64::to_string);
    let comma = if labels.is_empty() { "" } else { "," };
    for (bound, below) in bounds.chain(["+Inf".to_string()]).zip(&b.below) {
        let _ = writeln!(
            out,
            "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}"
        );
    }
    let labels = braced(labels);
    let _ = writeln!(out, "{name}_sum{labels} {}", b.sum);
    let _ = writeln!(out, "{name}_count{labels} {}", b.count);
}

fn braced(labels: &str) -> String {
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_of_a_histogram() {
        let h = Histogram::seconds(0.001, 2.0, 3);
        for ms in [1, 2, 3, 100] {
            h.observe(Duration::from_millis(ms));
        }
        let family = [Family::histogram("juicefs_x", "An x.", &h)];
        assert_eq!(
            stats_text(&family),
            "juicefs_x_total 4\njuicefs_x_sum 0.106\n"
        );
        let labels = [("vol".to_string(), "a\"b".to_string())];
        assert_eq!(
            prometheus_text(&family, &labels),
            "# HELP juicefs_x An x.\n# TYPE juicefs_x histogram\n\
             juicefs_x_bucket{vol=\"a\\\"b\",le=\"0.001\"} 1\n\
             juicefs_x_bucket{vol=\"a\\\"b\",le=\"0.002\"} 2\n\
             juicefs_x_bucket{vol=\"a\\\"b\",le=\"0.004\"} 3\n\
             juicefs_x_bucket{vol=\"a\\\"b\",le=\"+Inf\"} 4\n\
             juicefs_x_sum{vol=\"a\\\"b\"} 0.106\njuicefs_x_count{vol=\"a\\\"b\"} 4\n"
        );
    }

    #[test]
    fn labels_are_sorted_and_join_the_name() {
        let family = [Family {
            name: "juicefs_ops",
            help: "Ops.",
            kind: Kind::Counter,
            values: vec![(Some(("method", "read".to_string())), Value::Number(3.0))],
        }];
        assert_eq!(stats_text(&family), "juicefs_ops_read 3\n");
        let labels = ["zone", "a"].map(|k| (k.to_string(), "1".to_string()));
        let text = prometheus_text(&family, &labels);
        assert!(
            text.ends_with("juicefs_ops{a=\"1\",method=\"read\",zone=\"1\"} 3\n"),
            "{text}"
        );
    }
}
