//! A connection: made, set up, and driven by the task that uses it.

use super::sqlstate;
use super::tls::Wrapped;
use super::url::Address;
use crate::dialect::{Form, Lock};
use crate::statement::{Catalog, Statement};
use futures_util::task::noop_waker;
use jfs_meta::EngineError;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Socket};

/// Longest time for one exchange; a connection whose server is silent for longer is given up.
pub(super) const EXCHANGE: Duration = Duration::from_secs(30);

/// Longest time for an exchange that changes the schema or empties tables: an index over many millions of rows takes minutes.
pub(super) const SCHEMA_EXCHANGE: Duration = Duration::from_secs(3600);

/// Settings of a session, where the server knows them. Times are in milliseconds unless a unit is named.
///
/// - A client that died keeps no lock for long: its idle transaction ends, and the server asks whether it still lives.
/// - The server gives up before the client does ([`EXCHANGE`]), so that the client learns the outcome.
/// - Every statement but a few scans reads by index. A plan that was made while a table was small must not scan it later.
const SETTINGS: [(&str, &str); 10] = [
    ("lock_timeout", "8000"),
    ("statement_timeout", "20000"),
    ("idle_in_transaction_session_timeout", "30000"),
    ("tcp_keepalives_idle", "20s"),
    ("tcp_keepalives_interval", "5s"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "35s"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// Sets those of [`SETTINGS`] that the server knows.
const SET_KNOWN: &str = "SELECT set_config(name, value, false) FROM unnest($1, $2) AS ours(name, value) \
    WHERE current_setting(name, true) IS NOT NULL";
/// Sets one that must be known.
const SET: &str = "SELECT set_config($1, $2, false)";

/// Statements of the most frequent operations: prepared when a connection is made, so that none of them costs a round trip of its own
/// later.
const FREQUENT: [(Statement, Form); 21] = [
    (Statement::Node, Form::Plain(Lock::None)),
    (Statement::Node, Form::Plain(Lock::Share)),
    (Statement::Node, Form::Plain(Lock::Update)),
    (Statement::Edge, Form::Plain(Lock::None)),
    (Statement::Edge, Form::Plain(Lock::Update)),
    (Statement::EdgeNode, Form::Plain(Lock::None)),
    (Statement::EdgeAny, Form::Plain(Lock::None)),
    (Statement::EdgeListNodes, Form::Plain(Lock::None)),
    (Statement::Chunk, Form::Plain(Lock::None)),
    (Statement::SettingIs, Form::Plain(Lock::None)),
    (Statement::NodeInsert, Form::Plain(Lock::None)),
    (Statement::NodeUpdate, Form::Plain(Lock::None)),
    (Statement::NodeTouch, Form::Plain(Lock::None)),
    (Statement::NodeDelete, Form::Plain(Lock::None)),
    (Statement::EdgeInsert, Form::Plain(Lock::None)),
    (Statement::EdgeDelete, Form::Plain(Lock::None)),
    (Statement::ChunkAppend, Form::Plain(Lock::None)),
    (Statement::RefsInsert, Form::Plain(Lock::None)),
    (Statement::StatsAdd, Form::Plain(Lock::None)),
    (Statement::StatsPut, Form::Plain(Lock::None)),
    (Statement::CounterAdd, Form::Plain(Lock::None)),
];

type Wire = tokio_postgres::Connection<Socket, Wrapped<Socket>>;

/// A request of which the answer is awaited.
pub(super) type Waiting<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A connection with what was prepared on it.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) wire: Wire,
    /// The server's process for it.
    pub(super) backend: i32,
    statements: Vec<Option<tokio_postgres::Statement>>,
}

impl Connection {
    /// Connects and sets the session up: one round trip more than the login takes.
    pub(super) async fn make(
        address: &Address,
        catalog: &Catalog,
    ) -> Result<Connection, EngineError> {
        let making = async {
            let connected = address.config.connect(address.tls.clone()).await;
            let (client, mut wire) =
                connected.map_err(|e| sqlstate::no_connection(&e, &address.shown))?;
            let backend = set_up(&client, &mut wire, address).await?;
            let statements = prepare_frequent(&client, &mut wire, catalog).await;
            Ok(Connection {
                client,
                wire,
                backend,
                statements,
            })
        };
        match tokio::time::timeout(address.connect, making).await {
            Ok(made) => made,
            Err(_) => Err(EngineError::Transient(format!(
                "PostgreSQL at {} gave no connection within {:?}",
                address.shown, address.connect
            ))),
        }
    }

    /// A statement that was prepared on this connection.
    pub(super) fn prepared(
        &self,
        statement: Statement,
        form: Form,
    ) -> Option<&tokio_postgres::Statement> {
        self.statements.get(place(statement, form))?.as_ref()
    }

    /// Keeps a prepared statement.
    pub(super) fn keep(
        &mut self,
        statement: Statement,
        form: Form,
        prepared: tokio_postgres::Statement,
    ) {
        if let Some(slot) = self.statements.get_mut(place(statement, form)) {
            *slot = Some(prepared);
        }
    }

    /// Whether the server has not closed the connection, as far as it is known without asking.
    pub(super) fn is_alive(&mut self) -> bool {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        loop {
            match self.wire.poll_message(&mut cx) {
                Poll::Pending => return true,
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return false,
            }
        }
    }
}

fn place(statement: Statement, form: Form) -> usize {
    let form = match form {
        Form::Plain(lock) => lock as usize,
        Form::Count => 3,
    };
    statement as usize * 4 + form
}

/// Waits for the answers to requests, which are sent together and answered in their order. After the answer that says that the
/// connection ended, none follows.
pub(super) async fn drive<T>(
    wire: &mut Wire,
    mut waiting: Vec<Waiting<'_, T>>,
) -> Vec<Result<T, Error>> {
    let mut answers: Vec<Option<Result<T, Error>>> = Vec::with_capacity(waiting.len());
    let mut next = 0;
    poll_fn(|cx| {
        if answers.is_empty() {
            // The first poll queues each request, in order; the connection then sends all at once.
            answers.extend(
                waiting
                    .iter_mut()
                    .map(|request| ready(request.as_mut().poll(cx))),
            );
        }
        loop {
            let ended = match wire.poll_message(cx) {
                Poll::Ready(Some(Ok(_))) => continue,
                Poll::Ready(Some(Err(e))) => Some(Some(e)),
                Poll::Ready(None) => Some(None),
                Poll::Pending => None,
            };
            let before = next;
            while let (Some(request), Some(answer)) = (waiting.get_mut(next), answers.get_mut(next))
            {
                if answer.is_none() {
                    *answer = ready(request.as_mut().poll(cx));
                }
                if answer.is_none() {
                    break;
                }
                next += 1;
            }
            if next == waiting.len() {
                return Poll::Ready(());
            }
            match ended {
                Some(e) => {
                    if let (Some(answer), Some(e)) = (answers.get_mut(next), e) {
                        *answer = Some(Err(e));
                    }
                    return Poll::Ready(());
                }
                None if next == before => return Poll::Pending,
                None => {}
            }
        }
    })
    .await;
    answers.into_iter().map_while(|answer| answer).collect()
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// What the requests of a session's beginning are answered with.
enum Begun {
    Set,
    Backend(i32),
}

async fn set_up(client: &Client, wire: &mut Wire, address: &Address) -> Result<i32, EngineError> {
    let (names, values): (Vec<&str>, Vec<&str>) = SETTINGS.into_iter().unzip();
    let mut requests: Vec<Waiting<'_, Begun>> = Vec::new();
    requests.push(Box::pin(async move {
        let params: [(&(dyn ToSql + Sync), Type); 2] =
            [(&names, Type::TEXT_ARRAY), (&values, Type::TEXT_ARRAY)];
        client.query_typed(SET_KNOWN, &params).await?;
        Ok(Begun::Set)
    }));
    for (name, value) in &address.settings {
        requests.push(Box::pin(async move {
            let params: [(&(dyn ToSql + Sync), Type); 2] =
                [(name, Type::TEXT), (value, Type::TEXT)];
            client.query_typed(SET, &params).await?;
            Ok(Begun::Set)
        }));
    }
    requests.push(Box::pin(async move {
        let rows = client.query_typed("SELECT pg_backend_pid()", &[]).await?;
        let backend = rows.first().map(|row| row.try_get(0)).transpose()?;
        Ok(Begun::Backend(backend.unwrap_or(0)))
    }));
    let count = requests.len();
    let answers = drive(wire, requests).await;
    let (mut backend, seen) = (0, answers.len());
    for answer in answers {
        match answer.map_err(|e| sqlstate::no_connection(&e, &address.shown))? {
            Begun::Set => {}
            Begun::Backend(found) => backend = found,
        }
    }
    match seen == count {
        true => Ok(backend),
        false => Err(EngineError::Transient(format!(
            "PostgreSQL at {} closed a new connection",
            address.shown
        ))),
    }
}

/// Prepares [`FREQUENT`]. A table that is missing is told by the statement that needs it.
async fn prepare_frequent(
    client: &Client,
    wire: &mut Wire,
    catalog: &Catalog,
) -> Vec<Option<tokio_postgres::Statement>> {
    let requests: Vec<Waiting<'_, tokio_postgres::Statement>> = FREQUENT
        .iter()
        .map(|(statement, form)| {
            let sql = &catalog.form(*statement, *form).run;
            let request: Waiting<'_, _> = Box::pin(client.prepare(sql));
            request
        })
        .collect();
    let mut statements = vec![None; Statement::ALL.len() * 4];
    for ((statement, form), answer) in FREQUENT.into_iter().zip(drive(wire, requests).await) {
        if let (Ok(prepared), Some(slot)) = (answer, statements.get_mut(place(statement, form))) {
            *slot = Some(prepared);
        }
    }
    statements
}
