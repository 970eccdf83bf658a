//! `sqlite3://PATH?options`: what the URL says, and connections set up accordingly.

use super::errors::{cannot_open, classify, name_file};
use super::older_volumes;
use crate::dialect::Dialect;
use crate::prefix::table_prefix;
use crate::statement::Catalog;
use jfs_meta::EngineError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Permissions of a database file that is made.
const FILE_MODE: u32 = 0o600;
/// Prepared statements kept per connection; all that an engine runs often.
const STATEMENTS: usize = 96;
/// Page cache of a reader, KiB: another connection's commit empties it, so that it is mostly of use
/// within a statement.
const READER_CACHE_KIB: i64 = 1024;
/// Page cache of the writer, KiB (the kernel's page cache is behind it).
const WRITER_CACHE_KIB: i64 = 4096;

/// The path in what follows `file:`, as SQLite's own addresses have it: percent signs mean bytes, and a
/// host may stand between two slashes, this one alone.
fn file_of(uri: &str) -> Result<PathBuf, EngineError> {
    let uri = uri.split('#').next().unwrap_or_default();
    let path = match uri.strip_prefix("//") {
        Some(rest) => {
            let at = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(at);
            if !matches!(host, "" | "localhost") {
                let text = "sqlite3://file: names a file of this machine, not of a host";
                return Err(EngineError::Fatal(text.into()));
            }
            path
        }
        None => uri,
    };
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &after[2..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    if out.is_empty() {
        let text = "sqlite3://file: needs the path of a database file";
        return Err(EngineError::Fatal(text.into()));
    }
    Ok(PathBuf::from(OsString::from_vec(out)))
}

/// A connection that only reads.
pub(crate) struct Reader {
    pub(crate) c: Connection,
    /// The connection shows an older volume with stand-ins for missing tables. It is not kept for the
    /// next user.
    pub(crate) once: bool,
}

/// The path of the database and the options of its connections.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    /// The statements, on tables with the prefix of the URL.
    pub(crate) catalog: Arc<Catalog>,
    busy: Duration,
    synchronous: &'static str,
}

impl Database {
    pub(crate) fn parse(url: &str) -> Result<Database, EngineError> {
        let fatal = |text: String| Err(EngineError::Fatal(text));
        let Some(rest) = url.strip_prefix("sqlite3://") else {
            let (scheme, _) = url.split_once("://").unwrap_or(("", url));
            return match scheme {
                "postgres" | "mysql" => fatal(format!(
                    "{scheme}:// is not supported yet: use sqlite3:// or redis://"
                )),
                _ => fatal("a SQLite URL starts with sqlite3://".to_string()),
            };
        };
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        if path.is_empty() {
            return fatal("sqlite3:// needs the path of a database file".to_string());
        }
        let busy = Duration::from_secs(5);
        let path = match path.strip_prefix("file:") {
            Some(uri) => file_of(uri)?,
            None => path.into(),
        };
        if path.to_str().is_some_and(|path| path.starts_with(':')) {
            return fatal(
                "sqlite3:// with a database in memory: use memkv:// for that".to_string(),
            );
        }
        let options = || {
            let options = options.split('&').filter(|o| !o.is_empty());
            options.map(|option| option.split_once('=').unwrap_or((option, "")))
        };
        // Of several prefixes the first one counts, as with the reference client.
        let prefix = options().find(|(key, _)| *key == "table_prefix");
        let prefix = table_prefix(prefix.map_or("", |(_, value)| value))?;
        let mut database = Database {
            path,
            catalog: Arc::new(Catalog::new(Dialect::Sqlite, &prefix)),
            busy,
            synchronous: "FULL",
        };
        for (key, value) in options() {
            database.set(key, value)?;
        }
        Ok(database)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), EngineError> {
        let wrong = |wanted: &str| {
            EngineError::Fatal(format!(
                "{key}={value} in the SQLite URL: {wanted} is needed"
            ))
        };
        match key {
            "_timeout" | "_busy_timeout" => {
                let ms = value
                    .parse()
                    .map_err(|_| wrong("a number of milliseconds"))?;
                self.busy = Duration::from_millis(ms);
            }
            "_sync" | "_synchronous" => match value.to_ascii_uppercase().as_str() {
                "NORMAL" | "1" => self.synchronous = "NORMAL",
                "FULL" | "2" => self.synchronous = "FULL",
                "EXTRA" | "3" => self.synchronous = "EXTRA",
                _ => return Err(wrong("NORMAL, FULL or EXTRA")),
            },
            // Readers see each other's commits either way.
            "cache" if matches!(value, "shared" | "private") => {}
            "cache" => return Err(wrong("shared or private")),
            "_journal" | "_journal_mode" if value.eq_ignore_ascii_case("wal") => {}
            "_journal" | "_journal_mode" => return Err(wrong("WAL")),
            "max_open_conns" | "max_idle_conns" | "max_idle_time" | "max_life_time" => {
                tracing::warn!(
                    "{key} in the SQLite URL has no effect: connections are few and fixed"
                );
            }
            "table_prefix" => {} // see `parse`
            _ => {
                let known = "_timeout, _sync, _journal, cache and table_prefix are known";
                let text = format!("unknown option {key} in the SQLite URL: {known}");
                return Err(EngineError::Fatal(text));
            }
        }
        Ok(())
    }

    /// Makes the file. Only its owner may read it, under any umask: it holds the names of all files and the keys of
    /// the bucket. SQLite gives the files beside it the same permissions.
    fn create(&self) -> Result<(), EngineError> {
        let mut options = OpenOptions::new();
        match options
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&self.path)
        {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                let (path, dir) = (self.path.display(), self.path.parent());
                Err(EngineError::Fatal(match dir.filter(|dir| !dir.exists()) {
                    Some(dir) => format!("{path}: there is no directory {}", dir.display()),
                    None => format!("{path}: cannot make the database file: {e}"),
                }))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// A connection that only reads.
    pub(crate) fn reader(&self) -> Result<Reader, EngineError> {
        // Opened for writing all the same, because a log may have to be recovered.
        let c = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE, READER_CACHE_KIB)?;
        let once = older_volumes::stand_in(&c, &self.catalog)?;
        c.pragma_update(None, "query_only", true)
            .map_err(classify)?;
        Ok(Reader { c, once })
    }

    /// The connection that writes. Switches the database to WAL.
    pub(crate) fn writer(&self, create: bool) -> Result<Connection, EngineError> {
        if create {
            self.create()?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let c = self.connect(flags, WRITER_CACHE_KIB)?;
        let mode: String = c
            .pragma_update_and_check(None, "journal_mode", "WAL", |r| r.get(0))
            .map_err(classify)?;
        if !mode.eq_ignore_ascii_case("wal") {
            let path = self.path.display();
            return Err(EngineError::Fatal(format!(
                "{path}: the journal mode stays {mode}, WAL is needed: put the file on a local file system"
            )));
        }
        Ok(c)
    }

    fn connect(&self, flags: OpenFlags, cache_kib: i64) -> Result<Connection, EngineError> {
        let c = Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|e| cannot_open(&self.path, &e))?;
        // Without this SQLite plans a statement again whenever other values are bound to it.
        c.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(classify)?;
        c.busy_timeout(self.busy).map_err(classify)?;
        // Reads the head of the file: what is no database is noticed here, where its name is known.
        let head = c.query_row("PRAGMA schema_version", [], |_| Ok(()));
        head.map_err(|e| name_file(&self.path, classify(e)))?;
        c.set_prepared_statement_cache_capacity(STATEMENTS);
        c.pragma_update(None, "cache_size", -cache_kib)
            .map_err(classify)?;
        c.pragma_update(None, "synchronous", self.synchronous)
            .map_err(classify)?;
        Ok(c)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn urls_that_are_understood() {
        let d = Database::parse("sqlite3://a.db").unwrap();
        assert_eq!((d.path.to_str().unwrap(), d.synchronous), ("a.db", "FULL"));
        assert_eq!(d.busy, Duration::from_secs(5));
        let url = "sqlite3:///x/a.db?cache=shared&_journal=WAL&_timeout=100&_sync=NORMAL";
        let d = Database::parse(url).unwrap();
        assert_eq!(
            (d.path.to_str().unwrap(), d.synchronous),
            ("/x/a.db", "NORMAL")
        );
        assert_eq!(d.busy, Duration::from_millis(100));
        assert!(Database::parse("sqlite3://a?max_open_conns=3").is_ok());
        for (url, prefix) in [
            ("sqlite3://a", "jfs_"),
            ("sqlite3://a?table_prefix=", "jfs_"),
            (
                "sqlite3://a?_sync=FULL&table_prefix=P_1&table_prefix=Q",
                "jfs_P_1_",
            ),
        ] {
            assert_eq!(Database::parse(url).unwrap().catalog.prefix(), prefix);
        }
        for (url, path) in [
            ("sqlite3://file:a.db", "a.db"),
            ("sqlite3://file:/x/a%20b%3f.db?cache=shared", "/x/a b?.db"),
            ("sqlite3://file:///x/a.db", "/x/a.db"),
            ("sqlite3://file://localhost/x/a.db#y", "/x/a.db"),
            ("sqlite3://a%20b#.db", "a%20b#.db"),
        ] {
            assert_eq!(
                Database::parse(url).unwrap().path.to_str().unwrap(),
                path,
                "{url}"
            );
        }
    }

    /// Planning costs more than running: 20 us and more.
    #[test]
    fn statements_are_planned_once() {
        use crate::records::schema::Schema;
        use crate::statement::Statement as S;
        use rusqlite::StatementStatus::RePrepare;
        let dir = tempfile::tempdir().unwrap();
        let d =
            Database::parse(&format!("sqlite3://{}", dir.path().join("a.db").display())).unwrap();
        let c = d.writer(true).unwrap();
        for object in Schema::new(Dialect::Sqlite, "jfs_").objects() {
            c.execute_batch(&object.sql).unwrap();
        }
        for statement in [
            S::Node,
            S::Edge,
            S::EdgeNode,
            S::NodeAndEdge,
            S::EdgeListNodes,
            S::EdgeParents,
            S::NodeUpdate,
            S::ChunkAppend,
        ] {
            let sql = &d.catalog.get(statement).run;
            for value in 0..4 {
                let mut s = c.prepare_cached(sql).unwrap();
                for i in 1..=s.parameter_count() {
                    s.raw_bind_parameter(i, value).unwrap();
                }
                s.raw_query().next().unwrap();
                assert_eq!(s.get_status(RePrepare), 0, "{sql}");
            }
        }
    }

    #[test]
    fn others_are_refused_by_name() {
        for (url, word) in [
            ("sqlite3://", "path"),
            ("mysql://u:secret@x/y", "mysql:// is not supported yet"),
            (
                "postgres://u:secret@x/y",
                "postgres:// is not supported yet",
            ),
            ("sqlite3://file:", "path"),
            ("sqlite3://file://host/a.db", "of this machine"),
            ("sqlite3://:memory:", "in memory"),
            ("sqlite3://file::memory:", "in memory"),
            ("sqlite3://a?_timeout=x", "milliseconds"),
            ("sqlite3://a?what=1", "what"),
            ("sqlite3://a?_sync=OFF", "FULL"),
            ("sqlite3://a?_journal=DELETE", "WAL"),
            ("sqlite3://a?table_prefix=p-q", "table_prefix"),
        ] {
            let text = Database::parse(url).unwrap_err().to_string();
            assert!(
                text.contains(word) && !text.contains("secret"),
                "{url}: {text}"
            );
        }
    }

    #[test]
    fn files_are_readable_by_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let d = Database::parse(&format!("sqlite3://{}", path.display())).unwrap();
        let c = d.writer(true).unwrap();
        c.execute_batch("CREATE TABLE t(x)").unwrap();
        let files = std::fs::read_dir(dir.path()).unwrap().flatten();
        let mut modes: Vec<(String, u32)> = files
            .map(|f| {
                let name = f.file_name().to_string_lossy().into_owned();
                (name, f.metadata().unwrap().permissions().mode() & 0o777)
            })
            .collect();
        modes.sort();
        let want = ["a.db", "a.db-shm", "a.db-wal"].map(|name| (name.to_string(), 0o600));
        assert_eq!(modes, want);
    }
}
