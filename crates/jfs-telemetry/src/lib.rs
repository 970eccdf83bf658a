//! Log lines in the format that scripts around JuiceFS parse, and masking of passwords.
//!
//! ```text
//! 2026/01/31 23:59:59.123456 juicefs[4711] <INFO>: Meta address: redis://h/1 [format@format.rs:42]
//! ```
//!
//! Everything in the project logs through `tracing`; libraries that log through `log` arrive here
//! as well. [`init`] installs the one subscriber of the process. [`metrics`] counts.
//! [`arguments`] hides the secrets of a command line.
//! What this crate does not do: spans.

pub mod arguments;
pub mod level;
pub mod line;
pub mod mask;
pub mod metrics;
pub mod sink;
pub mod standard_output;
pub mod subscriber;
pub mod syslog;

pub use level::Level;
pub use line::local_stamp;
pub use mask::{mask_arguments, mask_text, mask_url};
pub use sink::{Output, append_to};
pub use subscriber::{InitError, LogOptions, Logs, init};
pub use syslog::SYSLOG_SOCKET;

#[doc(hidden)]
pub use tracing as __tracing;

/// Logs a FATAL line with the caller's place. The caller ends the process with code 1 after it
/// has put things in order.
#[macro_export]
macro_rules! fatal {
    ($($arg:tt)+) => {
        $crate::__tracing::error!(fatal = true, "{}", format_args!($($arg)+))
    };
}
