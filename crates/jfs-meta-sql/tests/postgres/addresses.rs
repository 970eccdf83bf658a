//! Addresses and logins: what is accepted, and the one line that says what is wrong otherwise.

use crate::server::*;
use jfs_meta::EngineError;
use jfs_meta_sql::open_postgres;
use jfs_testkit::{
    Certificates, DATABASE_USER, PASSWORD_USER, PostgresOptions, PostgresServer, USER_PASSWORD,
};

/// The user's password as an address has it.
fn password() -> String {
    USER_PASSWORD.bytes().map(|b| format!("%{b:02x}")).collect()
}

fn says(error: &EngineError, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} in {text}");
    }
}

#[tokio::test]
async fn a_wrong_login_or_database_is_told() {
    let (db, port) = (database(), server().port());
    let wrong = format!("postgres://{PASSWORD_USER}:hush@127.0.0.1:{port}/{db}?sslmode=disable");
    let error = refused(&wrong).await;
    says(&error, &["META_PASSWORD", "28P01"]);
    assert!(matches!(error, EngineError::Fatal(_)));
    assert!(!error.to_string().contains("hush"));
    let none = format!("postgres://{PASSWORD_USER}@127.0.0.1:{port}/{db}?sslmode=disable");
    says(
        &refused(&none).await,
        &["wants a password", "META_PASSWORD_FILE"],
    );
    let password = password();
    let right =
        format!("postgres://{PASSWORD_USER}:{password}@127.0.0.1:{port}/{db}?sslmode=disable");
    let engine = open_postgres(&right).await.unwrap();
    assert_eq!(engine.load_setting().await.unwrap(), None);
    let missing = server().url("nowhere");
    says(
        &refused(&missing).await,
        &["create the database", "nowhere"],
    );
    let nobody = format!("postgres://nobody@127.0.0.1:{port}/{db}?sslmode=disable");
    assert!(matches!(refused(&nobody).await, EngineError::Fatal(_)));
    let silent = "postgres://u@127.0.0.1:1/db?sslmode=disable";
    let error = refused(silent).await;
    says(&error, &["127.0.0.1:1/db", "cannot be reached"]);
    assert!(matches!(error, EngineError::Transient(_)));
}

#[tokio::test]
async fn settings_of_a_session_come_from_the_address() {
    let db = database();
    let unknown = format!("{}&no_such_thing=1", server().url(&db));
    says(&refused(&unknown).await, &["no_such_thing"]);
    // A known one has an effect: the schema is used for the tables.
    let user = DATABASE_USER;
    server()
        .execute(&db, &format!("CREATE SCHEMA one AUTHORIZATION {user}"))
        .unwrap();
    let engine = open(&db, "&search_path=one").await;
    create(&*engine).await;
    let found = server()
        .query(&db, "SELECT count(*) FROM one.jfs_node")
        .unwrap();
    assert_eq!(found, [["2"]]);
    let elsewhere = open(&db, "").await;
    assert_eq!(elsewhere.load_setting().await.unwrap(), None);
}

#[tokio::test]
async fn sockets_of_this_machine() {
    let (db, dir, port) = (database(), server().socket_dir().display(), server().port());
    let url =
        format!("postgres:///{db}?host={dir}&port={port}&user={DATABASE_USER}&sslmode=require");
    let engine = open_postgres(&url).await.unwrap();
    create(&*engine).await;
    assert!(engine.load_setting().await.unwrap().is_some());
}

#[tokio::test]
async fn a_missing_right_is_told() {
    let (db, engine) = volume("").await;
    server()
        .execute(&db, "ALTER TABLE jfs_setting OWNER TO CURRENT_USER")
        .unwrap();
    let error = engine.load_setting().await.unwrap_err();
    says(&error, &["lacks a permission", "42501"]);
}

/// In each mode, with the right authority and with another one.
#[tokio::test]
async fn certificates() {
    let (right, wrong) = (Certificates::new().unwrap(), Certificates::new().unwrap());
    let tls = PostgresServer::start_with(PostgresOptions {
        tls: Some(right.server()),
        ..PostgresOptions::default()
    })
    .unwrap();
    tls.create_database("db").unwrap();
    let port = tls.port();
    let at = |host: &str, mode: &str, root: Option<&Certificates>| {
        let root = root.map(|c| format!("&sslrootcert={}", c.authority().display()));
        let root = root.unwrap_or_default();
        format!("postgres://{DATABASE_USER}@{host}:{port}/db?sslmode={mode}{root}")
    };
    let encrypted = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'jfs'";
    for (mode, host, root) in [
        ("require", "127.0.0.1", None),
        ("prefer", "127.0.0.1", None),
        ("verify-ca", "127.0.0.1", Some(&right)),
        ("verify-full", "localhost", Some(&right)),
    ] {
        let engine = open_postgres(&at(host, mode, root)).await.unwrap();
        assert_eq!(engine.load_setting().await.unwrap(), None);
        assert_eq!(tls.query("postgres", encrypted).unwrap(), [["t"]], "{mode}");
        engine.shutdown().await.unwrap();
        drop(engine);
        while !tls.query("postgres", encrypted).unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let error = refused(&at("127.0.0.1", mode, Some(&wrong))).await;
        says(&error, &["no TLS connection", "sslrootcert"]);
        assert!(matches!(error, EngineError::Fatal(_)), "{error:?}");
    }
    // A name that the certificate does not have: looked at in one mode only.
    let other = |mode: &str| at("127.0.0.2", mode, Some(&right));
    open_postgres(&other("verify-ca"))
        .await
        .map(drop)
        .unwrap_or_else(|e| {
            // The server listens on one address; then there is nothing to see.
            assert!(e.to_string().contains("cannot be reached"), "{e}");
        });
    let plain = format!(
        "postgres://{DATABASE_USER}@127.0.0.1:{}/db?sslmode=require",
        server().port()
    );
    says(&refused(&plain).await, &["no TLS", "sslmode=disable"]);
}
