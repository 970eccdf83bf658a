//! PostgreSQL and MariaDB in trouble, as a user meets it through the real programs: servers that are stopped,
//! killed, frozen, read-only or refuse a client. Each test has a server of its own.
//!
//! A command ends with one clear line. A mount loses nothing that was acknowledged, and serves again when the
//! server does.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "outages/away.rs"]
mod away;
#[path = "outages/read_only.rs"]
mod read_only;
#[path = "outages/refusals.rs"]
mod refusals;
#[path = "outages/server.rs"]
mod server;

/// Makes each of these functions a test on each kind of server.
macro_rules! on_sql_servers {
    ($($name:ident),* $(,)?) => {
        mod postgres {
            $( #[test] fn $name() { super::$name(jfs_tests::SqlServer::Postgres); } )*
        }
        mod mariadb {
            $( #[test] fn $name() { super::$name(jfs_tests::SqlServer::Mariadb); } )*
        }
    };
}
pub(crate) use on_sql_servers;
