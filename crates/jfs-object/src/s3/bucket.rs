//! Making a bucket that is missing, which opendal has no call for: one signed PUT.

use super::endpoint::{DEFAULT_REGION, Endpoint};
use crate::{ErrorKind, ObjectError};
use http::{Request, Response};
use opendal::{Buffer, HttpTransporter};
use opendal_http_transport_reqwest::ReqwestTransport;
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, OsEnv, ProvideCredentialChain, Signer};
use reqsign_file_read_tokio::TokioFileRead;

/// Makes one bucket.
#[derive(Debug)]
pub(crate) struct BucketMaker {
    url: String,
    bucket: String,
    region: String,
    transport: HttpTransporter,
    /// `None`: do not sign.
    signer: Option<Signer<Credential>>,
}

impl BucketMaker {
    pub(super) fn new(
        endpoint: Endpoint,
        transport: ReqwestTransport,
        credentials: ProvideCredentialChain<Credential>,
        anonymous: bool,
    ) -> BucketMaker {
        let transport = HttpTransporter::new(transport);
        let context = Context::new()
            .with_file_read(TokioFileRead)
            .with_http_send(transport.clone())
            .with_env(OsEnv);
        let signer = Signer::new(
            context,
            credentials,
            RequestSigner::new("s3", &endpoint.region),
        );
        BucketMaker {
            url: endpoint.bucket_url(),
            bucket: endpoint.bucket,
            region: endpoint.region,
            transport,
            signer: (!anonymous).then_some(signer),
        }
    }

    /// Makes the bucket. One that is there already, also one made meanwhile, is fine.
    pub(crate) async fn make(&self) -> Result<(), ObjectError> {
        let failed = |kind, why: String| ObjectError::new(kind, &self.bucket, why);
        let body = self.body();
        let request = Request::put(&self.url)
            .header("content-length", body.len())
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .body(())
            .map_err(|e| failed(ErrorKind::Permanent, e.to_string()))?;
        let (mut head, ()) = request.into_parts();
        if let Some(signer) = &self.signer {
            let signed = signer.sign(&mut head, None).await;
            signed.map_err(|e| failed(ErrorKind::Permanent, e.to_string()))?;
        }
        let request = Request::from_parts(head, Buffer::from(body));
        let response = self.transport.send(request).await;
        let response = response.map_err(|e| {
            let kind = match e.is_temporary() {
                true => ErrorKind::Transient,
                false => ErrorKind::Permanent,
            };
            failed(kind, e.message().to_string())
        })?;
        judge(response).map_err(|(kind, why)| failed(kind, why))
    }

    /// Only the default region must not be named.
    fn body(&self) -> String {
        if self.region == DEFAULT_REGION {
            return String::new();
        }
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
            self.region
        )
    }
}

fn judge(response: Response<Buffer>) -> Result<(), (ErrorKind, String)> {
    let status = response.status();
    let body = response.into_body().to_bytes();
    let body = String::from_utf8_lossy(&body);
    let exists = ["BucketAlreadyOwnedByYou", "BucketAlreadyExists"];
    if status.is_success() || exists.iter().any(|code| body.contains(code)) {
        return Ok(());
    }
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
    };
    let kind = match status.is_server_error() {
        true => ErrorKind::Transient,
        false => ErrorKind::Permanent,
    };
    let code = element("Code").unwrap_or("no reason given");
    let message = element("Message").unwrap_or_default();
    Err((kind, format!("{status}: {code}: {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Result<(), (ErrorKind, String)> {
        let response = Response::builder().status(status).body(Buffer::from(body));
        judge(response.expect("a response"))
    }

    #[test]
    fn an_existing_bucket_is_fine_and_a_refusal_is_told() {
        assert_eq!(answer(200, ""), Ok(()));
        let mine = "<Error><Code>BucketAlreadyOwnedByYou</Code></Error>";
        assert_eq!(answer(409, mine), Ok(()));
        let denied = "<Error><Code>AccessDenied</Code><Message>No.</Message></Error>";
        let text = "403 Forbidden: AccessDenied: No.".to_string();
        assert_eq!(answer(403, denied), Err((ErrorKind::Permanent, text)));
        let text = "503 Service Unavailable: no reason given: ".to_string();
        assert_eq!(answer(503, "<html>"), Err((ErrorKind::Transient, text)));
    }
}
