//! Databases on PostgreSQL and MariaDB: one server of each for all tests of a program, a database for each test.

use crate::proxy::Wire;
use jfs_testkit::{MariadbServer, PostgresServer};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock};

/// Databases that wait to be removed; a test that ends waits beyond that.
const REMOVALS_MAX: usize = 64;

/// A server of this process. It ends with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlServer {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    Mariadb,
}

fn postgres() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(|| PostgresServer::start().unwrap())
}

fn mariadb() -> &'static MariadbServer {
    static SERVER: OnceLock<MariadbServer> = OnceLock::new();
    SERVER.get_or_init(|| MariadbServer::start().unwrap())
}

impl SqlServer {
    /// The port on 127.0.0.1.
    pub fn port(self) -> u16 {
        match self {
            SqlServer::Postgres => postgres().port(),
            SqlServer::Mariadb => mariadb().port(),
        }
    }

    /// Its protocol.
    pub fn wire(self) -> Wire {
        match self {
            SqlServer::Postgres => Wire::Postgres,
            SqlServer::Mariadb => Wire::Mysql,
        }
    }

    fn create(self, name: &str) {
        match self {
            SqlServer::Postgres => postgres().create_database(name).unwrap(),
            SqlServer::Mariadb => mariadb().create_database(name).unwrap(),
        }
    }

    /// Connections to the database are cut.
    fn remove(self, name: &str) {
        match self {
            SqlServer::Postgres => postgres().drop_database(name).unwrap(),
            SqlServer::Mariadb => mariadb().drop_database(name).unwrap(),
        }
    }
}

/// An empty database, removed some time after this value is dropped.
#[derive(Debug)]
pub struct SqlDatabase {
    server: SqlServer,
    name: String,
}

impl SqlDatabase {
    /// Makes a database. Takes 0.1 s.
    pub fn new(server: SqlServer) -> SqlDatabase {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        server.create(&name);
        SqlDatabase { server, name }
    }

    /// The server of the database.
    pub fn server(&self) -> SqlServer {
        self.server
    }

    /// The URL that opens the database.
    pub fn url(&self) -> String {
        self.url_at(self.server.port())
    }

    /// The URL that opens the database through a relay on this port of 127.0.0.1.
    pub fn url_at(&self, port: u16) -> String {
        match self.server {
            SqlServer::Postgres => postgres().url_at(port, &self.name),
            SqlServer::Mariadb => mariadb().url_at(port, &self.name),
        }
    }

    /// Runs statements as the server's administrator.
    pub fn execute(&self, sql: &str) {
        match self.server {
            SqlServer::Postgres => postgres().execute(&self.name, sql).unwrap(),
            SqlServer::Mariadb => mariadb().execute(&self.name, sql).unwrap(),
        }
    }

    /// Rows of a query, as text.
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        match self.server {
            SqlServer::Postgres => postgres().query(&self.name, sql).unwrap(),
            SqlServer::Mariadb => mariadb().query(&self.name, sql).unwrap(),
        }
    }

    /// These bytes as a literal.
    pub fn bytes(&self, bytes: &[u8]) -> String {
        let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        match self.server {
            SqlServer::Postgres => format!("'\\x{digits}'::bytea"),
            SqlServer::Mariadb => format!("x'{digits}'"),
        }
    }
}

impl Drop for SqlDatabase {
    /// A thread of its own removes the database, because the test need not wait for that.
    fn drop(&mut self) {
        type Removals = Mutex<SyncSender<(SqlServer, String)>>;
        static REMOVALS: OnceLock<Removals> = OnceLock::new();
        let removals = REMOVALS.get_or_init(|| {
            let (sender, removals) = sync_channel::<(SqlServer, String)>(REMOVALS_MAX);
            std::thread::spawn(move || {
                for (server, name) in removals {
                    server.remove(&name);
                }
            });
            Mutex::new(sender)
        });
        if let Ok(removals) = removals.lock() {
            let _ = removals.send((self.server, std::mem::take(&mut self.name)));
        }
    }
}
