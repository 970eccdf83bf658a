//! A connection: made, set up, and closed without waiting.

use super::codes;
use super::marks::{Mark, Spare};
use super::row::TextRow;
use super::tls::Tls;
use super::url::{Address, Place};
use crate::net::link::Reply;
use futures_util::FutureExt;
use jfs_meta::EngineError;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, Opts, OptsBuilder};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Silence after which the client asks whether the server is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A connection is given up this long before the server does so.
const IDLE_MARGIN: Duration = Duration::from_secs(5);
/// Room in a packet for what the protocol adds, bytes.
const PACKET_MARGIN: usize = 64;

/// Variables that the address may change.
///
/// - A statement gives up a lock before the client gives up the statement, so that the client learns the outcome.
/// - A client that died keeps no lock for long: MariaDB ends a transaction that idles. MySQL has no such limit.
const TUNED: &str = "SET SESSION innodb_lock_wait_timeout = 8, lock_wait_timeout = 8 /*M!100306 , idle_transaction_timeout = 60 */";

/// Variables that the statements need.
const NEEDED: &str = "SET NAMES utf8mb4; SET SESSION autocommit = 1, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'; \
    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
    SELECT @@max_allowed_packet, @@wait_timeout, CAST(UUID_SHORT() AS SIGNED)";

/// A connection with its commit mark.
pub(super) struct Connection {
    /// `None` only while it is dropped.
    conn: Option<Conn>,
    /// `None` when a commit is in doubt, which the mark is then left to.
    pub(super) mark: Option<Mark>,
    /// Largest text, bytes.
    pub(super) packet_max: usize,
    used: Instant,
    idle_max: Duration,
    spare: Arc<Spare>,
}

impl Drop for Connection {
    /// Says goodbye as far as that does not wait. The driver's own way waits for what the server still sends.
    fn drop(&mut self) {
        if let Some(mark) = self.mark.take() {
            self.spare.keep(mark);
        }
        if let Some(conn) = self.conn.take() {
            let _ = conn.disconnect().now_or_never();
        }
    }
}

impl Connection {
    /// Connects and sets the session up: one round trip more than the login takes.
    pub(super) async fn make(
        address: &Address,
        spare: &Arc<Spare>,
    ) -> Result<Connection, EngineError> {
        match tokio::time::timeout(address.connect, connect(address, spare)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(e)) => Err(codes::no_connection(&e, &address.shown)),
            Err(_) => Err(EngineError::Transient(format!(
                "MySQL at {} gave no connection within {:?}",
                address.shown, address.connect
            ))),
        }
    }

    /// Sends a text of statements and reads the result of each. An error comes with the number of the statement that failed; those behind
    /// it were not run.
    pub(super) async fn results(&mut self, text: &str) -> Result<Vec<Reply>, (usize, Error)> {
        let Some(conn) = self.conn.as_mut() else {
            return Err((0, DriverError::ConnectionClosed.into()));
        };
        let replies = results(conn, text).await;
        self.used = Instant::now();
        replies
    }

    /// Whether the server has not closed the connection for its idleness.
    pub(super) fn is_alive(&mut self) -> bool {
        self.used.elapsed() < self.idle_max
    }
}

async fn results(conn: &mut Conn, text: &str) -> Result<Vec<Reply>, (usize, Error)> {
    let mut replies: Vec<Reply> = Vec::new();
    let mut result = conn.query_iter(text).await.map_err(|e| (0, e))?;
    // No columns: all results were read, or the next one is an error, which the next row tells.
    while let Some(columns) = result.columns() {
        let mut reply = Reply::default();
        if columns.is_empty() {
            reply.affected = result.affected_rows();
        }
        while let Some(row) = result.next().await.map_err(|e| (replies.len(), e))? {
            reply.rows.push(Box::new(TextRow(row)));
        }
        replies.push(reply);
    }
    match result.next().await {
        Ok(_) => Ok(replies),
        Err(e) => Err((replies.len(), e)),
    }
}

fn options(address: &Address, tls: bool) -> Opts {
    let options = OptsBuilder::default()
        .user(Some(&address.user))
        .pass(Some(&address.password))
        .db_name(Some(&address.database))
        .client_found_rows(true)
        .stmt_cache_size(0)
        .prefer_socket(false)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(KEEPALIVE))
        .enable_cleartext_plugin(address.cleartext && tls_or_socket(address, tls))
        // Both are asked for together with the rest.
        .max_allowed_packet(Some(1 << 30))
        .wait_timeout(Some(0));
    let options = match &address.place {
        Place::Tcp(host, port) => options.ip_or_hostname(host).tcp_port(*port),
        Place::Unix(path) => options.socket(Some(path)),
    };
    let options = match &address.tls {
        Tls::On { options: ssl, .. } if tls => options.ssl_opts(ssl.clone()),
        _ => options,
    };
    options.into()
}

fn tls_or_socket(address: &Address, tls: bool) -> bool {
    tls || matches!(address.place, Place::Unix(_))
}

async fn connect(address: &Address, spare: &Arc<Spare>) -> Result<Connection, Error> {
    let (wanted, needed) = match &address.tls {
        Tls::Off => (false, false),
        Tls::On { needed, .. } => (true, *needed),
    };
    let conn = match Conn::new(options(address, wanted)).await {
        Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) if !needed => {
            Conn::new(options(address, false)).await?
        }
        made => made?,
    };
    let mut connection = Connection {
        conn: Some(conn),
        mark: None,
        packet_max: address.packet_max,
        used: Instant::now(),
        idle_max: Duration::MAX,
        spare: spare.clone(),
    };
    let mut text = TUNED.to_string();
    for (name, value) in &address.variables {
        text += &format!("; SET SESSION {name} = {value}");
    }
    text = format!("{text}; {NEEDED}");
    let replies = connection.results(&text).await.map_err(|(_, e)| e)?;
    let mut numbers = [0i64; 3];
    if let Some(row) = replies.last().and_then(|reply| reply.rows.first()) {
        for (column, number) in numbers.iter_mut().enumerate() {
            *number = row.number(column).ok().flatten().unwrap_or(0);
        }
    }
    let [packet, idle, id] = numbers;
    let packet = usize::try_from(packet).unwrap_or(0).min(address.packet_max);
    connection.packet_max = packet.saturating_sub(PACKET_MARGIN);
    let idle = Duration::from_secs(idle.unsigned_abs());
    connection.idle_max = idle.saturating_sub(IDLE_MARGIN).max(idle / 2);
    let new = || Mark::new(&address.prefix, id);
    connection.mark = Some(spare.take().unwrap_or_else(new));
    Ok(connection)
}
