//! Encodings that the engine families share: attributes, entries, slice records, delayed slices, ACL
//! rules, locks, session descriptions. All integers big endian. docs/FORMAT.md has the layouts.

mod acl;
mod attr;
mod entry;
mod lock;
mod session;
mod slice;

pub use acl::{
    decode_acl, decode_acl_entries, decode_acl_xattr, encode_acl, encode_acl_entries,
    encode_acl_xattr,
};
pub use attr::{decode_attr, encode_attr};
pub use entry::{decode_entry, encode_entry};
pub use lock::{LockRecord, LockType, decode_locks, encode_locks};
pub use session::SessionInfo;
pub use slice::{RECORD_BYTES, decode_delayed, decode_records, encode_delayed, encode_record};

/// The reason why stored bytes do not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WireError(pub String);
