//! The last change to a request before it is sent: its signature.

use super::credentials::no_keys;
use crate::{ErrorKind, ObjectError};
use http::request::Parts;
use reqsign_core::{Signer, SigningCredential};
use std::fmt::{self, Debug};

/// Finishes the head of a request.
#[async_trait::async_trait]
pub(crate) trait Sign: Debug + Send + Sync {
    /// Adds the signature. Nothing of the head may change afterwards.
    async fn sign(&self, head: &mut Parts) -> Result<(), ObjectError>;
}

/// Requests without a signature.
#[derive(Debug)]
pub(crate) struct Unsigned;

#[async_trait::async_trait]
impl Sign for Unsigned {
    async fn sign(&self, _: &mut Parts) -> Result<(), ObjectError> {
        Ok(())
    }
}

/// Requests with the signature of one vendor.
pub(crate) struct Signed<K: SigningCredential> {
    pub(crate) signer: Signer<K>,
    /// Names of the variables that hold the keys where the setting has none.
    pub(crate) variables: &'static str,
}

impl<K: SigningCredential> Debug for Signed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signed")
    }
}

#[async_trait::async_trait]
impl<K: SigningCredential> Sign for Signed<K> {
    async fn sign(&self, head: &mut Parts) -> Result<(), ObjectError> {
        self.signer.sign(head, None).await.map_err(|e| {
            if let Some(message) = no_keys(&e.to_string(), self.variables) {
                return ObjectError::permanent(head.uri.path(), message);
            }
            let kind = match e.is_retryable() {
                true => ErrorKind::Transient,
                false => ErrorKind::Permanent,
            };
            let mut message = format!("the request cannot be signed: {e}");
            let mut source = std::error::Error::source(&e);
            while let Some(cause) = source {
                message = format!("{message}: {cause}");
                source = cause.source();
            }
            ObjectError::new(kind, head.uri.path(), message)
        })
    }
}
