//! The object stores of volumes: one small type over many kinds of storage.
//!
//! [`ObjectStore`] is what the rest of the project sees: put, get, list and delete below the volume's
//! name, with retries, deadlines, a bound on requests in flight, and a length check on every ranged
//! read. Beneath it sits a [`Backend`]; those for real storage are opendal operators, tests bring
//! their own.
//!
//! What it does not do: cut data into blocks, compress, encrypt or cache. It knows no key but the
//! text it is given. opendal's types appear in no public item.

pub mod backend;
pub mod buffers;
pub mod error;
pub mod store;

mod check;
mod file;
mod key;
mod open;
mod operator;
mod retry;

#[cfg(test)]
mod conformance;

pub use backend::{Backend, ObjectInfo};
pub use error::{ErrorKind, ObjectError};
pub use store::{ObjectStore, StoreOptions};
