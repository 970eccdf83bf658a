//! `s3` and `minio` storage: buckets of S3 and of what speaks its protocol.
//!
//! [`endpoint`] reads the addresses that users write, [`client`] is the HTTP client, [`bucket`] makes
//! a bucket that is missing. Requests for objects are opendal's.

mod bucket;
mod client;
mod endpoint;

use crate::operator::OperatorBackend;
use crate::{Location, ObjectError};
pub(crate) use bucket::BucketMaker;
use endpoint::Endpoint;
use jfs_telemetry::mask_url;
use opendal::services::S3;
use opendal::{HttpTransporter, OperationContext, Operator};
use reqsign_aws_v4::{Credential, DefaultCredentialProvider, StaticCredentialProvider};
use reqsign_core::ProvideCredentialChain;

/// This access key means: do not sign.
const ANONYMOUS: &str = "anonymous";

/// See [`crate::fuzzing`].
pub(crate) fn check_address(text: &str) -> bool {
    let env = |_: &str| None;
    let read = [Endpoint::s3(text, &env), Endpoint::minio(text, &env)];
    read.iter().flatten().any(|e| !e.bucket_url().is_empty())
}

/// Opens a bucket. Nothing is sent yet.
pub(crate) fn open(location: &Location) -> Result<OperatorBackend, ObjectError> {
    let env = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let bad = |why: String| ObjectError::permanent(&mask_url(&location.bucket), why);
    let minio = location.storage == "minio";
    let endpoint = match minio {
        true => Endpoint::minio(&location.bucket, &env),
        false => Endpoint::s3(&location.bucket, &env),
    };
    let endpoint = endpoint.map_err(bad)?;

    let mut access_key = location.access_key.clone();
    let mut secret_key = location.secret_key.clone();
    if minio && access_key.is_empty() {
        access_key = env("MINIO_ACCESS_KEY").unwrap_or_default();
    }
    if minio && secret_key.is_empty() {
        secret_key = env("MINIO_SECRET_KEY").unwrap_or_default();
    }
    let anonymous = access_key == ANONYMOUS;
    if !access_key.is_empty() && secret_key.is_empty() && !anonymous {
        return Err(bad("the access key has no secret key".to_string()));
    }

    let transport = client::transport().map_err(bad)?;
    let credentials = || {
        // With keys nothing else is tried: others' credentials must not stand in for wrong ones.
        let chain = ProvideCredentialChain::<Credential>::new();
        if access_key.is_empty() {
            return chain.push(DefaultCredentialProvider::new());
        }
        let keys = StaticCredentialProvider::new(&access_key, &secret_key);
        match location.session_token.as_str() {
            "" => chain.push(keys),
            token => chain.push(keys.with_session_token(token)),
        }
    };
    let mut builder = S3::default()
        .root(&location.volume_name)
        .bucket(&endpoint.bucket)
        .endpoint(&endpoint.url)
        .region(&endpoint.region)
        .credential_provider_chain(credentials());
    if endpoint.virtual_host {
        builder = builder.enable_virtual_host_style();
    }
    if !location.storage_class.is_empty() {
        builder = builder.default_storage_class(&location.storage_class);
    }
    if anonymous {
        builder = builder.skip_signature();
    }
    let context =
        OperationContext::new().with_http_transport(HttpTransporter::new(transport.clone()));
    let operator = Operator::new(builder)
        .map_err(|e| bad(e.message().to_string()))?
        .with_context(context);
    let maker = BucketMaker::new(endpoint, transport, credentials(), anonymous);
    // The reference writes them to `s3` and not to `minio`.
    Ok(OperatorBackend::in_bucket(operator, maker, !minio))
}
