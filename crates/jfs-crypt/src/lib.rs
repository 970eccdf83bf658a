//! Encryption of a volume: the envelope around every object, the private key that opens it, and the
//! seal around secrets in the setting.
//!
//! [`Envelope`] encrypts and decrypts whole objects, [`PrivateKey`] reads the PEM files that users
//! have, [`seal_secret`] and [`open_secret`] are for the setting. Bytes in, bytes out: nothing here
//! does I/O, knows keys of objects or what a setting is. Every decoder answers with an error,
//! whatever it is fed.

#![forbid(unsafe_code)]

mod aead;
mod envelope;
mod error;
mod key;
mod legacy;
mod secret;

pub use envelope::{Algorithm, Envelope};
pub use error::CryptError;
pub use key::PrivateKey;
pub use secret::{REMOVED, open_secret, seal_secret};
