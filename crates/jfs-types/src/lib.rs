//! Domain vocabulary of jfs: inodes, attributes, entries, slices, settings, error numbers, and the
//! traits for the clock, for random numbers and for caches of descriptors.
//!
//! No I/O, no async, no stored encodings (those live in `jfs_meta::wire`).

pub mod acl;
pub mod attr;
pub mod caller;
pub mod clock;
pub mod descriptors;
pub mod duration;
pub mod errno;
pub mod format;
pub mod ino;
pub mod name;
pub mod path;
pub mod random;
pub mod slice;
pub mod version;

pub use acl::{AclEntry, AclKind, AclRule};
pub use attr::{Attr, Entry, FileType, Time};
pub use caller::Caller;
pub use clock::{Clock, ManualClock, SystemClock};
pub use errno::Errno;
pub use format::Format;
pub use ino::Ino;
pub use name::Name;
pub use random::{Rand, SystemRand};
pub use slice::{CHUNK_SIZE, ChunkIndex, SliceId, SliceRecord};
