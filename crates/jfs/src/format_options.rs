//! What a new volume is like.

use crate::Error;
use crate::options::options;
use jfs_types::Format;
use jfs_types::format::META_VERSION;
use serde_json::json;

/// Smallest and largest block, bytes.
const BLOCK_MIN: u64 = 64 << 10;
const BLOCK_MAX: u64 = 16 << 20;

options! {
    /// Options of [`crate::Volume::format`].
    ///
    /// ```
    /// use jfs::FormatOptions;
    ///
    /// let options = FormatOptions::new()
    ///     .name("photos")
    ///     .bucket("/srv/photos")
    ///     .compression("zstd")
    ///     .trash_days(7);
    /// # let _ = options;
    /// ```
    pub struct FormatOptions {
        /// Kind of object store: `file`, `s3`, `minio`, `cos` or `oss`. Default `file`.
        storage: String = "file".to_string(),
        /// Bytes of a block: a power of two from 64 KiB to 16 MiB. Default 4 MiB.
        block_size: u64 = 4 << 20,
        /// Days that removed files stay in the trash; 0 deletes them at once. Default 1.
        trash_days: u32 = 1,
        /// Most bytes in the volume; 0 = no limit. Default 0.
        capacity: u64 = 0,
        /// Most inodes in the volume; 0 = no limit. Default 0.
        inodes: u64 = 0,
        /// Enable POSIX ACLs. Default false.
        acl: bool = false,
        /// Put a hash before the names of objects. Default false.
        hash_prefix: bool = false,
        /// Buckets to spread objects over; `%d` in the bucket stands for the number of each. 0 = one bucket.
        /// Default 0.
        shards: u32 = 0,
        /// Write, read and delete an object first, refuse a bucket that holds something, and leave the mark
        /// of the volume there. Default true.
        check_storage: bool = true,
    }
    optional {
        /// Name of the volume; required. Lower-case letters, digits and dashes, 3 to 63 of them.
        name: String,
        /// Where objects are; required. For `file` a directory, made when missing; else the address of a bucket.
        bucket: String,
        /// Access key of the object store.
        access_key: String,
        /// Secret key of the object store. Stored sealed.
        secret_key: String,
        /// Session token of the object store. Stored sealed.
        session_token: String,
        /// Class of new objects.
        storage_class: String,
        /// `lz4` or `zstd`. Default: none.
        compression: String,
        /// PEM text of an RSA private key that encrypts the volume. Its passphrase is read from the
        /// environment variable `JFS_RSA_PASSPHRASE`. Default: no encryption.
        encrypt_key: String,
        /// `aes256gcm-rsa`, `chacha20-rsa` or `sm4gcm`. Default `aes256gcm-rsa`.
        encrypt_algo: String,
    }
}

impl FormatOptions {
    /// The setting of a new volume.
    pub(crate) fn setting(&self) -> Result<Format, Error> {
        let wrong = |why: String| Err(Error::setting(why));
        let name = self.name.clone().unwrap_or_default();
        if !is_valid_name(&name) {
            return wrong(format!(
                "volume name {name:?}: 3 to 63 lower-case letters, digits and dashes are needed"
            ));
        }
        let Some(bucket) = self.bucket.clone().filter(|b| !b.is_empty()) else {
            return wrong("no bucket is given".to_string());
        };
        let size = self.block_size;
        if !(BLOCK_MIN..=BLOCK_MAX).contains(&size) || !size.is_power_of_two() {
            return wrong(format!(
                "block size {size} is no power of two from {BLOCK_MIN} to {BLOCK_MAX} bytes"
            ));
        }
        let compression = self.compression.clone().unwrap_or("none".to_string());
        if !["none", "lz4", "zstd"].contains(&compression.as_str()) {
            return wrong(format!("compression {compression:?}: lz4, zstd or none"));
        }
        let algo = self.encrypt_algo.clone();
        let algo = algo.unwrap_or("aes256gcm-rsa".to_string());
        crate::admin::check_encrypt_algo(&algo)?;
        let storage = self.storage.to_lowercase();
        let class = self.storage_class.clone().unwrap_or_default();
        let tiers = json!({ "0": { "ID": 0, "StorageClass": class, "Tag": "" } });
        Ok(Format {
            name,
            uuid: uuid::Uuid::new_v4().to_string(),
            bucket: match storage.as_str() {
                "file" => directory(&bucket),
                _ => bucket,
            },
            storage,
            storage_class: class,
            tiers: tiers.as_object().cloned(),
            access_key: self.access_key.clone().unwrap_or_default(),
            secret_key: self.secret_key.clone().unwrap_or_default(),
            session_token: self.session_token.clone().unwrap_or_default(),
            encrypt_key: self.encrypt_key.clone().unwrap_or_default(),
            encrypt_algo: algo,
            // At most 16384.
            block_size: (size >> 10) as u32,
            compression,
            shards: i64::from(self.shards),
            hash_prefix: self.hash_prefix,
            capacity: self.capacity,
            inodes: self.inodes,
            trash_days: i64::from(self.trash_days),
            meta_version: META_VERSION,
            // The oldest clients that can read a volume of today.
            min_client_version: match self.acl {
                true => "1.2.0-A".to_string(),
                false => "1.1.0-A".to_string(),
            },
            enable_acl: self.acl,
            dir_stats: true,
            ..Format::default()
        })
    }
}

fn is_valid_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| plain(*b) || *b == b'-')
        && bytes.first().is_some_and(|b| plain(*b))
        && bytes.last().is_some_and(|b| plain(*b))
}

/// The absolute form of a directory that holds objects, with the slash at its end.
fn directory(bucket: &str) -> String {
    let base = std::env::current_dir().unwrap_or_default();
    let path = base.join(bucket).display().to_string();
    format!("{}/", path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> FormatOptions {
        FormatOptions::new().name("abc").bucket("/srv/b")
    }

    #[test]
    fn defaults_make_a_setting_that_clients_read() {
        let format = valid().setting().expect("valid");
        assert_eq!(
            (format.storage.as_str(), format.bucket.as_str()),
            ("file", "/srv/b/")
        );
        assert_eq!((format.block_size, format.trash_days), (4096, 1));
        assert!(format.dir_stats && Format::from_json(format.to_json().as_bytes()).is_ok());
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (options, word) in [
            (FormatOptions::new().bucket("/b"), "name"),
            (FormatOptions::new().name("abc"), "bucket"),
            (valid().name("A"), "name"),
            (valid().block_size(100_000), "block size"),
            (valid().compression("gz"), "compression"),
            (valid().encrypt_algo("rot13"), "rot13"),
        ] {
            let said = options.setting().expect_err(word).to_string();
            assert!(said.contains(word), "{said}");
        }
    }
}
