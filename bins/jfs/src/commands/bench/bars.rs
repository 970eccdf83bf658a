//! Progress bars, shown on a terminal only.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// While a phase runs.
const RUNNING: &str = "{prefix:>18}: {pos}/{len} [{bar:40}] {per_sec} ETA: {eta}";
/// Afterwards.
const DONE: &str = "{prefix:>18}: {pos}/{len} [{bar:40}] used: {msg}";

/// A bar for each phase, one below the other.
pub(crate) struct Bars {
    all: MultiProgress,
    shown: bool,
}

/// The bar of a phase.
pub(crate) struct Bar(ProgressBar);

impl Bars {
    /// Without a terminal nothing is shown.
    pub(crate) fn new(terminal: bool) -> Bars {
        let target = if terminal {
            ProgressDrawTarget::stdout()
        } else {
            ProgressDrawTarget::hidden()
        };
        Bars {
            all: MultiProgress::with_draw_target(target),
            shown: terminal,
        }
    }

    /// A new bar of so many steps.
    pub(crate) fn add(&self, title: &'static str, steps: u64) -> Bar {
        let bar = ProgressBar::new(steps).with_prefix(title);
        Bar(self.all.add(bar).with_style(style(RUNNING)))
    }
}

impl Drop for Bars {
    /// What is written next begins on a line of its own.
    fn drop(&mut self) {
        if self.shown {
            jfs_telemetry::show!("\n");
        }
    }
}

impl Bar {
    /// One step more is done. Any thread may call it.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// All is done; the bar stays with the time it took.
    pub(crate) fn finish(&self, took: Duration) {
        self.0.set_style(style(DONE));
        self.0.finish_with_message(format!("{took:.3?}"));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=>-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_understood() {
        for template in [RUNNING, DONE] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
