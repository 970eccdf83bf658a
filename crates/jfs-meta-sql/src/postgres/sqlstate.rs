//! Errors of the server and of the driver, by SQLSTATE: the one place that looks at codes and texts.

use crate::net::link::FailureKind as Kind;
use jfs_meta::EngineError;
use std::error::Error as _;
use std::io;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity};

/// The meaning of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// `Lost` never: the caller knows whether a COMMIT was on its way.
    pub(super) kind: Kind,
    /// One line, without secrets.
    pub(super) text: String,
    /// The connection is of no use any more.
    pub(super) ends_connection: bool,
    /// The connection has ended, and what was on its way with it.
    pub(super) is_cut: bool,
}

/// Understands an error of a statement.
pub(super) fn meaning(e: &Error) -> Meaning {
    match e.as_db_error() {
        Some(db) => of_server(db),
        None => Meaning {
            kind: Kind::Transient,
            text: format!("PostgreSQL: {}", words(e)),
            ends_connection: true,
            is_cut: true,
        },
    }
}

fn of_server(db: &DbError) -> Meaning {
    let code = db.code().code();
    let said = format!("{} (SQLSTATE {code})", db.message());
    let (kind, text) = match code {
        "40001" | "40P01" | "55P03" | "23505" => (Kind::Conflict, said),
        // Two clients make the same table, index or column.
        "42P07" | "42701" | "42710" => (Kind::Conflict, said),
        "22012" => (Kind::Check, said),
        "22003" | "22001" | "22021" | "22P02" | "22P05" | "54000" => (Kind::Value, said),
        "42P01" | "42703" | "3F000" => (Kind::Missing, said),
        "25006" => (
            Kind::Transient,
            "PostgreSQL takes no writes: the server or the database is read-only (a standby, or default_transaction_read_only)".into(),
        ),
        "28P01" => (
            Kind::Fatal,
            format!("PostgreSQL refuses user or password: check the URL, META_PASSWORD or META_PASSWORD_FILE: {said}"),
        ),
        "28000" => (
            Kind::Fatal,
            format!("PostgreSQL refuses the connection, see user and sslmode in the URL and pg_hba.conf of the server: {said}"),
        ),
        "3D000" => (
            Kind::Fatal,
            format!("create the database on the PostgreSQL server, or correct its name in the URL: {said}"),
        ),
        "42501" => (
            Kind::Fatal,
            format!("the PostgreSQL user lacks a permission, grant it: {said}"),
        ),
        "26000" | "42P05" => (
            Kind::Fatal,
            format!("a pooler before PostgreSQL must work in session mode: {said}"),
        ),
        "53100" => (Kind::Fatal, format!("the disk of PostgreSQL is full: {said}")),
        // A plan from before the schema was changed.
        "0A000" if db.message().contains("cached plan") => (Kind::Transient, said),
        "53300" | "53200" | "57014" | "25P02" | "25P03" | "57P01" | "57P02" | "57P03" | "57P05" => {
            (Kind::Transient, format!("PostgreSQL: {said}"))
        }
        _ if code.starts_with("08") => (Kind::Transient, format!("PostgreSQL: {said}")),
        _ => (Kind::Fatal, format!("PostgreSQL: {said}")),
    };
    let fatal = matches!(
        db.parsed_severity(),
        Some(Severity::Fatal | Severity::Panic)
    );
    Meaning {
        kind,
        text,
        // A connection to a server that takes no writes, or with plans of another schema, is made anew.
        ends_connection: fatal || matches!(code, "25006" | "0A000" | "26000" | "42P05"),
        is_cut: fatal,
    }
}

/// The failure to connect to the server at `shown`.
pub(super) fn no_connection(e: &Error, shown: &str) -> EngineError {
    if let Some(db) = e.as_db_error() {
        let Meaning { kind, text, .. } = of_server(db);
        return match kind {
            Kind::Transient => EngineError::Transient(format!("{text} (at {shown})")),
            _ => EngineError::Fatal(format!("{text} (at {shown})")),
        };
    }
    // The next attempt finds a descriptor for its connection then.
    jfs_types::descriptors::free(e);
    let words = words(e);
    let fatal = |why: &str| EngineError::Fatal(format!("PostgreSQL at {shown}: {why}: {words}"));
    if words.contains("password missing") {
        return EngineError::Fatal(format!(
            "PostgreSQL at {shown} wants a password: put it into the URL, META_PASSWORD or META_PASSWORD_FILE"
        ));
    }
    if words.contains("does not support TLS") {
        return fatal("its side has no TLS, use sslmode=disable if the network is safe");
    }
    let (mut of_tls, mut cause) = (false, e.source());
    while let Some(e) = cause {
        let inner = e.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        of_tls |= inner.is_some_and(|inner| inner.is::<rustls::Error>());
        cause = e.source();
    }
    if of_tls {
        return fatal("no TLS connection, see sslmode, sslrootcert, sslcert and sslkey in the URL");
    }
    if words.starts_with("invalid configuration") || words.contains("authentication error") {
        return fatal("it cannot be used");
    }
    EngineError::Transient(format!("PostgreSQL at {shown} cannot be reached: {words}"))
}

/// An error with its causes, one line.
fn words(e: &Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        let next = e.to_string();
        if !text.contains(&next) {
            text += ": ";
            text += &next;
        }
        cause = e.source();
    }
    text.replace('\n', " ")
}
