//! The engine for PostgreSQL through its public interface, on a private server: what only a server can do to it. The rules of the
//! file system on it are tested with those of the other engines, in `tests/`.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "postgres/addresses.rs"]
mod addresses;
#[path = "postgres/attempts.rs"]
mod attempts;
#[path = "postgres/server.rs"]
mod server;
#[path = "postgres/volumes.rs"]
mod volumes;
