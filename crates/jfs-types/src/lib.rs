//! Domain vocabulary of jfs: inodes, attributes, entries, slices, settings, error numbers, and the
//! clock and randomness that everything else is handed.
//!
//! No I/O, no async, no stored encodings (those live in `jfs_meta::wire`).

pub mod acl;
pub mod attr;
pub mod caller;
pub mod duration;
pub mod errno;
pub mod format;
pub mod ino;
pub mod name;
pub mod slice;
pub mod version;
pub mod world;

pub use acl::{AclEntry, AclKind, AclRule};
pub use attr::{Attr, Entry, FileType, Time};
pub use caller::Caller;
pub use errno::Errno;
pub use format::Format;
pub use ino::Ino;
pub use name::Name;
pub use slice::{CHUNK_SIZE, ChunkIndex, SliceId, SliceRecord};
pub use world::{Clock, ManualClock, Rand, SystemClock, SystemRand};
