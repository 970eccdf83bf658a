//! Buckets of vendors whose protocol is like S3's and whose signature is not: one way to open them all.
//!
//! A vendor is a value of [`Vendor`]: its opendal service, its signature and the names of its headers.

use crate::http::bucket::HttpBucket;
use crate::http::client;
use crate::http::host::BucketHost;
use crate::http::sign::Sign;
use crate::http::transport::SigningTransport;
use crate::operator::{OperatorBackend, Resume};
use crate::{Location, ObjectError};
use ::http::{HeaderName, HeaderValue};
use jfs_telemetry::mask_url;
use opendal::Operator;
use std::sync::Arc;

/// Makes the signature for a bucket, or says why it cannot.
type MakeSign = fn(&BucketHost, &Location) -> Result<Arc<dyn Sign>, String>;

/// The differences between vendors.
pub(crate) struct Vendor {
    /// Name of the storage.
    pub(crate) name: &'static str,
    /// Header of a new object that names its storage class.
    pub(crate) class_header: &'static str,
    /// Header of an answer that holds an object's checksum.
    pub(crate) checksum_header: &'static str,
    /// The signature.
    pub(crate) sign: MakeSign,
    /// opendal's service below a root: root, bucket, address without the bucket. It need not sign.
    pub(crate) service: fn(&str, &str, &str) -> opendal::Result<Operator>,
}

/// Opens a bucket. Nothing is sent yet.
pub(crate) fn open(vendor: &Vendor, location: &Location) -> Result<OperatorBackend, ObjectError> {
    let bad = |why: String| ObjectError::permanent(&mask_url(&location.bucket), why);
    let at = BucketHost::read(&location.bucket, vendor.name).map_err(bad)?;
    let sign = (vendor.sign)(&at, location).map_err(bad)?;
    // The signature leads requests of a bucket without a host to the right one.
    let host = at.host.as_deref().unwrap_or("invalid");
    let class = match location.storage_class.as_str() {
        "" => None,
        class => {
            let value = HeaderValue::from_str(class);
            let value = value.map_err(|_| bad(format!("{class:?} is no storage class")))?;
            Some((HeaderName::from_static(vendor.class_header), value))
        }
    };
    let transport = SigningTransport {
        inner: client::transport().map_err(bad)?,
        sign: sign.clone(),
        class,
        marker: None,
    };
    let endpoint = format!("{}://{host}", at.scheme);
    let operator = (vendor.service)(&location.volume_name, &at.bucket, &endpoint);
    let operator = operator.map_err(|e| bad(e.message().to_string()))?;
    let operator = operator.with_context(transport.clone().context());
    let bucket = HttpBucket {
        url: format!("{}://{}.{host}", at.scheme, at.bucket),
        name: at.bucket,
        volume_name: location.volume_name.clone(),
        headers: &[],
        checksum: Some(vendor.checksum_header),
        creation: String::new(),
        client: client::client().map_err(bad)?,
        sign,
    };
    let resume = Resume {
        transport,
        volume_name: location.volume_name.clone(),
    };
    Ok(OperatorBackend::in_bucket(operator, bucket, Some(resume)))
}

/// The pair of keys: those of the volume's setting, else of the environment, else none.
pub(crate) fn keys(
    location: &Location,
    env: impl Fn(&str) -> Option<String>,
    names: (&str, &str),
) -> Result<Option<(String, String)>, String> {
    if location.access_key.is_empty() {
        return Ok(env(names.0).zip(env(names.1)));
    }
    if location.secret_key.is_empty() {
        return Err("the access key has no secret key".to_string());
    }
    Ok(Some((
        location.access_key.clone(),
        location.secret_key.clone(),
    )))
}
