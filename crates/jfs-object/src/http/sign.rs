//! The last change to a request before it is sent: its signature.

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
pub(crate) struct Signed<K: SigningCredential>(pub(crate) Signer<K>);

impl<K: SigningCredential> Debug for Signed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signed")
    }
}

#[async_trait::async_trait]
impl<K: SigningCredential> Sign for Signed<K> {
    async fn sign(&self, head: &mut Parts) -> Result<(), ObjectError> {
        self.0.sign(head, None).await.map_err(|e| {
            let kind = match e.is_retryable() {
                true => ErrorKind::Transient,
                false => ErrorKind::Permanent,
            };
            let mut message = format!("no keys to sign the request with: {e}");
            let mut source = std::error::Error::source(&e);
            while let Some(cause) = source {
                message = format!("{message}: {cause}");
                source = cause.source();
            }
            ObjectError::new(kind, head.uri.path(), message)
        })
    }
}
