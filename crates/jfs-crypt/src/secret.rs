//! The seal around secrets in the setting (docs/FORMAT.md, "Sealed secrets").
//!
//! The key comes from the volume's UUID, which the setting stores beside the secret. So the seal keeps
//! secrets out of screens and logs. It does not protect against a reader of the setting.

use crate::aead::{Aead, NONCE_BYTES};
use crate::{Algorithm, CryptError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use sm3::Sm3;

/// The text in place of a secret that a dump left out.
pub const REMOVED: &str = "removed";

/// The sealed form of a secret; an empty one stays empty.
pub fn seal_secret(secret: &str, uuid: &str, algorithm: Algorithm) -> Result<String, CryptError> {
    if secret.is_empty() {
        return Ok(String::new());
    }
    let (aead, key) = key(uuid, algorithm);
    let mut nonce = [0; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| CryptError::Failed)?;
    let mut data = secret.as_bytes().to_vec();
    let tag = aead.seal(&key, nonce, &mut data)?;
    Ok(BASE64_STANDARD.encode([&nonce[..], &data, &tag].concat()))
}

/// The secret from its sealed form; an empty one stays empty.
pub fn open_secret(sealed: &str, uuid: &str, algorithm: Algorithm) -> Result<String, CryptError> {
    match sealed {
        "" => return Ok(String::new()),
        REMOVED => return Err(CryptError::SecretRemoved),
        _ => {}
    }
    let bytes = BASE64_STANDARD.decode(sealed);
    let mut bytes = bytes.map_err(|_| CryptError::Damaged("it is not base64"))?;
    let Some((nonce, data)) = bytes.split_first_chunk_mut::<NONCE_BYTES>() else {
        return Err(CryptError::Damaged("it is too short"));
    };
    let (aead, key) = key(uuid, algorithm);
    let length = aead.open(&key, *nonce, data)?;
    String::from_utf8(data[..length].to_vec()).map_err(|_| CryptError::Damaged("it is not a text"))
}

fn key(uuid: &str, algorithm: Algorithm) -> (Aead, Vec<u8>) {
    match algorithm {
        Algorithm::Sm4Gcm => {
            // One round of the counter mode key derivation of GM/T 0003.
            let mut hash = Sm3::new();
            hash.update(uuid.as_bytes());
            hash.update(1_u32.to_be_bytes());
            let mut key = hash.finalize().to_vec();
            key.truncate(Aead::Sm4Gcm.key_bytes());
            (Aead::Sm4Gcm, key)
        }
        Algorithm::Aes256Gcm | Algorithm::ChaCha20Poly1305 => {
            (Aead::Aes128Gcm, Md5::digest(uuid.as_bytes()).to_vec())
        }
    }
}
