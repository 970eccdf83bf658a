//! Encodings that the engine families share: attributes, entries, slice records, delayed slices,
//! session descriptions. All integers big endian. docs/FORMAT.md has the layouts.

mod attr;
mod entry;
mod session;
mod slice;

pub use attr::{decode_attr, encode_attr};
pub use entry::{decode_entry, encode_entry};
pub use session::SessionInfo;
pub use slice::{RECORD_BYTES, decode_delayed, decode_records, encode_record};

/// Why stored bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WireError(pub String);
