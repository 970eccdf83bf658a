//! Numbers for monitoring.

use crate::not_yet::{self, NotYet};
use clap::{ArgAction, Args};

/// Flags about metrics.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsFlags {
    /// Address that answers Prometheus at /metrics. The next free port is taken if it is busy. Empty for no
    /// metrics.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9567")]
    pub metrics: String,
    /// Labels that all metrics get besides their own, NAME:VALUE with semicolons between.
    #[arg(
        long,
        value_name = "LABELS",
        default_value = "",
        hide_default_value = true
    )]
    pub custom_labels: String,
    /// Consul server that the address is registered with.
    #[arg(
        long, value_name = "HOST:PORT", value_parser = not_yet::no_text,
        default_value = "", hide_default_value = true
    )]
    pub consul: NotYet,
    /// Send no report of usage. None is ever sent.
    #[arg(
        long, value_name = "BOOL", value_parser = not_yet::on, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true"
    )]
    pub no_usage_report: NotYet,
}
