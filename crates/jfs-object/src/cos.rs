//! `cos` storage: buckets of Tencent Cloud.
//!
//! Keys: those of the setting, else `COS_SECRETID` and `COS_SECRETKEY`. Without any, requests are not signed: enough for
//! a public bucket.

use crate::http::bucket_lookup::{Find, FoundBucket, Located, ask};
use crate::http::host::BucketHost;
use crate::http::refusal::element;
use crate::http::sign::{Sign, Signed, Unsigned};
use crate::http::{client, env};
use crate::vendor::{Vendor, keys};
use crate::{Location, ObjectError};
use opendal::Operator;
use opendal::services::Cos;
use reqsign_core::{Context, Signer};
use reqsign_tencent_cos::{RequestSigner, StaticCredentialProvider};
use reqwest::Client;
use std::sync::Arc;

/// What differs from other vendors.
pub(crate) const COS: Vendor = Vendor {
    name: "cos",
    class_header: "x-cos-storage-class",
    checksum_header: "x-cos-meta-crc32c",
    sign,
    service,
};

/// Lists the buckets of an account with their regions.
const BUCKETS: &str = "https://service.cos.myqcloud.com/";

fn service(root: &str, bucket: &str, endpoint: &str) -> opendal::Result<Operator> {
    // It cannot do without keys. What it signs with these is taken away again.
    let keys = ("none", "none");
    let service = Cos::default().secret_id(keys.0).secret_key(keys.1);
    let service = service.disable_config_load().root(root).bucket(bucket);
    Operator::new(service.endpoint(endpoint))
}

fn sign(at: &BucketHost, location: &Location) -> Result<Arc<dyn Sign>, String> {
    let sign: Arc<dyn Sign> = match keys(location, env, ("COS_SECRETID", "COS_SECRETKEY"))? {
        None => Arc::new(Unsigned),
        Some((id, secret)) => {
            let keys = match location.session_token.as_str() {
                "" => StaticCredentialProvider::new(&id, &secret),
                token => StaticCredentialProvider::with_security_token(&id, &secret, token),
            };
            let signer = Signer::new(Context::new(), keys, RequestSigner::new());
            Arc::new(Signed(signer))
        }
    };
    if at.host.is_some() {
        return Ok(sign);
    }
    Ok(Arc::new(Located::new(Finder {
        bucket: at.bucket.clone(),
        client: client::client()?,
        sign,
    })))
}

/// Finds the region of a bucket in the account's list.
#[derive(Debug)]
struct Finder {
    bucket: String,
    client: Client,
    sign: Arc<dyn Sign>,
}

#[async_trait::async_trait]
impl Find for Finder {
    async fn find(&self) -> Result<FoundBucket, ObjectError> {
        let list = ask(&self.client, BUCKETS, &*self.sign).await?;
        let missing = || {
            let why =
                "the account has no such bucket; write https://BUCKET.cos.REGION.myqcloud.com";
            ObjectError::permanent(&self.bucket, why)
        };
        let region = region_of(&list, &self.bucket).ok_or_else(missing)?;
        Ok(FoundBucket {
            host: format!("{}.cos.{region}.myqcloud.com", self.bucket),
            sign: self.sign.clone(),
        })
    }
}

/// The region of a bucket in a list of buckets.
fn region_of<'a>(list: &'a str, bucket: &str) -> Option<&'a str> {
    let mut entries = list.split("</Bucket>");
    let entry = entries.find(|entry| element(entry, "Name") == Some(bucket))?;
    element(entry, "Location").filter(|region| !region.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_that_of_the_bucket_of_this_name() {
        let list = "<Buckets><Bucket><Name>a-1</Name><Location>ap-x</Location></Bucket>\
                    <Bucket><Name>b-1</Name><Location>ap-y</Location></Bucket></Buckets>";
        assert_eq!(region_of(list, "b-1"), Some("ap-y"));
        assert_eq!(region_of(list, "b"), None);
    }
}
