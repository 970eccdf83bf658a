//! Failures of object storage, in kinds the caller can act on.

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such object.
    NotFound,
    /// The object is shorter than it must be.
    Short,
    /// No answer in time.
    Timeout,
    /// A later try may succeed.
    Transient,
    /// Trying again does not help.
    Permanent,
}

/// A failed request. Never holds a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("object {key}: {text}")]
pub struct ObjectError {
    /// Kind.
    pub kind: ErrorKind,
    /// The object.
    pub key: String,
    /// What happened.
    pub text: String,
}

impl ObjectError {
    /// An error from its parts.
    pub fn new(kind: ErrorKind, key: &str, text: impl Into<String>) -> ObjectError {
        ObjectError { kind, key: key.to_string(), text: text.into() }
    }

    /// Whether another try makes sense.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Timeout | ErrorKind::Transient)
    }
}
