//! PEM encrypted the old way of OpenSSL: `Proc-Type: 4,ENCRYPTED` and `DEK-Info` in the head.
//!
//! The key of the cipher is MD5 over MD5 results, passphrase and salt (EVP_BytesToKey, one round); the
//! salt is the first half of the initialisation vector.

use crate::CryptError;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use md5::{Digest, Md5};
use pem::Pem;

const SALT_BYTES: usize = 8;

/// The cipher of a block and its initial vector.
pub(crate) struct Protection {
    cipher: Cipher,
    iv: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    Des3,
}

/// The cipher in the head of the block; `None` when it is not encrypted.
pub(crate) fn protection(block: &Pem) -> Result<Option<Protection>, CryptError> {
    let Some(info) = block.headers().get("DEK-Info") else {
        return Ok(None);
    };
    let (name, iv) = info
        .split_once(',')
        .ok_or(CryptError::KeyMalformed("DEK-Info has no vector"))?;
    let (cipher, iv_bytes) = match name.trim() {
        "AES-128-CBC" => (Cipher::Aes128, 16),
        "AES-192-CBC" => (Cipher::Aes192, 16),
        "AES-256-CBC" => (Cipher::Aes256, 16),
        "DES-EDE3-CBC" => (Cipher::Des3, 8),
        other => {
            return Err(CryptError::KeyUnsupported(format!(
                "the protection of the private key, {other:?}, is not supported"
            )));
        }
    };
    let iv = hex(iv.trim()).filter(|iv| iv.len() == iv_bytes);
    let iv = iv.ok_or(CryptError::KeyMalformed("DEK-Info has no good vector"))?;
    Ok(Some(Protection { cipher, iv }))
}

impl Protection {
    /// The contents of the block.
    pub(crate) fn decrypt(&self, data: &[u8], passphrase: &str) -> Result<Vec<u8>, CryptError> {
        let salt = &self.iv[..SALT_BYTES];
        let key = |n| derive(passphrase.as_bytes(), salt, n);
        match self.cipher {
            Cipher::Aes128 => cbc::<aes::Aes128>(&key(16), &self.iv, data),
            Cipher::Aes192 => cbc::<aes::Aes192>(&key(24), &self.iv, data),
            Cipher::Aes256 => cbc::<aes::Aes256>(&key(32), &self.iv, data),
            Cipher::Des3 => cbc::<des::TdesEde3>(&key(24), &self.iv, data),
        }
    }
}

fn cbc<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    iv: &[u8],
    data: &[u8],
) -> Result<Vec<u8>, CryptError> {
    let decryptor =
        cbc::Decryptor::<C>::new_from_slices(key, iv).map_err(|_| CryptError::Failed)?;
    decryptor
        .decrypt_padded_vec::<Pkcs7>(data)
        .map_err(|_| CryptError::PassphraseWrong)
}

fn derive(passphrase: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(length + 16);
    let mut last: Vec<u8> = Vec::new();
    while key.len() < length {
        let mut hash = Md5::new();
        hash.update(&last);
        hash.update(passphrase);
        hash.update(salt);
        last = hash.finalize().to_vec();
        key.extend(&last);
    }
    key.truncate(length);
    key
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = digits.filter(|d| d.len().is_multiple_of(2))?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}
