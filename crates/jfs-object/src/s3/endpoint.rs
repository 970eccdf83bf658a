//! The addresses of buckets, as the reference client reads them (its `newS3` and `newMinio`).
//!
//! | address | requests go to |
//! |---|---|
//! | `[https://]BUCKET.s3.REGION.amazonaws.com` | the bucket's own host name |
//! | `[https://]s3.REGION.amazonaws.com/BUCKET` | the same |
//! | `[http://]HOST[:PORT]/BUCKET` | `HOST/BUCKET/...` |
//! | `[http://]BUCKET.HOST[:PORT]` | the same |
//!
//! `JFS_S3_VHOST_STYLE` in the environment makes the last two use the bucket's own host name.

use crate::http::host::{is_number, parse};
use url::Url;

/// The region when nothing names one.
pub(super) const DEFAULT_REGION: &str = "us-east-1";
const AWS: &str = ".amazonaws.com";

/// Reads a variable of the environment; empty ones count as missing.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The endpoint of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Scheme, host and port, without the bucket.
    pub(super) url: String,
    pub(super) bucket: String,
    pub(super) region: String,
    /// The bucket stands in the host name, not in the path.
    pub(super) virtual_host: bool,
}

impl Endpoint {
    /// Reads an address of `s3` storage.
    pub(super) fn s3(text: &str, env: Env<'_>) -> Result<Endpoint, String> {
        let bare_host = text.split('/').next().unwrap_or_default();
        let aws_or_name = bare_host.ends_with(AWS)
            || bare_host.contains(".amazonaws.com.")
            || !bare_host.contains('.');
        let url = parse(text, if aws_or_name { "https" } else { "http" })?;
        let host = url.host_str().unwrap_or_default().to_string();
        let is_aws = host.contains(AWS);
        let in_path = first_part(&url);

        let (bucket, endpoint_host, region) = match (in_path, is_aws) {
            (Some(bucket), true) => (bucket, host.clone(), Some(aws_region(&host))),
            (Some(bucket), false) => (bucket, host.clone(), None),
            (None, true) if vpc_region(&host).is_some() => {
                let (bucket, rest) = host.split_once('.').unwrap_or((&host, ""));
                (bucket.to_string(), rest.to_string(), vpc_region(&host))
            }
            (None, true) => {
                let no_bucket = || format!("{text:?} names no bucket");
                let at = host.find(".s3").ok_or_else(no_bucket)?;
                let rest = host[at + 1..].to_string();
                let region = aws_region(&rest);
                (host[..at].to_string(), rest, Some(region))
            }
            (None, false) => match host.split_once('.') {
                Some((bucket, rest)) if !is_number(&host) => {
                    (bucket.to_string(), rest.to_string(), other_region(rest))
                }
                Some(_) => return Err(format!("{text:?} names no bucket")),
                // A bucket alone is one of AWS.
                None => {
                    let region = env("AWS_REGION").or_else(|| env("AWS_DEFAULT_REGION"));
                    let region = region.ok_or_else(|| {
                        format!("the region of bucket {host:?} is not known: write https://{host}.s3.REGION.amazonaws.com or set AWS_REGION")
                    })?;
                    (
                        host.clone(),
                        format!("s3.{region}.amazonaws.com"),
                        Some(region),
                    )
                }
            },
        };
        let region = region
            .filter(|r| !r.is_empty())
            .or_else(|| env("AWS_REGION"))
            .or_else(|| env("AWS_DEFAULT_REGION"))
            .unwrap_or_else(|| DEFAULT_REGION.to_string());
        let standard_aws = endpoint_host.contains(AWS) && vpc_region(&endpoint_host).is_none();
        let https = url.scheme() == "https";
        Ok(Endpoint {
            url: origin(&url, &endpoint_host),
            // A dot in the name makes a host name that the certificate of AWS does not cover.
            virtual_host: match standard_aws {
                true => !(https && bucket.contains('.')),
                false => wants_virtual_host(env),
            },
            bucket,
            region,
        })
    }

    /// Reads an address of `minio` storage: the bucket is always in the path.
    pub(super) fn minio(text: &str, env: Env<'_>) -> Result<Endpoint, String> {
        let url = parse(text, "http")?;
        let asked = url
            .query_pairs()
            .find(|(name, _)| name == "region")
            .map(|(_, value)| value.into_owned());
        let path = url.path().trim_start_matches('/');
        let path = path.strip_prefix("minio/").unwrap_or(path);
        let bucket = path.split('/').next().unwrap_or_default().to_string();
        if bucket.is_empty() {
            return Err(format!("{text:?} names no bucket"));
        }
        Ok(Endpoint {
            url: origin(&url, url.host_str().unwrap_or_default()),
            bucket,
            region: asked
                .filter(|r| !r.is_empty())
                .or_else(|| env("MINIO_REGION"))
                .unwrap_or_else(|| DEFAULT_REGION.to_string()),
            virtual_host: wants_virtual_host(env),
        })
    }

    /// The address of the bucket itself.
    pub(super) fn bucket_url(&self) -> String {
        match (self.virtual_host, self.url.split_once("://")) {
            (true, Some((scheme, host))) => format!("{scheme}://{}.{host}/", self.bucket),
            _ => format!("{}/{}", self.url, self.bucket),
        }
    }
}

/// Scheme, the given host and the port, where it is not the usual one.
fn origin(url: &Url, host: &str) -> String {
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

fn first_part(url: &Url) -> Option<String> {
    let path = url.path().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    (!first.is_empty()).then(|| first.to_string())
}

fn wants_virtual_host(env: Env<'_>) -> bool {
    env("JFS_S3_VHOST_STYLE").is_some_and(|v| v != "0" && v != "false")
}

/// The region in a host name of AWS: `s3-REGION.amazonaws.com`, `s3.REGION.amazonaws.com[.cn]`,
/// `s3.dualstack.REGION.amazonaws.com`.
fn aws_region(host: &str) -> String {
    let rest = host
        .strip_prefix("s3-")
        .or_else(|| host.strip_prefix("s3."))
        .unwrap_or(host);
    let rest = rest.strip_prefix("dualstack.").unwrap_or(rest);
    match rest.split('.').next() {
        None | Some("" | "amazonaws" | "external-1") => DEFAULT_REGION.to_string(),
        Some(region) => region.to_string(),
    }
}

/// The region in `....REGION.vpce.amazonaws.com`.
fn vpc_region(host: &str) -> Option<String> {
    let (before, _) = host.split_once(".vpce.amazonaws.com")?;
    let (_, region) = before.rsplit_once('.')?;
    Some(region.to_string())
}

/// The region that other providers put into their host names: Oracle and OVH.
fn other_region(host: &str) -> Option<String> {
    if let Some(before) = host.strip_suffix(".oraclecloud.com") {
        let (_, region) = before.split_once(".compat.objectstorage.")?;
        return Some(region.to_string());
    }
    let before = host.strip_suffix(".cloud.ovh.net")?;
    let before = before.strip_prefix("s3.")?;
    before.split('.').next().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    fn shown(endpoint: Result<Endpoint, String>) -> String {
        match endpoint {
            Ok(e) => {
                let style = if e.virtual_host { "host" } else { "path" };
                format!("{} {} {} {style}", e.url, e.bucket, e.region)
            }
            Err(why) => format!("error: {why}"),
        }
    }

    #[test]
    fn s3_addresses() {
        for (text, want) in [
            (
                "https://b.s3.us-east-2.amazonaws.com",
                "https://s3.us-east-2.amazonaws.com b us-east-2 host",
            ),
            (
                "https://b.s3-us-west-2.amazonaws.com/",
                "https://s3-us-west-2.amazonaws.com b us-west-2 host",
            ),
            (
                "b.s3.cn-north-1.amazonaws.com.cn",
                "https://s3.cn-north-1.amazonaws.com.cn b cn-north-1 host",
            ),
            (
                "https://b.s3.dualstack.eu-west-1.amazonaws.com",
                "https://s3.dualstack.eu-west-1.amazonaws.com b eu-west-1 host",
            ),
            (
                "https://b.s3.amazonaws.com",
                "https://s3.amazonaws.com b us-east-1 host",
            ),
            (
                "https://a.b.s3.eu-west-1.amazonaws.com",
                "https://s3.eu-west-1.amazonaws.com a.b eu-west-1 path",
            ),
            (
                "https://s3.eu-west-1.amazonaws.com/b",
                "https://s3.eu-west-1.amazonaws.com b eu-west-1 host",
            ),
            (
                "s3.amazonaws.com/b",
                "https://s3.amazonaws.com b us-east-1 host",
            ),
            (
                "https://b.vpce-1a-2b.s3.us-west-2.vpce.amazonaws.com",
                "https://vpce-1a-2b.s3.us-west-2.vpce.amazonaws.com b us-west-2 path",
            ),
            (
                "http://127.0.0.1:9000/b",
                "http://127.0.0.1:9000 b us-east-1 path",
            ),
            (
                "127.0.0.1:9000/b/",
                "http://127.0.0.1:9000 b us-east-1 path",
            ),
            ("http://[::1]:9000/b", "http://[::1]:9000 b us-east-1 path"),
            (
                "https://store.example.com/b/ignored",
                "https://store.example.com b us-east-1 path",
            ),
            (
                "b.store.example.com:8443",
                "http://store.example.com:8443 b us-east-1 path",
            ),
            (
                "https://b.x.compat.objectstorage.ap-tokyo-1.oraclecloud.com",
                "https://x.compat.objectstorage.ap-tokyo-1.oraclecloud.com b ap-tokyo-1 path",
            ),
            (
                "https://b.s3.gra.cloud.ovh.net",
                "https://s3.gra.cloud.ovh.net b gra path",
            ),
            (
                "https://b.s3.gra.io.cloud.ovh.net",
                "https://s3.gra.io.cloud.ovh.net b gra path",
            ),
            (
                "http://127.0.0.1:9000",
                "error: \"http://127.0.0.1:9000\" names no bucket",
            ),
            (
                "https://s3.amazonaws.com",
                "error: \"https://s3.amazonaws.com\" names no bucket",
            ),
            (
                "ftp://h/b",
                "error: the bucket's address begins with http:// or https://, not ftp://",
            ),
            (
                "http://k:secret@h.x/b",
                "error: keys do not belong into the bucket's address",
            ),
        ] {
            assert_eq!(shown(Endpoint::s3(text, &none)), want, "{text}");
        }
        let alone = shown(Endpoint::s3("bucket", &none));
        assert!(
            alone.starts_with("error: the region of bucket \"bucket\" is not known"),
            "{alone}"
        );
    }

    #[test]
    fn minio_addresses() {
        for (text, want) in [
            (
                "http://127.0.0.1:9000/b",
                "http://127.0.0.1:9000 b us-east-1 path",
            ),
            ("host:9000/minio/b/x", "http://host:9000 b us-east-1 path"),
            ("https://host/b?region=eu-1", "https://host b eu-1 path"),
            (
                "http://host:9000/",
                "error: \"http://host:9000/\" names no bucket",
            ),
        ] {
            assert_eq!(shown(Endpoint::minio(text, &none)), want, "{text}");
        }
    }

    #[test]
    fn the_environment_fills_in() {
        let env = |name: &str| {
            let value = match name {
                "AWS_REGION" => "eu-central-1",
                "MINIO_REGION" => "here",
                "JFS_S3_VHOST_STYLE" => "1",
                _ => return None,
            };
            Some(value.to_string())
        };
        for (endpoint, want) in [
            (
                Endpoint::s3("http://store.x.y:80/b", &env),
                "http://store.x.y b eu-central-1 host",
            ),
            (
                Endpoint::s3("bucket", &env),
                "https://s3.eu-central-1.amazonaws.com bucket eu-central-1 host",
            ),
            (
                Endpoint::s3("https://b.s3.us-east-2.amazonaws.com", &env),
                "https://s3.us-east-2.amazonaws.com b us-east-2 host",
            ),
            (
                Endpoint::minio("http://host/b", &env),
                "http://host b here host",
            ),
        ] {
            assert_eq!(shown(endpoint), want);
        }
        let bucket = Endpoint::minio("http://host:1/b", &env).expect("an address");
        assert_eq!(bucket.bucket_url(), "http://b.host:1/");
        let bucket = Endpoint::minio("http://host:1/b", &none).expect("an address");
        assert_eq!(bucket.bucket_url(), "http://host:1/b");
    }
}
