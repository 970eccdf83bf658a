//! Metrics of a process, kept by the crate `prometheus`, and the two text forms they are shown in.
//!
//! Crates count with the types re-exported here: atomics, no lock on the way of a request. The functions
//! below make metrics without registering them anywhere: a process may hold several volumes, and each shows
//! its own numbers. Names are those of the reference, so that its tools and dashboards find them.

pub use prometheus::core::Collector;
pub use prometheus::proto::{MetricFamily, MetricType};
pub use prometheus::{Counter, CounterVec, Histogram, HistogramVec};
pub use prometheus::{IntCounter, IntCounterVec, IntGauge};

use prometheus::proto::{LabelPair, Metric};
use prometheus::{HistogramOpts, Opts, TextEncoder, exponential_buckets};
use std::fmt::Write;

/// Why a metric can be made: names, labels and bounds are constants of this workspace, and each is made
/// by a test.
const VALID: &str = "names, labels and bounds are valid constants";

/// Counts what only grows.
pub fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(name, help).expect(VALID)
}

/// Counts what only grows, for each value of a label.
pub fn counters(name: &str, help: &str, label: &str) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), &[label]).expect(VALID)
}

/// Sums seconds, for each value of a label.
pub fn seconds(name: &str, help: &str, label: &str) -> CounterVec {
    CounterVec::new(Opts::new(name, help), &[label]).expect(VALID)
}

/// Counts what goes up and down.
pub fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::new(name, help).expect(VALID)
}

/// Bounds of a histogram: `n` of them from `first` on, each `factor` times the one before. Seconds or bytes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The lowest bound.
    pub first: f64,
    /// What each bound is multiplied by for the next.
    pub factor: f64,
    /// How many there are.
    pub n: usize,
}

impl Bounds {
    fn of(self, name: &str, help: &str) -> HistogramOpts {
        let bounds = exponential_buckets(self.first, self.factor, self.n).expect(VALID);
        HistogramOpts::new(name, help).buckets(bounds)
    }
}

/// A distribution of values.
pub fn histogram(name: &str, help: &str, bounds: Bounds) -> Histogram {
    Histogram::with_opts(bounds.of(name, help)).expect(VALID)
}

/// A distribution for each value of a label.
pub fn histograms(name: &str, help: &str, label: &str, bounds: Bounds) -> HistogramVec {
    HistogramVec::new(bounds.of(name, help), &[label]).expect(VALID)
}

/// A family of one number that is kept elsewhere. `kind` is a counter or a gauge.
pub fn number(name: &str, help: &str, kind: MetricType, value: f64) -> MetricFamily {
    let mut metric = Metric::default();
    match kind {
        MetricType::COUNTER => {
            let mut counter = prometheus::proto::Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
        _ => {
            let mut gauge = prometheus::proto::Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
    }
    let mut family = MetricFamily::default();
    family.set_name(name.to_string());
    family.set_help(help.to_string());
    family.set_field_type(kind);
    family.set_metric(vec![metric]);
    family
}

/// Families without the counters that are still 0. Counters for each value of a label are made ahead of
/// the requests that add to them, and the reference shows only what was counted.
pub fn used(families: Vec<MetricFamily>) -> Vec<MetricFamily> {
    let counted = |metric: &Metric| metric.get_counter().get_value() > 0.0;
    let keep = |mut family: MetricFamily| {
        if family.get_field_type() == MetricType::COUNTER {
            let metrics = family.take_metric().into_iter();
            family.set_metric(metrics.filter(counted).collect());
        }
        family
    };
    families.into_iter().map(keep).collect()
}

/// Families sorted by name and their values by label. Those without a value are left out.
pub fn sorted(mut families: Vec<MetricFamily>) -> Vec<MetricFamily> {
    families.retain(|family| !family.get_metric().is_empty());
    families.sort_by(|a, b| a.name().cmp(b.name()));
    for family in &mut families {
        let mut metrics = family.take_metric();
        metrics.sort_by(|a, b| values(a).cmp(values(b)));
        family.set_metric(metrics);
    }
    families
}

fn values(metric: &Metric) -> impl Iterator<Item = &str> {
    metric.get_label().iter().map(LabelPair::value)
}

/// Lines `name value`, as the file `.stats` shows them: values of labels are parts of the name.
pub fn stats_text(families: &[MetricFamily]) -> String {
    let mut out = String::new();
    for family in families {
        for metric in family.get_metric() {
            let mut name = family.name().to_string();
            values(metric).for_each(|value| name.extend(["_", value]));
            let histogram = metric.get_histogram();
            // Writing to a string cannot fail.
            let _ = match family.get_field_type() {
                MetricType::HISTOGRAM => writeln!(
                    out,
                    "{name}_total {}\n{name}_sum {}",
                    histogram.get_sample_count(),
                    histogram.get_sample_sum()
                ),
                MetricType::COUNTER => writeln!(out, "{name} {}", metric.get_counter().get_value()),
                _ => writeln!(out, "{name} {}", metric.get_gauge().get_value()),
            };
        }
    }
    out
}

/// The media type of [`prometheus_text`].
pub const PROMETHEUS_MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The Prometheus text format, with `labels` on every value.
pub fn prometheus_text(mut families: Vec<MetricFamily>, labels: &[(String, String)]) -> String {
    families.retain(|family| !family.get_metric().is_empty());
    let pair = |(name, value): &(String, String)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.clone());
        pair.set_value(value.clone());
        pair
    };
    for metric in families.iter_mut().flat_map(MetricFamily::mut_metric) {
        let mut all = metric.take_label();
        all.extend(labels.iter().map(pair));
        all.sort_by(|a, b| a.name().cmp(b.name()));
        metric.set_label(all);
    }
    let text = TextEncoder::new().encode_to_string(&families);
    text.expect("every family has a value and a type with a text form")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        first: 0.001,
        factor: 2.0,
        n: 3,
    };

    #[test]
    fn both_texts_of_a_histogram() {
        let h = histogram("juicefs_x", "An x.", BOUNDS);
        for seconds in [0.001, 0.002, 0.003, 0.5] {
            h.observe(seconds);
        }
        let families = h.collect();
        assert_eq!(
            stats_text(&families),
            "juicefs_x_total 4\njuicefs_x_sum 0.506\n"
        );
        let labels = [("vol".to_string(), "a\"b".to_string())];
        assert_eq!(
            prometheus_text(families, &labels),
            "# HELP juicefs_x An x.\n# TYPE juicefs_x histogram\n\
             juicefs_x_bucket{vol=\"a\\\"b\",le=\"0.001\"} 1\n\
             juicefs_x_bucket{vol=\"a\\\"b\",le=\"0.002\"} 2\n\
             juicefs_x_bucket{vol=\"a\\\"b\",le=\"0.004\"} 3\n\
             juicefs_x_bucket{vol=\"a\\\"b\",le=\"+Inf\"} 4\n\
             juicefs_x_sum{vol=\"a\\\"b\"} 0.506\njuicefs_x_count{vol=\"a\\\"b\"} 4\n"
        );
    }

    #[test]
    fn labels_are_sorted_and_join_the_name() {
        let ops = counters("juicefs_ops", "Ops.", "method");
        for (name, n) in [("write", 0), ("read", 3), ("open", 1)] {
            ops.with_label_values(&[name]).inc_by(n);
        }
        let families = sorted(used(ops.collect()));
        assert_eq!(
            stats_text(&families),
            "juicefs_ops_open 1\njuicefs_ops_read 3\n"
        );
        let labels = ["zone", "a"].map(|k| (k.to_string(), "1".to_string()));
        let text = prometheus_text(families, &labels);
        assert!(
            text.ends_with("juicefs_ops{a=\"1\",method=\"read\",zone=\"1\"} 3\n"),
            "{text}"
        );
    }

    /// A family that has counted nothing must not spoil the page.
    #[test]
    fn families_without_values_are_left_out() {
        let empty = counters("juicefs_none", "None.", "method").collect();
        assert_eq!(prometheus_text(empty.clone(), &[]), "");
        let mut all = vec![number("juicefs_b", "B.", MetricType::GAUGE, 0.0)];
        all.extend(empty);
        all.push(number("juicefs_a", "A.", MetricType::COUNTER, 0.5));
        assert_eq!(stats_text(&sorted(all)), "juicefs_a 0.5\njuicefs_b 0\n");
    }
}
