//! Addresses that begin with the bucket: `[https://]BUCKET.HOST[:PORT]`, or the bucket's name alone.

use url::Url;

/// The host of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketHost {
    pub(crate) scheme: String,
    pub(crate) bucket: String,
    /// Host and port behind the bucket; `None`: the address is a name.
    pub(crate) host: Option<String>,
}

impl BucketHost {
    /// Reads an address. `storage` is accepted as a scheme, too. A path and a query are left out.
    pub(crate) fn read(text: &str, storage: &str) -> Result<BucketHost, String> {
        let own = format!("{storage}://");
        let text = text.strip_prefix(&own).unwrap_or(text);
        let url = parse(text, "https")?;
        let host = url.host_str().unwrap_or_default();
        let (bucket, rest) = match host.split_once('.') {
            Some((bucket, rest)) => (bucket, Some(rest)),
            None => (host, None),
        };
        if bucket.is_empty() || is_number(host) {
            return Err(format!("{text:?} does not begin with the name of a bucket"));
        }
        Ok(BucketHost {
            scheme: url.scheme().to_string(),
            bucket: bucket.to_string(),
            host: rest.map(|rest| match url.port() {
                Some(port) => format!("{rest}:{port}"),
                None => rest.to_string(),
            }),
        })
    }

    /// The first part of the address, as log lines show a bucket.
    pub(crate) fn shown(text: &str) -> String {
        let host = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = host.split(['/', '?']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        host.split(['.', ':'])
            .next()
            .unwrap_or_default()
            .to_string()
    }
}

/// Whether the host is an address of numbers and so cannot begin with a bucket.
pub(crate) fn is_number(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok() || host.starts_with('[')
}

/// The URL of a text that may come without a scheme. Keys do not belong into it.
pub(crate) fn parse(text: &str, scheme: &str) -> Result<Url, String> {
    let full = match text.contains("://") {
        true => text.to_string(),
        false => format!("{scheme}://{text}"),
    };
    // The message does not repeat the address: there may be keys in it.
    let url = Url::parse(full.trim_end_matches('/'))
        .map_err(|e| format!("the bucket's address does not read: {e}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("keys do not belong into the bucket's address".to_string());
    }
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        other => Err(format!(
            "the bucket's address begins with http:// or https://, not {other}://"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, want) in [
            (
                "https://b-1.cos.here.vendor.com",
                "https b-1 cos.here.vendor.com",
            ),
            (
                "http://b-1.cos.here.vendor.com/",
                "http b-1 cos.here.vendor.com",
            ),
            ("b-1.cos.here.vendor.com", "https b-1 cos.here.vendor.com"),
            ("https://b-1.h.com/sub/dir?a=b", "https b-1 h.com"),
            ("https://b-1.h.com:8443", "https b-1 h.com:8443"),
            ("https://b-1.h.com:443", "https b-1 h.com"),
            ("cos://b-1.h.com", "https b-1 h.com"),
            ("b-1", "https b-1 by name"),
            ("https://b-1", "https b-1 by name"),
            ("cos://b-1", "https b-1 by name"),
            (
                "http://k:hush@b.h.com",
                "error: keys do not belong into the bucket's address",
            ),
            (
                "ftp://b.h.com",
                "error: the bucket's address begins with http:// or https://, not ftp://",
            ),
            (
                "http://127.0.0.1:9000/b",
                "error: \"http://127.0.0.1:9000/b\" does not begin with the name of a bucket",
            ),
        ] {
            let found = match BucketHost::read(text, "cos") {
                Ok(at) => {
                    let host = at.host.unwrap_or_else(|| "by name".to_string());
                    format!("{} {} {host}", at.scheme, at.bucket)
                }
                Err(why) => format!("error: {why}"),
            };
            assert_eq!(found, want, "{text}");
        }
        assert!(BucketHost::read("", "cos").is_err());
        for text in [
            "https://b-1.h.com/x",
            "b-1",
            "http://k:s@b-1.h.com:80?q",
            "oss://b-1",
        ] {
            assert_eq!(BucketHost::shown(text), "b-1", "{text}");
        }
    }
}
