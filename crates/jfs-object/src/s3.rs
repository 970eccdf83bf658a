//! `s3` and `minio` storage: buckets of S3 and of what speaks its protocol.
//!
//! [`endpoint`] reads the addresses that users write. Objects are read by [`crate::http`]; other requests are opendal's.

mod endpoint;

use crate::http::bucket::HttpBucket;
use crate::http::credentials::Source;
use crate::http::sign::{Sign, Signed, Unsigned};
use crate::http::{client, env};
use crate::operator::OperatorBackend;
use crate::{Location, ObjectError};
use endpoint::{DEFAULT_REGION, Endpoint};
use jfs_telemetry::mask_url;
use opendal::services::S3;
use opendal::{HttpTransporter, OperationContext, Operator};
use reqsign_aws_v4::{
    AssumeRoleWithWebIdentityCredentialProvider, Credential, ECSCredentialProvider,
    EnvCredentialProvider, IMDSv2CredentialProvider, ProcessCredentialProvider,
    ProfileCredentialProvider, RequestSigner, SSOCredentialProvider, StaticCredentialProvider,
};
use reqsign_core::{Context, OsEnv, ProvideCredentialChain, Signer};
use reqsign_file_read_tokio::TokioFileRead;
use std::sync::Arc;

/// This access key means: do not sign.
const ANONYMOUS: &str = "anonymous";
/// The variables of the environment that hold the keys.
pub(crate) const VARIABLES: &str = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
/// Header of an answer that holds an object's checksum.
const CHECKSUM: &str = "x-amz-meta-crc32c";
/// The signature covers the head of a request alone.
const HEADERS: &[(&str, &str)] = &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];

/// See [`crate::fuzzing`].
pub(crate) fn check_address(text: &str) -> bool {
    let env = |_: &str| None;
    let read = [Endpoint::s3(text, &env), Endpoint::minio(text, &env)];
    read.iter().flatten().any(|e| !e.bucket_url().is_empty())
}

/// Opens a bucket. Nothing is sent yet.
pub(crate) fn open(location: &Location) -> Result<OperatorBackend, ObjectError> {
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

    let transport = HttpTransporter::new(client::transport().map_err(bad)?);
    let credentials = || {
        // With keys nothing else is tried: others' credentials must not stand in for wrong ones.
        let chain = ProvideCredentialChain::<Credential>::new();
        if access_key.is_empty() {
            return found_outside(chain);
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
    let context = OperationContext::new().with_http_transport(transport.clone());
    let operator = Operator::new(builder)
        .map_err(|e| bad(e.message().to_string()))?
        .with_context(context);
    let sign: Arc<dyn Sign> = match anonymous {
        true => Arc::new(Unsigned),
        false => {
            let context = Context::new()
                .with_file_read(TokioFileRead)
                .with_http_send(transport)
                .with_env(OsEnv);
            let signer = RequestSigner::new("s3", &endpoint.region);
            Arc::new(Signed {
                signer: Signer::new(context, credentials(), signer),
                variables: VARIABLES,
            })
        }
    };
    let bucket = HttpBucket {
        url: endpoint.bucket_url(),
        creation: creation(&endpoint.region),
        name: endpoint.bucket,
        volume_name: location.volume_name.clone(),
        headers: HEADERS,
        // The reference writes them to `s3` and not to `minio`.
        checksum: (!minio).then_some(CHECKSUM),
        client: client::client().map_err(bad)?,
        sign,
    };
    Ok(OperatorBackend::in_bucket(operator, bucket, None))
}

/// The sources of keys that the vendor's own tools ask, in their order, for a setting without keys.
fn found_outside(chain: ProvideCredentialChain<Credential>) -> ProvideCredentialChain<Credential> {
    chain
        .push(Source::new("the environment", EnvCredentialProvider::new()))
        .push(Source::new(
            "the file of profiles",
            ProfileCredentialProvider::new(),
        ))
        .push(Source::new("single sign-on", SSOCredentialProvider::new()))
        .push(Source::new(
            "the web identity",
            AssumeRoleWithWebIdentityCredentialProvider::new(),
        ))
        .push(Source::new(
            "the credential process",
            ProcessCredentialProvider::new(),
        ))
        .push(Source::new(
            "the container's role",
            ECSCredentialProvider::new(),
        ))
        .push(Source::metadata(IMDSv2CredentialProvider::new()))
}

/// The request that makes a bucket names its region; only the default one must not be named.
fn creation(region: &str) -> String {
    if region == DEFAULT_REGION {
        return String::new();
    }
    format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    )
}
