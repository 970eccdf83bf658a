//! Errors of encryption and decryption.

/// A failure of encryption. No text holds a key, a passphrase or contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptError {
    /// The private key is protected and no passphrase was given.
    #[error("the private key is protected by a passphrase")]
    PassphraseMissing,
    /// The private key does not open with the passphrase.
    #[error("the private key does not open with this passphrase")]
    PassphraseWrong,
    /// The key is of a kind, size or protection that is not supported; the text says which.
    #[error("{0}")]
    KeyUnsupported(String),
    /// The text is no private key.
    #[error("not a private key in PEM form: {0}")]
    KeyMalformed(&'static str),
    /// No such algorithm.
    #[error("unknown encryption algorithm {0:?}: use aes256gcm-rsa, chacha20-rsa or sm4gcm")]
    AlgorithmUnknown(String),
    /// The bytes are not what encryption made: cut, changed, or made with another key.
    #[error("cannot be decrypted: {0}")]
    Damaged(&'static str),
    /// The secret was left out of a dump that the setting came from.
    #[error("the secret was removed and has to be set again")]
    SecretRemoved,
    /// The cipher itself failed, which it should not.
    #[error("encryption failed")]
    Failed,
}
