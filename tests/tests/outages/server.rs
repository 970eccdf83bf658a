//! A server of one test, with a volume on it.

use jfs_testkit::{
    Jfs, MariadbOptions, MariadbServer, Mount, MountArgs, PostgresOptions, PostgresServer,
    TlsFiles, scratch_dir,
};
use jfs_tests::SqlServer;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::PathBuf;
use tempfile::TempDir;

/// The database of every test.
pub(crate) const DATABASE: &str = "volume";

enum Server {
    Postgres(PostgresServer),
    Mariadb(MariadbServer),
}

/// A server that waits for its disk, an empty database, and a directory.
pub(crate) struct Bed {
    server: Server,
    dir: TempDir,
}

/// Calls a method that both servers have.
macro_rules! either {
    ($bed:expr, $server:ident => $call:expr) => {
        match $bed {
            Server::Postgres($server) => $call,
            Server::Mariadb($server) => $call,
        }
    };
}

impl Bed {
    pub(crate) fn new(kind: SqlServer) -> Bed {
        Bed::with_tls(kind, None)
    }

    pub(crate) fn with_tls(kind: SqlServer, tls: Option<TlsFiles>) -> Bed {
        let (durable, settings) = (true, Vec::new());
        let server = match kind {
            SqlServer::Postgres => {
                let options = PostgresOptions {
                    durable,
                    tls,
                    settings,
                };
                Server::Postgres(PostgresServer::start_with(options).unwrap())
            }
            SqlServer::Mariadb => {
                let options = MariadbOptions {
                    durable,
                    tls,
                    settings,
                };
                Server::Mariadb(MariadbServer::start_with(options).unwrap())
            }
        };
        either!(&server, s => s.create_database(DATABASE).unwrap());
        Bed {
            server,
            dir: scratch_dir().unwrap(),
        }
    }

    /// With a volume, without a trash.
    pub(crate) fn formatted(kind: SqlServer) -> Bed {
        let bed = Bed::new(kind);
        let bucket = bed.path("bucket");
        let jfs = Jfs::find().unwrap();
        jfs.format(&bed.url(), "vol", &bucket, &["--trash-days", "0"])
            .unwrap();
        bed
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        either!(&self.server, s => format!("127.0.0.1:{}", s.port()))
    }

    pub(crate) fn url(&self) -> String {
        self.url_of(jfs_testkit::DATABASE_USER, DATABASE)
    }

    /// The URL for a user, with `:PASSWORD` perhaps, and a database.
    pub(crate) fn url_of(&self, user: &str, database: &str) -> String {
        url(self.kind(), &self.address(), user, database)
    }

    pub(crate) fn kind(&self) -> SqlServer {
        match self.server {
            Server::Postgres(_) => SqlServer::Postgres,
            Server::Mariadb(_) => SqlServer::Mariadb,
        }
    }

    pub(crate) fn mount(&self) -> Mount {
        let jfs = Jfs::find().unwrap();
        // Attributes and names are asked for again at once: what a test sees comes from the server.
        let flags = [
            "--attr-cache",
            "0",
            "--entry-cache",
            "0",
            "--dir-entry-cache",
            "0",
        ];
        jfs.mount(MountArgs::new(self.url()).flags(flags)).unwrap()
    }

    pub(crate) fn stop(&mut self) {
        either!(&mut self.server, s => s.stop());
    }

    pub(crate) fn kill9(&mut self) {
        either!(&mut self.server, s => s.kill9().unwrap());
    }

    pub(crate) fn restart(&mut self) {
        either!(&mut self.server, s => s.restart().unwrap());
    }

    /// Makes the server refuse changes, or take them again.
    pub(crate) fn read_only(&self, yes: bool) {
        match &self.server {
            Server::Postgres(server) => {
                let set = format!("ALTER SYSTEM SET default_transaction_read_only = {yes}");
                server.execute("postgres", &set).unwrap();
                server
                    .execute("postgres", "SELECT pg_reload_conf()")
                    .unwrap();
            }
            Server::Mariadb(server) => {
                let set = format!("SET GLOBAL read_only = {}", u8::from(yes));
                server.execute("mysql", &set).unwrap();
            }
        }
    }

    /// Holds the server's processes still until the value is dropped.
    pub(crate) fn freeze(&self) -> Frozen {
        let pids = either!(&self.server, s => s.pids());
        let pids: Vec<Pid> = pids.into_iter().map(Pid::from_raw).collect();
        for pid in &pids {
            // A connection's process may have ended.
            let _ = kill(*pid, Signal::SIGSTOP);
        }
        Frozen(pids)
    }
}

/// The URL of a database on a server of this kind at `address`.
pub(crate) fn url(kind: SqlServer, address: &str, user: &str, database: &str) -> String {
    match kind {
        SqlServer::Postgres => {
            format!("postgres://{user}@{address}/{database}?sslmode=disable&connect_timeout=5")
        }
        SqlServer::Mariadb => format!("mysql://{user}@({address})/{database}?timeout=5s"),
    }
}

/// Processes that stand still.
pub(crate) struct Frozen(Vec<Pid>);

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = kill(*pid, Signal::SIGCONT);
        }
    }
}
