//! The private key of a volume, from the PEM texts that users have.

use crate::{CryptError, legacy};
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{Decode, Encode};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use std::fmt;

/// The label that wrapped keys are bound to.
const LABEL: &[u8] = b"keys";
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SM2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");

/// An RSA key that wraps and unwraps the keys of objects: OAEP with SHA-256 and the label `keys`.
pub struct PrivateKey {
    private: OaepPrivateDecryptingKey,
    public: OaepPublicEncryptingKey,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(RSA, {} bits)", self.private.key_size_bits())
    }
}

impl PrivateKey {
    /// Reads `RSA PRIVATE KEY` (plain or encrypted the old way of OpenSSL), `PRIVATE KEY` and
    /// `ENCRYPTED PRIVATE KEY`. A passphrase for an unprotected key is ignored; an empty one is none.
    ///
    /// RSA keys of 2048 to 8192 bits are supported.
    pub fn from_pem(text: &str, passphrase: &str) -> Result<PrivateKey, CryptError> {
        let block = private_block(text)?;
        let passphrase = Some(passphrase).filter(|p| !p.is_empty());
        match block.tag() {
            "RSA PRIVATE KEY" => match legacy::protection(&block)? {
                None => Self::from_pkcs1(block.contents()),
                Some(protection) => {
                    let passphrase = passphrase.ok_or(CryptError::PassphraseMissing)?;
                    let pkcs1 = protection.decrypt(block.contents(), passphrase)?;
                    // Wrong passphrases may leave a padding that looks right.
                    Self::from_pkcs1(&pkcs1).map_err(|e| match e {
                        CryptError::KeyMalformed(_) => CryptError::PassphraseWrong,
                        e => e,
                    })
                }
            },
            "PRIVATE KEY" => Self::from_pkcs8(block.contents()),
            "ENCRYPTED PRIVATE KEY" => {
                let passphrase = passphrase.ok_or(CryptError::PassphraseMissing)?;
                let info = EncryptedPrivateKeyInfoRef::from_der(block.contents());
                let info = info.map_err(|_| malformed())?;
                match info.decrypt(passphrase) {
                    Ok(document) => Self::from_pkcs8(document.as_bytes()),
                    Err(pkcs8::Error::EncryptedPrivateKey(e)) => Err(match e {
                        pkcs8::pkcs5::Error::DecryptFailed => CryptError::PassphraseWrong,
                        e => CryptError::KeyUnsupported(format!(
                            "the protection of the private key is not supported: {e}"
                        )),
                    }),
                    Err(_) => Err(CryptError::PassphraseWrong),
                }
            }
            other => Err(unsupported(other)),
        }
    }

    fn from_pkcs1(der: &[u8]) -> Result<PrivateKey, CryptError> {
        let algorithm = AlgorithmIdentifierRef {
            oid: RSA,
            parameters: Some(AnyRef::NULL),
        };
        let inner = OctetStringRef::new(der).map_err(|_| malformed())?;
        let info = PrivateKeyInfoRef::new(algorithm, inner);
        Self::from_rsa(&info.to_der().map_err(|_| malformed())?)
    }

    fn from_pkcs8(der: &[u8]) -> Result<PrivateKey, CryptError> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| malformed())?;
        match info.algorithm.oid {
            RSA => Self::from_rsa(der),
            EC if info.algorithm.parameters_oid() == Ok(SM2) => Err(unsupported("SM2")),
            EC => Err(unsupported("elliptic curve")),
            other => Err(unsupported(&other.to_string())),
        }
    }

    fn from_rsa(pkcs8: &[u8]) -> Result<PrivateKey, CryptError> {
        let key = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|e| match e.description_() {
            "TooSmall" | "TooLarge" => CryptError::KeyUnsupported(
                "RSA keys of 2048 to 8192 bits are supported".to_string(),
            ),
            _ => malformed(),
        })?;
        let failed = |_| CryptError::Failed;
        Ok(PrivateKey {
            public: OaepPublicEncryptingKey::new(key.public_key()).map_err(failed)?,
            private: OaepPrivateDecryptingKey::new(key).map_err(failed)?,
        })
    }

    /// Bytes of a wrapped key.
    pub(crate) fn wrapped_bytes(&self) -> usize {
        self.public.ciphertext_size()
    }

    /// Wraps the key of an object with the public half.
    pub(crate) fn wrap(&self, key: &[u8]) -> Result<Vec<u8>, CryptError> {
        let mut out = vec![0; self.wrapped_bytes()];
        let used = self
            .public
            .encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut out, Some(LABEL))
            .map_err(|_| CryptError::Failed)?
            .len();
        out.truncate(used);
        Ok(out)
    }

    /// Unwraps the key of an object.
    pub(crate) fn unwrap(&self, wrapped: &[u8]) -> Result<Vec<u8>, CryptError> {
        let foreign = CryptError::Damaged("its key was changed or belongs to another private key");
        if wrapped.len() != self.private.key_size_bytes() {
            return Err(foreign);
        }
        let mut out = vec![0; self.private.min_output_size()];
        let used = self
            .private
            .decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut out, Some(LABEL))
            .map_err(|_| foreign)?
            .len();
        out.truncate(used);
        Ok(out)
    }
}

/// The first block of a PEM text that is a private key; parameters may stand before it.
fn private_block(text: &str) -> Result<pem::Pem, CryptError> {
    let blocks = pem::parse_many(text).map_err(|_| malformed())?;
    let mut first = None;
    for block in blocks {
        if block.tag().ends_with("PRIVATE KEY") {
            return Ok(block);
        }
        first.get_or_insert(block);
    }
    match first {
        Some(block) => Err(unsupported(block.tag())),
        None => Err(malformed()),
    }
}

fn malformed() -> CryptError {
    CryptError::KeyMalformed("its contents do not read")
}

fn unsupported(kind: &str) -> CryptError {
    let kind = kind.trim_end_matches(" PRIVATE KEY");
    CryptError::KeyUnsupported(format!(
        "{kind} keys are not supported: an RSA private key is needed"
    ))
}
