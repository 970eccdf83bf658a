//! Entry points for the fuzz targets: addresses of buckets from users, and keys. Not for users.

/// Reads the address of a bucket as S3, as MinIO and as one of a vendor; whether one of them fits.
pub fn check_address(text: &str) -> bool {
    let of_vendor = crate::http::host::BucketHost::read(text, "cos");
    crate::s3::check_address(text) || of_vendor.is_ok()
}

/// Whether a text may be a key.
pub fn check_key(text: &str) -> bool {
    crate::key::check_key(text).is_ok()
}
