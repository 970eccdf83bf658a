//! What programs say on standard output.

use std::fmt;
use std::io::{ErrorKind, Write};

/// What a shell makes of a program that SIGPIPE ended.
const PIPE_CLOSED: i32 = 141;

/// Writes to standard output; [`say!`](crate::say) and [`show!`](crate::show) call it. When nobody reads any
/// more (`juicefs status | head -1`) the program ends, as others do by SIGPIPE; another failure is reported
/// on standard error and ends it with 1.
#[expect(
    clippy::disallowed_methods,
    reason = "ends where a signal would end other programs"
)]
pub fn write_out(text: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) else {
        return;
    };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(PIPE_CLOSED);
    }
    eprintln!("standard output: {error}");
    std::process::exit(1);
}

/// As `print!`, for output that may be read by nobody.
#[macro_export]
macro_rules! show {
    ($($text:tt)*) => { $crate::standard_output::write_out(format_args!($($text)*)) };
}

/// As `println!`, for output that may be read by nobody.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::standard_output::write_out(format_args!("{}\n", format_args!($($text)*))) };
}
