//! The HTTP client of all buckets.

use super::credentials::no_keys;
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

/// Messages about a server with an untrusted certificate, about one with a certificate that is not valid for it, and
/// about a host name without an address.
const UNTRUSTED: &str = "is not trusted, since its authority is unknown here";
const UNACCEPTED: &str = "is not accepted";
const NOT_FOUND: &str = "cannot be found";

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
    // The next attempt finds descriptors for its connection then.
    jfs_types::descriptors::free(&error);
    let (malformed, timeout) = (error.is_builder(), error.is_timeout());
    let host = error.url().and_then(|url| url.host_str());
    let host = host.unwrap_or_default().to_string();
    // The address may hold a signature.
    let error = error.without_url();
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let kind = match timeout {
        _ if malformed || is_certificate_refused(&message) => ErrorKind::Permanent,
        true => ErrorKind::Timeout,
        false => ErrorKind::Transient,
    };
    ObjectError::new(kind, key, explained(message, &host))
}

/// Whether this client refused the server's certificate. Another attempt would get the same certificate.
pub(crate) fn is_certificate_refused(message: &str) -> bool {
    message.contains("invalid peer certificate")
}

/// The error of a library about a connection, with an explanation and advice in front. An empty `host` is
/// not known.
pub(crate) fn explained(message: String, host: &str) -> String {
    // The error may have come through opendal with the explanation in it.
    let explanations = [UNTRUSTED, UNACCEPTED, NOT_FOUND];
    if explanations.iter().any(|said| message.contains(said)) {
        return message;
    }
    // opendal itself signs requests to S3 only.
    if let Some(message) = no_keys(&message, crate::s3::VARIABLES) {
        return message;
    }
    let named = match host {
        "" => "the server".to_string(),
        host => format!("host {host}"),
    };
    if message.contains("UnknownIssuer") {
        return format!(
            "the certificate of {named} {UNTRUSTED}: set SSL_CERT_FILE to a file with the certificate of that \
             authority: {message}"
        );
    }
    if is_certificate_refused(&message) {
        return format!("the certificate of {named} {UNACCEPTED}: {message}");
    }
    if message.contains("dns error") || message.contains("failed to lookup address") {
        return format!("the address of {named} {NOT_FOUND}: {message}");
    }
    message
}

fn build() -> Result<reqwest::Client, String> {
    // A provider that the program has chosen before stays.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = || {
        reqwest::Client::builder()
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
    };
    let client = builder().build().or_else(|_| {
        // A small container may have no authorities. Buckets behind http need none.
        tracing::warn!(
            "no certificates of authorities are found, so servers behind https are not trusted: install ca-certificates or set SSL_CERT_FILE"
        );
        builder().tls_certs_only([]).build()
    });
    client.map_err(|e| format!("cannot make an HTTP client: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_is_said_with_the_name_of_the_host() {
        let tls = "client error (Connect): invalid peer certificate: UnknownIssuer";
        let said = explained(tls.to_string(), "cos.example.com");
        assert!(
            said.contains("host cos.example.com is not trusted"),
            "{said}"
        );
        assert!(
            said.contains("SSL_CERT_FILE") && said.ends_with(tls),
            "{said}"
        );
        let tls = "client error (Connect): invalid peer certificate: Expired";
        let said = explained(tls.to_string(), "h");
        assert!(
            said.contains("the certificate of host h is not accepted") && said.ends_with(tls),
            "{said}"
        );
        assert_eq!(explained(said.clone(), ""), said, "once is enough");
        let dns = "client error (Connect): dns error: failed to lookup address information";
        let said = explained(dns.to_string(), "oss.example.com");
        assert!(
            said.contains("host oss.example.com cannot be found"),
            "{said}"
        );
        assert_eq!(explained(said.clone(), ""), said, "once is enough");
        assert!(explained(dns.to_string(), "").contains("the server"));
        let other = "connection refused".to_string();
        assert_eq!(explained(other.clone(), "h"), other);
    }

    /// No request leaves this machine: the name is none.
    #[tokio::test]
    async fn a_host_that_does_not_exist_is_named() {
        let sent = client().map(|client| client.get("http://bucket..example/x?sig=hush").send());
        let Ok(sent) = sent else { panic!("a client") };
        let Err(error) = sent.await else {
            panic!("an answer")
        };
        let said = failure("x", error).message;
        assert!(
            said.contains("host bucket..example cannot be found"),
            "{said}"
        );
        assert!(!said.contains("hush"), "{said}");
    }
}
