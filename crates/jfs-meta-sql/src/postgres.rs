//! PostgreSQL: connections that one task drives itself, and pipelined prepared statements.
//!
//! The driver library speaks the protocol. Usually it runs each connection in a task of its own; here the task that asks also reads
//! the socket, so that a round trip wakes no other task. A pool of our own fits that, and gives every wait a deadline.

mod connect;
mod driver;
mod exchange;
mod sqlstate;
mod tls;
mod url;
mod values;

pub use driver::open;
