//! What the stores behind HTTP share: S3 and the stores of vendors with a protocol of its kind.
//!
//! [`client`] is the HTTP client, [`sign`] finishes a request with a signature, [`bucket`] reads objects and makes
//! buckets, [`transport`] lets opendal send everything else through the same signature. [`host`] reads addresses that
//! begin with the bucket, [`place`] finds the address of a bucket that is known by its name alone, and [`answer`] reads
//! what a server says when it refuses.

pub(crate) mod bucket;
pub(crate) mod bucket_lookup;
pub(crate) mod client;
pub(crate) mod host;
pub(crate) mod refusal;
pub(crate) mod sign;
pub(crate) mod transport;

/// Reads a variable of the environment; an empty one counts as missing.
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
