//! The object stores of volumes: one small type over many kinds of storage.
//!
//! [`ObjectStore`] is what the rest of the project sees: put, get, list and delete below the volume's
//! name, with retries, deadlines, a bound on requests in flight, a length check on every ranged
//! read, and a comparison with the object's checksum where it has one and is read whole. Beneath it
//! sits a [`Backend`]; those for real storage are opendal operators, tests bring their own.
//!
//! A [`Location`] says where the objects of a volume are: kind of storage, bucket, keys, over how many
//! buckets they are spread and how they are encrypted. Spreading and encrypting are backends around
//! backends.
//!
//! The crate does not cut data into blocks, compress or cache. It knows no key but the text it is
//! given. opendal's types appear in no public item.

pub mod backend;
pub mod buffers;
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod store;

mod check;
mod cos;
mod encrypted;
mod file;
mod http;
mod key;
mod location;
mod open;
mod operator;
mod oss;
mod retry;
mod s3;
mod shards;
mod stats;
mod vendor;

#[cfg(test)]
mod conformance;

pub use backend::{Backend, ObjectInfo};
pub use error::{ErrorKind, ObjectError};
pub use location::Location;
pub use open::{shown_bucket, storages};
pub use stats::ObjectStats;
pub use store::{ObjectStore, StoreOptions};
