//! The HTTP transport of opendal: our client finishes and sends its requests.
//!
//! opendal's services of the vendors sign by themselves, but know no storage classes and list from the beginning only;
//! that of OSS knows the signature's first version only, which new buckets refuse. So their signature, where it cannot be
//! turned off, is taken away here, the request gets what is missing, and is signed again.

use super::sign::Sign;
use crate::{ErrorKind, ObjectError};
use http::header::{AUTHORIZATION, DATE, HeaderName};
use http::{HeaderValue, Method, Request, Response, Uri};
use opendal::raw::percent_encode_path;
use opendal::{Buffer, HttpBody, HttpTransport, HttpTransporter, OperationContext};
use opendal_http_transport_reqwest::ReqwestTransport;
use std::sync::Arc;

/// Sends requests of opendal with our signature.
#[derive(Clone, Debug)]
pub(crate) struct SigningTransport {
    pub(crate) inner: ReqwestTransport,
    pub(crate) sign: Arc<dyn Sign>,
    /// Header of a put object: its storage class.
    pub(crate) class: Option<(HeaderName, HeaderValue)>,
    /// A listing without a marker begins behind this key, which begins with the volume's name.
    pub(crate) marker: Option<String>,
}

impl SigningTransport {
    /// A context for an operator whose requests go through this transport.
    pub(crate) fn context(self) -> OperationContext {
        OperationContext::new().with_http_transport(HttpTransporter::new(self))
    }
}

impl HttpTransport for SigningTransport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (mut head, body) = request.into_parts();
        head.headers.remove(AUTHORIZATION);
        head.headers.remove(DATE);
        let on_object = head.uri.path() != "/";
        if let Some((name, value)) = &self.class
            && on_object
            && head.method == Method::PUT
        {
            head.headers.insert(name, value.clone());
        }
        if let Some(marker) = &self.marker
            && !on_object
            && head.method == Method::GET
        {
            head.uri = with_marker(&head.uri, marker)?;
        }
        self.sign
            .sign(&mut head)
            .await
            .map_err(|e| in_opendal(&e))?;
        self.inner.fetch(Request::from_parts(head, body)).await
    }
}

/// The address of a listing that begins behind `marker`; a later page has a marker of its own.
fn with_marker(uri: &Uri, marker: &str) -> opendal::Result<Uri> {
    let query = uri.query().unwrap_or_default();
    if query.split('&').any(|pair| pair.starts_with("marker=")) {
        return Ok(uri.clone());
    }
    let between = match uri.query() {
        None => "?",
        Some(_) => "&",
    };
    let text = format!("{uri}{between}marker={}", percent_encode_path(marker));
    text.parse().map_err(|_| {
        opendal::Error::new(
            opendal::ErrorKind::Unexpected,
            "the listing's address does not read",
        )
    })
}

/// An error of ours on its way through opendal.
fn in_opendal(e: &ObjectError) -> opendal::Error {
    let error = opendal::Error::new(opendal::ErrorKind::Unexpected, e.message.clone());
    match e.kind {
        ErrorKind::Transient | ErrorKind::Timeout => error.set_temporary(),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_added_once() {
        for (uri, want) in [
            (
                "https://h/?prefix=v/",
                "https://h/?prefix=v/&marker=v/a%20b",
            ),
            ("https://h/", "https://h/?marker=v/a%20b"),
            ("https://h/?marker=x", "https://h/?marker=x"),
        ] {
            let uri = uri.parse().expect("an address");
            let uri = with_marker(&uri, "v/a b").expect("an address");
            assert_eq!(uri.to_string(), want);
        }
    }
}
