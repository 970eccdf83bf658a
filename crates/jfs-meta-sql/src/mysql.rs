//! MySQL and MariaDB: an exchange is one text of many statements, whose results come back together.
//!
//! The driver library speaks the protocol. Its pool resets a connection after each use, which costs a round trip, and waits without a
//! limit; so the pool is that of `net`. MySQL 8 is served by the same statements, and is not among the servers of the tests.

mod codes;
mod connect;
mod driver;
mod exchange;
mod marks;
mod row;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
mod text;
mod tls;
mod url;

pub use driver::open;
