//! Object stores by name: put, get, delete, list, and making what was put durable.
//!
//! [`ObjectStore`] is what everybody uses: it retries, checks lengths and sets deadlines over a
//! [`Backend`]. Keys are below the volume's name. Backends of this crate: a local directory
//! (`file`) and memory (`mem`, an opendal operator).

#![forbid(unsafe_code)]

mod backend;
mod error;
mod file;
mod mem;
mod store;

pub use backend::{Backend, ObjectInfo};
pub use error::{ErrorKind, ObjectError};
pub use store::{ObjectStore, StoreOptions};
