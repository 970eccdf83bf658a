//! The authenticated ciphers, all with nonces of 12 bytes, tags of 16 and no associated data.

use crate::CryptError;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{AesGcm, Tag};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey};
use aws_lc_rs::aead::{Nonce, UnboundKey};
use sm4::Sm4;
use sm4::cipher::array::Array;
use sm4::cipher::consts::U12;

/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;

type Sm4Gcm = AesGcm<Sm4, U12>;

/// A cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aead {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
    Sm4Gcm,
}

impl Aead {
    /// Bytes of a key.
    pub(crate) fn key_bytes(self) -> usize {
        match self {
            Aead::Aes128Gcm | Aead::Sm4Gcm => 16,
            Aead::Aes256Gcm | Aead::ChaCha20Poly1305 => 32,
        }
    }

    /// Encrypts `data` in place and returns its tag. A nonce is used once with a key.
    pub(crate) fn seal(
        self,
        key: &[u8],
        nonce: [u8; NONCE_BYTES],
        data: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], CryptError> {
        if self == Aead::Sm4Gcm {
            let cipher = sm4_gcm(key)?;
            let tag = cipher.encrypt_inout_detached(&Array(nonce), &[], data.into());
            return tag.map(|tag| tag.0).map_err(|_| CryptError::Failed);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .lc(key)?
            .seal_in_place_separate_tag(nonce, Aad::empty(), data)
            .map_err(|_| CryptError::Failed)?;
        tag.as_ref().try_into().map_err(|_| CryptError::Failed)
    }

    /// Decrypts `sealed`, ciphertext followed by its tag, in place; the contents are its first bytes,
    /// as many as are returned.
    pub(crate) fn open(
        self,
        key: &[u8],
        nonce: [u8; NONCE_BYTES],
        sealed: &mut [u8],
    ) -> Result<usize, CryptError> {
        let changed = CryptError::Damaged("its contents were changed or belong to another key");
        let Some(length) = sealed.len().checked_sub(TAG_BYTES) else {
            return Err(CryptError::Damaged("it is too short"));
        };
        if self == Aead::Sm4Gcm {
            let cipher = sm4_gcm(key)?;
            let (data, tag) = sealed.split_at_mut(length);
            let tag: [u8; TAG_BYTES] = (&*tag).try_into().map_err(|_| CryptError::Failed)?;
            return cipher
                .decrypt_inout_detached(&Array(nonce), &[], data.into(), &Tag::from(tag))
                .map(|()| length)
                .map_err(|_| changed);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.lc(key)?
            .open_in_place(nonce, Aad::empty(), sealed)
            .map(|data| data.len())
            .map_err(|_| changed)
    }

    fn lc(self, key: &[u8]) -> Result<LessSafeKey, CryptError> {
        let algorithm = match self {
            Aead::Aes128Gcm => &AES_128_GCM,
            Aead::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            Aead::Aes256Gcm | Aead::Sm4Gcm => &AES_256_GCM,
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| wrong_length())?;
        Ok(LessSafeKey::new(key))
    }
}

fn sm4_gcm(key: &[u8]) -> Result<Sm4Gcm, CryptError> {
    Sm4Gcm::new_from_slice(key).map_err(|_| wrong_length())
}

fn wrong_length() -> CryptError {
    CryptError::Damaged("its key has the wrong length")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// RFC 8998, A.1: key, nonce and first bytes; here without associated data, so only the cipher text
    /// is that of the document.
    #[test]
    fn sm4_gcm_agrees_with_its_document() {
        let key: Vec<u8> = hex("0123456789abcdeffedcba9876543210");
        let nonce: [u8; 12] = hex("00001234567800000000abcd").try_into().unwrap();
        let mut data = hex("aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb");
        let tag = Aead::Sm4Gcm.seal(&key, nonce, &mut data).unwrap();
        assert_eq!(data, hex("17f399f08c67d5ee19d0dc9969c4bb7d"));
        data.extend(tag);
        assert_eq!(Aead::Sm4Gcm.open(&key, nonce, &mut data), Ok(16));
    }

    fn hex(text: &str) -> Vec<u8> {
        let digit = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    }
}
