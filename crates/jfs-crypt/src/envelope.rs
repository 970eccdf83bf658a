//! The envelope around every object of an encrypted volume (docs/FORMAT.md, "Encryption").
//!
//! Each object has a random key and nonce of its own; the key is wrapped with the volume's public key
//! and stored in front.

use crate::aead::{Aead, NONCE_BYTES, TAG_BYTES};
use crate::{CryptError, PrivateKey};
use bytes::{Bytes, BytesMut};

/// Length of the wrapped key (2, big endian) and of the nonce (1).
const LENGTHS_BYTES: usize = 3;
/// Largest key of a cipher.
const KEY_MAX: usize = 32;

/// The algorithms of object encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// AES-256-GCM, the default.
    #[default]
    Aes256Gcm,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
    /// SM4-GCM.
    Sm4Gcm,
}

impl Algorithm {
    /// The algorithm that a setting names; an empty name is the default.
    pub fn parse(name: &str) -> Result<Algorithm, CryptError> {
        match name {
            "" | "aes256gcm-rsa" => Ok(Algorithm::Aes256Gcm),
            "chacha20-rsa" => Ok(Algorithm::ChaCha20Poly1305),
            "sm4gcm" => Ok(Algorithm::Sm4Gcm),
            other => Err(CryptError::AlgorithmUnknown(other.to_string())),
        }
    }

    fn aead(self) -> Aead {
        match self {
            Algorithm::Aes256Gcm => Aead::Aes256Gcm,
            Algorithm::ChaCha20Poly1305 => Aead::ChaCha20Poly1305,
            Algorithm::Sm4Gcm => Aead::Sm4Gcm,
        }
    }
}

/// Encrypts and decrypts whole objects. Both are work for the processor, about one private key
/// operation and one pass over the data: not for threads that must not wait.
#[derive(Debug)]
pub struct Envelope {
    key: PrivateKey,
    aead: Aead,
}

impl Envelope {
    /// Envelopes that `key` opens.
    pub fn new(key: PrivateKey, algorithm: Algorithm) -> Envelope {
        Envelope {
            key,
            aead: algorithm.aead(),
        }
    }

    /// Bytes that [`Envelope::seal`] adds.
    pub fn overhead_bytes(&self) -> usize {
        LENGTHS_BYTES + self.key.wrapped_bytes() + NONCE_BYTES + TAG_BYTES
    }

    /// The stored form of an object.
    pub fn seal(&self, data: &[u8]) -> Result<Bytes, CryptError> {
        let mut key = [0; KEY_MAX];
        let key = &mut key[..self.aead.key_bytes()];
        let mut nonce = [0; NONCE_BYTES];
        let random = |out: &mut [u8]| aws_lc_rs::rand::fill(out).map_err(|_| CryptError::Failed);
        random(key)?;
        random(&mut nonce)?;
        let wrapped = self.key.wrap(key)?;
        let wrapped_len = u16::try_from(wrapped.len()).map_err(|_| CryptError::Failed)?;

        let mut out = Vec::with_capacity(data.len() + self.overhead_bytes());
        out.extend(wrapped_len.to_be_bytes());
        out.push(NONCE_BYTES as u8);
        out.extend(&wrapped);
        out.extend(nonce);
        let head = out.len();
        out.extend_from_slice(data);
        let tag = self.aead.seal(key, nonce, &mut out[head..])?;
        out.extend(tag);
        Ok(out.into())
    }

    /// The object from its stored form; an error unless every byte is as it was stored.
    pub fn open(&self, stored: Bytes) -> Result<Bytes, CryptError> {
        let short = CryptError::Damaged("it is too short");
        let Some((&[high, low, nonce_len], _)) = stored.split_first_chunk::<LENGTHS_BYTES>() else {
            return Err(short);
        };
        let wrapped_len = usize::from(u16::from_be_bytes([high, low]));
        let nonce_at = LENGTHS_BYTES + wrapped_len;
        let data_at = nonce_at + usize::from(nonce_len);
        if data_at >= stored.len() {
            return Err(short);
        }
        let nonce = stored[nonce_at..data_at].try_into();
        let nonce = nonce.map_err(|_| CryptError::Damaged("its nonce has the wrong length"))?;
        let key = self.key.unwrap(&stored[LENGTHS_BYTES..nonce_at])?;

        // The bytes usually have no other owner. Then they are decrypted in place, without a copy.
        let mut sealed = BytesMut::from(stored).split_off(data_at);
        let length = self.aead.open(&key, nonce, &mut sealed)?;
        sealed.truncate(length);
        Ok(sealed.freeze())
    }
}
