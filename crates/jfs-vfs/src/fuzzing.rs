//! What the fuzz targets call: requests that any program may write to `.control`. Not for users.

/// Feeds a request in pieces of `piece` bytes (at least 1). What is answered at once, or nothing when
/// the request is one that can be served; and how much of it was kept.
pub fn control_request(bytes: &[u8], piece: usize) -> (Vec<u8>, usize) {
    crate::internal::control_request(bytes, piece)
}
