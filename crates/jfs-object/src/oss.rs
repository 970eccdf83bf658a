//! `oss` storage: buckets of Alibaba Cloud.
//!
//! Keys: those of the setting, else `ALICLOUD_ACCESS_KEY_ID` and `ALICLOUD_ACCESS_KEY_SECRET` with `SECURITY_TOKEN`, else
//! `ALIBABA_CLOUD_ACCESS_KEY_ID` and what goes with it, else the role of the machine. The signature is that of version 4
//! where the region is known: from the host, else from `ALICLOUD_REGION_ID`.

use crate::http::bucket_lookup::{Find, FoundBucket, Located, ask};
use crate::http::host::BucketHost;
use crate::http::refusal::element;
use crate::http::sign::{Sign, Signed};
use crate::http::{client, env};
use crate::vendor::{Vendor, keys};
use crate::{Location, ObjectError};
use opendal::services::Oss;
use opendal::{HttpTransporter, Operator};
use reqsign_aliyun_oss::{
    Credential, EcsRamRoleCredentialProvider, EnvCredentialProvider, RequestSigner, SigningVersion,
    StaticCredentialProvider,
};
use reqsign_core::{Context, OsEnv, ProvideCredentialChain, Signer};
use reqsign_file_read_tokio::TokioFileRead;
use reqwest::Client;
use std::sync::Arc;
use std::time::Duration;

/// What differs from other vendors.
pub(crate) const OSS: Vendor = Vendor {
    name: "oss",
    class_header: "x-oss-storage-class",
    checksum_header: "x-oss-meta-crc32c",
    sign,
    service,
};

/// Where a bucket without a host is asked about, unless `ALICLOUD_REGION_ID` names another region.
const DEFAULT_REGION: &str = "cn-hangzhou";
/// Within the vendor's network its internal host answers at once. Elsewhere it does not exist.
const INTERNAL_WAIT: Duration = Duration::from_secs(2);

fn service(root: &str, bucket: &str, endpoint: &str) -> opendal::Result<Operator> {
    let service = Oss::default().root(root).bucket(bucket);
    Operator::new(service.endpoint(endpoint).skip_signature())
}

fn sign(at: &BucketHost, location: &Location) -> Result<Arc<dyn Sign>, String> {
    let names = ("ALICLOUD_ACCESS_KEY_ID", "ALICLOUD_ACCESS_KEY_SECRET");
    let keys = keys(location, env, names)?;
    let token = match location.access_key.as_str() {
        "" => env("SECURITY_TOKEN").unwrap_or_default(),
        _ => location.session_token.clone(),
    };
    let signer = Maker {
        bucket: at.bucket.clone(),
        keys,
        token,
    };
    let asked_region = env("ALICLOUD_REGION_ID").map(|region| bare_region(&region).to_string());
    match &at.host {
        Some(host) => {
            let region = region_of(host).map(str::to_string).or(asked_region);
            signer.make(region)
        }
        None => Ok(Arc::new(Located::new(Finder {
            region: asked_region.unwrap_or_else(|| DEFAULT_REGION.to_string()),
            client: client::client()?,
            signer,
        }))),
    }
}

/// Makes signatures for a region.
struct Maker {
    bucket: String,
    keys: Option<(String, String)>,
    token: String,
}

/// Shows no secret.
impl std::fmt::Debug for Maker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Maker")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

impl Maker {
    fn make(&self, region: Option<String>) -> Result<Arc<dyn Sign>, String> {
        let context = Context::new()
            .with_file_read(TokioFileRead)
            .with_http_send(HttpTransporter::new(client::transport()?))
            .with_env(OsEnv);
        let chain = ProvideCredentialChain::<Credential>::new();
        let chain = match &self.keys {
            Some((id, secret)) => {
                let keys = StaticCredentialProvider::new(id, secret);
                chain.push(match self.token.as_str() {
                    "" => keys,
                    token => keys.with_security_token(token),
                })
            }
            None => chain
                .push(EnvCredentialProvider::new())
                .push(EcsRamRoleCredentialProvider::new()),
        };
        let signer = RequestSigner::new(&self.bucket);
        let signer = match region {
            Some(region) => signer
                .with_region(region)
                .with_signing_version(SigningVersion::V4),
            None => signer,
        };
        Ok(Arc::new(Signed(Signer::new(context, chain, signer))))
    }
}

/// Asks the vendor where a bucket is.
#[derive(Debug)]
struct Finder {
    /// Of the host that is asked.
    region: String,
    client: Client,
    signer: Maker,
}

#[async_trait::async_trait]
impl Find for Finder {
    async fn find(&self) -> Result<FoundBucket, ObjectError> {
        let bucket = &self.signer.bucket;
        let bad = |why: String| ObjectError::permanent(bucket, why);
        let sign = self.signer.make(Some(self.region.clone())).map_err(bad)?;
        let url = |host: &str| format!("https://{bucket}.{host}/?bucketInfo");
        let first = url(&format!("oss-{}.aliyuncs.com", self.region));
        let info = ask(&self.client, &first, &*sign).await?;
        let told = |name: &str| {
            let found = element(&info, name).filter(|text| !text.is_empty());
            found.ok_or_else(|| bad(format!("the vendor's answer has no {name}")))
        };
        let sign = self
            .signer
            .make(Some(bare_region(told("Location")?).to_string()));
        let sign = sign.map_err(bad)?;
        let mut host = told("ExtranetEndpoint")?;
        // Traffic through the internal host is free and faster.
        if let Ok(internal) = told("IntranetEndpoint") {
            let url = url(internal);
            let asked = ask(&self.client, &url, &*sign);
            if tokio::time::timeout(INTERNAL_WAIT, asked)
                .await
                .is_ok_and(|answer| answer.is_ok())
            {
                host = internal;
            }
        }
        Ok(FoundBucket {
            host: format!("{bucket}.{host}"),
            sign,
        })
    }
}

/// The region in `oss-REGION[-internal].aliyuncs.com`. Hosts for the whole world name none.
fn region_of(host: &str) -> Option<&str> {
    let host = host.split(':').next().unwrap_or_default();
    let name = host.strip_suffix(".aliyuncs.com")?.strip_prefix("oss-")?;
    let region = name.strip_suffix("-internal").unwrap_or(name);
    (!region.starts_with("accelerate")).then_some(region)
}

/// A region without the prefix that the vendor writes in some places.
fn bare_region(region: &str) -> &str {
    region.strip_prefix("oss-").unwrap_or(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_in_the_host() {
        for (host, want) in [
            ("oss-cn-hangzhou.aliyuncs.com", Some("cn-hangzhou")),
            ("oss-cn-hangzhou-internal.aliyuncs.com", Some("cn-hangzhou")),
            ("oss-us-west-1.aliyuncs.com:443", Some("us-west-1")),
            ("oss-accelerate.aliyuncs.com", None),
            ("oss-accelerate-overseas.aliyuncs.com", None),
            ("cdn.example.com", None),
        ] {
            assert_eq!(region_of(host), want, "{host}");
        }
        assert_eq!(bare_region("oss-cn-shanghai"), bare_region("cn-shanghai"));
    }
}
