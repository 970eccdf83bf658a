//! The entry of the fuzz targets: requests that any program may write to `.control`. Not for users.

/// Feeds a request in pieces of `piece` bytes (at least 1). Returns the bytes that are answered at once, none when
/// the request can be served, and the number of bytes of the request that were kept.
pub fn control_request(bytes: &[u8], piece: usize) -> (Vec<u8>, usize) {
    crate::control_file::control_request(bytes, piece)
}
