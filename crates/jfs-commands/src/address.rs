//! Addresses and paths as users write them, brought into the form that programs use: a daemon
//! changes its directory, so nothing relative may stay.

pub use jfs_types::path::{absolute, file_bucket};

use jfs_types::Format;
use std::path::{Path, PathBuf};

/// The metadata URL with its scheme (Redis when there is none) and, for a database in a file or a
/// server behind a socket, with the file's absolute path.
pub fn meta_url(url: &str, cwd: &Path) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return format!("redis://{url}");
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (rest, String::new()),
    };
    match scheme {
        "sqlite3" => {
            let (file, path) = match path.strip_prefix("file:") {
                Some(path) => (true, path),
                None => (false, path),
            };
            if path.is_empty() || path.starts_with([':', '/']) {
                return url.to_string();
            }
            // A directory may have a `?` in its name; then only the form `file:` can name it.
            let here = cwd.display().to_string();
            let escaped = encoded(&here);
            match (file, here.contains('?')) {
                (false, false) => {
                    format!("{scheme}://{}{query}", absolute(path, cwd).display())
                }
                (false, true) => format!("{scheme}://file:{escaped}/{}{query}", encoded(path)),
                (true, _) => format!("{scheme}://file:{escaped}/{path}{query}"),
            }
        }
        "unix" => {
            // A user and a password may come first; a socket's path follows the @.
            let slash = path.find('/').unwrap_or(path.len());
            let at = path[..slash].rfind('@').map_or(0, |at| at + 1);
            let (user, socket) = path.split_at(at);
            // A password with a slash in it, which the engine refuses.
            let cut = at == 0 && path[..slash].contains(':');
            if cut || socket.is_empty() || socket.starts_with('/') {
                return url.to_string();
            }
            let here = encoded(&cwd.display().to_string());
            format!("{scheme}://{user}{here}/{socket}{query}")
        }
        _ => url.to_string(),
    }
}

/// A path as it stands in an address where percent signs have a meaning.
fn encoded(path: &str) -> String {
    path.replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23")
        .replace('@', "%40")
}

/// What stands for a current directory that was removed.
const REMOVED: &str = "/proc/self/cwd";

/// The current directory. One that was removed still has a name here, which leads nowhere, so that paths from
/// the root work there. Relative paths must pass [`check_path`] or [`check_url`].
pub fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from(REMOVED))
}

/// A relative path was given where there is no current directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is a relative path, and the working directory was removed: give the whole path")]
pub struct Nowhere(String);

/// Refuses a relative path when [`here`] has found no directory.
pub fn check_path(path: &str, cwd: &Path) -> Result<(), Nowhere> {
    match cwd == Path::new(REMOVED) && !path.starts_with('/') {
        true => Err(Nowhere(path.to_string())),
        false => Ok(()),
    }
}

/// The same for the path in a metadata URL, if there is one.
pub fn check_url(url: &str, cwd: &Path) -> Result<(), Nowhere> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Ok(());
    };
    let path = rest.split('?').next().unwrap_or_default();
    let path = match scheme {
        "sqlite3" => path.strip_prefix("file:").unwrap_or(path),
        "unix" => {
            let slash = path.find('/').unwrap_or(path.len());
            path[..slash].rfind('@').map_or(path, |at| &path[at + 1..])
        }
        _ => return Ok(()),
    };
    match path.is_empty() || path.starts_with(':') {
        true => Ok(()),
        false => check_path(path, cwd),
    }
}

/// Warns when the data is where objects have no storage classes, in the words that scripts know from the
/// reference.
pub fn warn_without_classes(format: &Format) {
    if format.storage_kind() == "file" {
        tracing::warn!("{}", jfs_telemetry::scripted::NO_STORAGE_CLASSES);
    }
}

/// Where a volume's data is, as the log shows it. `shown` gives the short form of a bucket's address for kinds of
/// storage that have one.
pub fn data_address(format: &Format, shown: impl Fn(&str, &str) -> Option<String>) -> String {
    let sharded = format.shards > 1;
    // Of several buckets the first one stands for all.
    let bucket = match sharded {
        true => format.bucket.replace("%d", "0"),
        false => format.bucket.clone(),
    };
    let storage = format.storage_kind();
    let bucket = shown(&storage, &bucket).unwrap_or(bucket);
    let bucket = bucket
        .split_once("://")
        .map_or(bucket.as_str(), |(_, rest)| rest);
    let bucket = bucket.split('?').next().unwrap_or_default();
    // Keys have no business in an address; who wrote some does not see them again.
    let bucket = match storage.as_str() {
        "file" => bucket,
        _ => bucket.rsplit('@').next().unwrap_or_default(),
    };
    let slash = if bucket.ends_with('/') { "" } else { "/" };
    let name = &format.name;
    let address = format!("{storage}://{bucket}{slash}{name}/");
    let before = match sharded {
        true => format!("shard{}://", format.shards),
        false => String::new(),
    };
    let after = if format.encrypted() {
        "(encrypted)"
    } else {
        ""
    };
    format!("{before}{address}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_needs_a_working_directory() {
        let (gone, home) = (Path::new(REMOVED), Path::new("/home/u"));
        for path in ["x", "./x", "../x", ""] {
            let said = check_path(path, gone).map_err(|e| e.to_string());
            let named = said.is_err_and(|said| said.contains(&format!("\"{path}\"")));
            assert!(named, "{path}");
            assert_eq!(check_path(path, home), Ok(()));
        }
        assert_eq!(check_path("/x", gone), Ok(()));
        for (url, refused) in [
            ("sqlite3://v.db", true),
            ("sqlite3://../v.db?cache=shared", true),
            ("sqlite3://file:v.db", true),
            ("unix://us:pw@run/r.sock", true),
            ("sqlite3:///v.db", false),
            ("sqlite3://:memory:", false),
            ("sqlite3://file:/v.db", false),
            ("unix://us:pw@/run/r.sock", false),
            ("redis://h/1", false),
            ("h:1/1", false),
        ] {
            assert_eq!(check_url(url, gone).is_err(), refused, "{url}");
            assert_eq!(check_url(url, home), Ok(()), "{url}");
        }
    }

    #[test]
    fn metadata_urls_get_a_scheme_and_an_absolute_file() {
        let cwd = Path::new("/home/u");
        for (url, want) in [
            ("127.0.0.1:6379/1", "redis://127.0.0.1:6379/1"),
            ("redis://h/1", "redis://h/1"),
            ("sqlite3://a.db", "sqlite3:///home/u/a.db"),
            ("sqlite3://./d/../a.db?x=1", "sqlite3:///home/u/a.db?x=1"),
            ("sqlite3:///data/a.db", "sqlite3:///data/a.db"),
            ("sqlite3://:memory:", "sqlite3://:memory:"),
            ("sqlite3://file:a.db", "sqlite3://file:/home/u/a.db"),
            (
                "sqlite3://file:d/a%20b.db?cache=shared",
                "sqlite3://file:/home/u/d/a%20b.db?cache=shared",
            ),
            ("sqlite3://file:/a.db", "sqlite3://file:/a.db"),
            ("sqlite3://", "sqlite3://"),
            ("unix://r.sock?db=2", "unix:///home/u/r.sock?db=2"),
            (
                "unix://us:p%40w@d/r.sock?db=2",
                "unix://us:p%40w@/home/u/d/r.sock?db=2",
            ),
            ("unix://us:p%40w@/r.sock", "unix://us:p%40w@/r.sock"),
            ("unix://", "unix://"),
            ("unix://:p/w@/r.sock", "unix://:p/w@/r.sock"),
            ("memkv://x", "memkv://x"),
        ] {
            assert_eq!(meta_url(url, cwd), want, "{url}");
        }
        let odd = Path::new("/a?b%");
        assert_eq!(
            meta_url("sqlite3://x.db?y=1", odd),
            "sqlite3://file:/a%3Fb%25/x.db?y=1"
        );
    }

    fn as_written(_: &str, _: &str) -> Option<String> {
        None
    }

    #[test]
    fn buckets_and_data_addresses() {
        let cwd = Path::new("/home/u");
        assert_eq!(file_bucket("/var/jfs", cwd), "/var/jfs/");
        assert_eq!(file_bucket("b/../c/", cwd), "/home/u/c/");
        assert_eq!(file_bucket("", cwd), "/home/u/");
        assert_eq!(file_bucket("/", cwd), "/");
        let mut format = Format {
            name: "vol".into(),
            storage: "file".into(),
            bucket: "/var/jfs/".into(),
            ..Format::default()
        };
        assert_eq!(data_address(&format, as_written), "file:///var/jfs/vol/");
        format.storage = "File".into();
        format.bucket = "/var/a@b/".into();
        assert_eq!(data_address(&format, as_written), "file:///var/a@b/vol/");
        format.storage = "mem".into();
        format.bucket.clear();
        assert_eq!(data_address(&format, as_written), "mem:///vol/");
        format.storage = "minio".into();
        format.bucket = "http://127.0.0.1:9000/b?region=x".into();
        assert_eq!(
            data_address(&format, as_written),
            "minio://127.0.0.1:9000/b/vol/"
        );
        format.bucket = "http://127.0.0.1:9000/b%d".into();
        format.shards = 3;
        format.encrypt_key = "k".into();
        format.bucket = "http://key:secret@127.0.0.1:9000/b%d".into();
        let want = "shard3://minio://127.0.0.1:9000/b0/vol/(encrypted)";
        assert_eq!(data_address(&format, as_written), want);
        let name = |storage: &str, _: &str| (storage == "cos").then(|| "b-1".to_string());
        format.storage = "COS".into();
        format.shards = 1;
        assert_eq!(data_address(&format, name), "cos://b-1/vol/(encrypted)");
    }
}
