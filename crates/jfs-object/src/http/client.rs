//! The HTTP client of all buckets.

use crate::{ErrorKind, ObjectError};
use opendal_http_transport_reqwest::ReqwestTransport;
use std::sync::OnceLock;
use std::time::Duration;

/// A server that does not accept a connection within this time is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers close idle connections after 20 s and more; using one that is just being closed fails.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// Idle connections kept per server: what the uploads and downloads of a mount use in turns.
const IDLE_CONNECTIONS_MAX: usize = 256;

/// A handle on the client. It has no deadlines of its own: [`crate::ObjectStore`] sets them.
pub(crate) fn client() -> Result<reqwest::Client, String> {
    static CLIENT: OnceLock<Result<reqwest::Client, String>> = OnceLock::new();
    CLIENT.get_or_init(build).clone()
}

/// The same client for opendal.
pub(crate) fn transport() -> Result<ReqwestTransport, String> {
    client().map(ReqwestTransport::new)
}

/// The error of a request that got no answer, or not a whole one.
pub(crate) fn failure(key: &str, error: reqwest::Error) -> ObjectError {
    let kind = match error.is_builder() {
        true => ErrorKind::Permanent,
        false => ErrorKind::Transient,
    };
    // The address may hold a signature.
    let error = error.without_url();
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    ObjectError::new(kind, key, message)
}

fn build() -> Result<reqwest::Client, String> {
    // One that the program has chosen before stays.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder()
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    client.map_err(|e| format!("cannot make an HTTP client: {e}"))
}
