//! Exchanges, marks and connections on a private MariaDB.

use super::driver::MyDriver;
use super::exchange::MyLink;
use super::url;
use crate::dialect::{Form, Lock};
use crate::net::link::{CommitId, Driver, Failure, FailureKind, Link, LinkState, Reply, Run, Step};
use crate::net::pool::Use;
use crate::records::schema::Schema;
use crate::statement::Statement;
use crate::value::Value;
use jfs_meta::EngineError;
use jfs_testkit::{Certificates, MariadbOptions, MariadbServer, PASSWORD_USER, USER_PASSWORD};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The server of this program, ended with it.
fn server() -> &'static MariadbServer {
    static SERVER: OnceLock<MariadbServer> = OnceLock::new();
    SERVER.get_or_init(|| MariadbServer::start().unwrap())
}

/// An empty database with this default character set; its name.
fn database(charset: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("unit_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let create = format!("CREATE DATABASE {name} CHARACTER SET {charset}");
    server().execute("mysql", &create).unwrap();
    name
}

fn open(url: &str) -> Result<MyDriver, EngineError> {
    Ok(MyDriver::new(url::parse(url, |_| None)?))
}

/// A driver for a database with the tables of a volume.
async fn volume(charset: &str) -> (MyDriver, String) {
    let name = database(charset);
    let driver = open(&server().url(&name)).unwrap();
    make_tables(&driver).await;
    (driver, name)
}

async fn make_tables(driver: &MyDriver) {
    let catalog = driver.catalog();
    let schema = Schema::new(catalog.dialect(), catalog.prefix());
    let tables = schema.objects().into_iter();
    let steps: Vec<Step> = tables.map(|object| Step::Text(object.sql)).collect();
    link(driver).await.exchange(&steps).await.unwrap();
}

async fn link(driver: &MyDriver) -> MyLink {
    driver.link(Use::Call).await.unwrap()
}

fn run(statement: Statement, params: Vec<Value>) -> Step {
    Step::Run(Run {
        statement,
        form: Form::Plain(Lock::None),
        params,
    })
}

/// Adds to a counter, and commits.
fn counted(name: &str, n: i64) -> [Step; 3] {
    let add = run(
        Statement::CounterAdd,
        vec![Value::text(name.as_bytes()), n.into()],
    );
    [Step::Begin, add, Step::Commit]
}

fn number(reply: &Reply) -> Option<i64> {
    reply.rows.first().and_then(|row| row.number(0).unwrap())
}

fn failed(result: Result<Vec<Reply>, Failure>) -> (FailureKind, Option<usize>) {
    let failure = result.err().unwrap();
    (failure.kind, failure.step)
}

async fn counter(link: &mut MyLink, name: &str) -> Option<i64> {
    let read = run(Statement::Counter, vec![Value::text(name.as_bytes())]);
    number(&link.exchange(&[read]).await.unwrap()[0])
}

/// Every statement in every form is one that the server understands, on both character sets, with each kind of value that fits.
#[tokio::test]
async fn every_statement_is_understood() {
    for charset in ["utf8mb4", "latin1"] {
        let (driver, _) = volume(charset).await;
        let mut link = link(&driver).await;
        let candidates: [Value; 3] = [5.into(), Value::bytes(&[7; 24]), Value::text(b"name")];
        for statement in Statement::ALL {
            for form in [
                Form::Plain(Lock::None),
                Form::Plain(Lock::Share),
                Form::Plain(Lock::Update),
            ] {
                let sql = &driver.catalog().form(*statement, form).run;
                let count = (1..40)
                    .take_while(|n| sql.contains(&format!("${n}")))
                    .count();
                // The kinds of values that fit are not written down; some combination of them does.
                let mut last = None;
                for kinds in 0..3usize.pow(count.min(4) as u32) {
                    let params = (0..count)
                        .map(|n| candidates[kinds / 3usize.pow(n.min(3) as u32) % 3].clone());
                    let step = Step::Run(Run {
                        statement: *statement,
                        form,
                        params: params.collect(),
                    });
                    let result = link.exchange(&[Step::Begin, step, Step::Rollback]).await;
                    last = result.err();
                    let understood = match &last {
                        None => true,
                        Some(failure) => {
                            matches!(failure.kind, FailureKind::Check | FailureKind::Conflict)
                        }
                    };
                    if understood {
                        last = None;
                        break;
                    }
                }
                assert!(last.is_none(), "{statement:?} {form:?}: {last:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_statement_that_fails_undoes_its_transaction() {
    let (driver, _) = volume("utf8mb4").await;
    let mut link = link(&driver).await;
    let insert = |id: i64| run(Statement::RefsInsert, vec![id.into(), 4096.into()]);
    let touch = run(Statement::NodeNlink, vec![1.into(), 99.into()]);
    let mut steps = vec![Step::Begin, insert(1), touch, insert(2), Step::Commit];
    let missing = link.exchange(&steps).await;
    assert_eq!(failed(missing), (FailureKind::Check, Some(2)));
    assert_eq!(link.state(), LinkState::Idle);
    steps[2] = insert(1);
    let twice = link.exchange(&steps).await;
    assert_eq!(failed(twice), (FailureKind::Conflict, Some(2)));
    // In a transaction that was begun before.
    link.exchange(&[Step::Begin, insert(3)]).await.unwrap();
    assert_eq!(link.state(), LinkState::Open);
    let late = link.exchange(&[insert(4), insert(3), Step::Commit]).await;
    assert_eq!(failed(late), (FailureKind::Conflict, Some(1)));
    assert_eq!(link.state(), LinkState::Idle);
    for id in 1..=4i64 {
        let refs = link
            .exchange(&[run(Statement::Refs, vec![id.into()])])
            .await;
        assert!(refs.unwrap()[0].rows.is_empty(), "{id}");
    }
}

#[tokio::test]
async fn failures_have_their_kinds() {
    let (driver, name) = volume("latin1").await;
    let mut link = link(&driver).await;
    let wide = vec![1.into(), i64::from(u32::MAX).into()];
    let wide = link.exchange(&[run(Statement::RefsInsert, wide)]).await;
    assert_eq!(failed(wide), (FailureKind::Value, Some(0)));
    // A document that the database's character set lacks, and a name that is no text.
    let document = run(Statement::SettingInsert, vec![Value::text("中".as_bytes())]);
    let name_of_bytes = vec![1.into(), Value::text(b"\xff"), Value::bytes(b"v")];
    for step in [document, run(Statement::XattrPut, name_of_bytes)] {
        let put = link.exchange(&[step]).await;
        assert_eq!(failed(put), (FailureKind::Value, Some(0)));
    }
    // 2,730 records, and one more: the column holds 65,535 bytes.
    for (bytes, full) in [(65_520, false), (24, true)] {
        let records = Value::bytes(&vec![1; bytes]);
        let append = vec![1.into(), 1.into(), records];
        let appended = link.exchange(&[run(Statement::ChunkAppend, append)]).await;
        match full {
            true => assert_eq!(failed(appended), (FailureKind::Transient, Some(0))),
            false => assert_eq!(number(&appended.unwrap()[0]), Some(65_520)),
        }
    }
    let torn = vec![1.into(), 0.into(), Value::bytes(b"torn")];
    let torn = link.exchange(&[run(Statement::ChunkAppend, torn)]).await;
    assert_eq!(failed(torn), (FailureKind::Check, Some(0)));
    server().execute(&name, "DROP TABLE jfs_chunk_ref").unwrap();
    let gone = link.exchange(&[run(Statement::Refs, vec![1.into()])]).await;
    assert_eq!(failed(gone), (FailureKind::Missing, Some(0)));
    assert_eq!(link.state(), LinkState::Idle);
}

/// A lock that another transaction has: the wait ends before the client gives up, and nothing stays locked.
#[tokio::test]
async fn a_lock_that_is_not_free_in_time_is_a_conflict() {
    let name = database("utf8mb4");
    let url = format!("{}?innodb_lock_wait_timeout=1", server().url(&name));
    let driver = open(&url).unwrap();
    make_tables(&driver).await;
    let (mut a, mut b) = (link(&driver).await, link(&driver).await);
    a.exchange(&counted("x", 1)).await.unwrap();
    let lock = Step::Run(Run {
        statement: Statement::Counter,
        form: Form::Plain(Lock::Update),
        params: vec![Value::text(b"x")],
    });
    a.exchange(&[Step::Begin, lock.clone()]).await.unwrap();
    let waited = b.exchange(&[Step::Begin, lock.clone()]).await;
    assert_eq!(failed(waited), (FailureKind::Conflict, Some(1)));
    assert_eq!(b.state(), LinkState::Idle);
    // Closed, a connection lets its locks go.
    drop(a);
    let begun = Instant::now();
    loop {
        match b
            .exchange(&[Step::Begin, lock.clone(), Step::Rollback])
            .await
        {
            Ok(_) => break,
            Err(e) => assert!(begun.elapsed() < Duration::from_secs(10), "{e:?}"),
        }
    }
}

#[tokio::test]
async fn names_and_lists_come_back_as_they_were() {
    let (driver, _) = volume("latin1").await;
    let mut link = link(&driver).await;
    let name: Vec<u8> = (1..=255).collect();
    let target: Vec<u8> = (0..4096).map(|n| n as u8).collect();
    let insert = [
        run(
            Statement::EdgeInsert,
            vec![1.into(), Value::bytes(&name), 7.into(), 1.into()],
        ),
        run(
            Statement::SymlinkInsert,
            vec![7.into(), Value::bytes(&target)],
        ),
        run(
            Statement::XattrPut,
            vec![
                7.into(),
                Value::text("user.ü".as_bytes()),
                Value::bytes(&target),
            ],
        ),
        run(
            Statement::EdgeList,
            vec![1.into(), Value::bytes(b""), 9.into()],
        ),
        run(Statement::Symlink, vec![7.into()]),
        run(Statement::XattrNames, vec![7.into()]),
    ];
    let replies = link.exchange(&insert).await.unwrap();
    assert_eq!(replies[3].rows[0].data(3).unwrap(), Some(&name[..]));
    assert_eq!(replies[3].rows[0].number(0).unwrap(), Some(7));
    assert_eq!(replies[3].rows[0].data(2).unwrap(), None);
    assert_eq!(replies[4].rows[0].data(0).unwrap(), Some(&target[..]));
    assert_eq!(
        replies[5].rows[0].data(0).unwrap(),
        Some("user.ü".as_bytes())
    );
    assert!(replies[4].rows[0].number(0).is_err());
    assert!(replies[3].rows[0].data(0).is_err());
}

/// What the server takes in one packet bounds a statement, not a transaction.
#[tokio::test]
async fn a_large_transaction_is_sent_in_parts() {
    let name = database("utf8mb4");
    let url = format!("{}?maxAllowedPacket=65536", server().url(&name));
    let driver = open(&url).unwrap();
    make_tables(&driver).await;
    let mut link = link(&driver).await;
    let append = |index: i64, bytes: usize| {
        let list = Value::bytes(&vec![1; bytes]);
        run(Statement::ChunkAppend, vec![1.into(), index.into(), list])
    };
    let mut steps = vec![Step::Begin];
    steps.extend((0..9).map(|index| append(index, 12_000)));
    steps.push(Step::Commit);
    let replies = link.exchange(&steps).await.unwrap();
    assert!((1..=9).all(|step| number(&replies[step]) == Some(12_000)));
    let all = run(Statement::ChunkIndexes, vec![1.into()]);
    assert_eq!(link.exchange(&[all]).await.unwrap()[0].rows.len(), 9);
    // A part that fails undoes those before it.
    steps.truncate(9);
    steps.extend([append(9, 12_000), append(10, 12_001), Step::Commit]);
    let torn = link.exchange(&steps).await;
    assert_eq!(failed(torn), (FailureKind::Check, Some(10)));
    let first = run(Statement::Chunk, vec![1.into(), 0.into()]);
    let first = link.exchange(&[first]).await.unwrap();
    assert_eq!(first[0].rows[0].data(0).unwrap().unwrap().len(), 12_000);
    let whole = link.exchange(&[Step::Begin, append(0, 40_000)]).await;
    assert!(whole.err().unwrap().text.contains("max_allowed_packet"));
}

#[tokio::test]
async fn marks_tell_what_became_of_a_commit() {
    let (driver, name) = volume("utf8mb4").await;
    driver.prepare_writes().await.unwrap();
    let mut a = link(&driver).await;
    a.exchange(&counted("x", 1)).await.unwrap();
    let first = a.commit_id().unwrap();
    assert_eq!(driver.outcome(&first).await.unwrap(), Some(true));
    a.exchange(&counted("x", 1)).await.unwrap();
    let second = a.commit_id().unwrap();
    assert_ne!(first, second);
    assert_eq!(driver.outcome(&second).await.unwrap(), Some(true));
    // The next commit has not arrived: it never takes place any more.
    let CommitId::Mark { mark, number } = second else {
        panic!("{second:?}")
    };
    let third = CommitId::Mark {
        mark,
        number: number + 2,
    };
    for _ in 0..2 {
        assert_eq!(driver.outcome(&third).await.unwrap(), Some(false));
    }
    let late = a.exchange(&counted("x", 1)).await;
    assert_eq!(a.commit_id(), Some(third));
    assert_eq!(failed(late), (FailureKind::Transient, Some(2)));
    assert_eq!(a.state(), LinkState::Broken);
    drop(a);
    // The same for the first commit of a connection: one before it failed.
    let mut b = link(&driver).await;
    let nothing = run(Statement::NodeNlink, vec![1.into(), 99.into()]);
    let nothing = b.exchange(&[Step::Begin, nothing, Step::Commit]).await;
    assert_eq!(failed(nothing), (FailureKind::Check, Some(1)));
    let CommitId::Mark { mark, number } = b.commit_id().unwrap() else {
        panic!("no mark")
    };
    let next = CommitId::Mark {
        mark,
        number: number + 2,
    };
    assert_eq!(driver.outcome(&next).await.unwrap(), Some(false));
    let late = b.exchange(&counted("x", 1)).await;
    assert_eq!(failed(late), (FailureKind::Transient, Some(2)));
    assert_eq!(b.commit_id(), Some(next));
    let x = server().query(&name, "SELECT value FROM jfs_counter WHERE name = 'x'");
    assert_eq!(x.unwrap(), [["2"]]);
}

/// A commit that holds its mark decides; the question waits for it.
#[tokio::test]
async fn a_commit_on_its_way_is_waited_for() {
    let (driver, name) = volume("utf8mb4").await;
    driver.prepare_writes().await.unwrap();
    let mut a = link(&driver).await;
    a.exchange(&counted("x", 1)).await.unwrap();
    let CommitId::Mark { mark, number } = a.commit_id().unwrap() else {
        panic!("no mark")
    };
    let next = CommitId::Mark {
        mark,
        number: number + 2,
    };
    let write = format!(
        "UPDATE jfs_commit_mark SET number = {} WHERE mark = {mark}",
        number + 2
    );
    let mut b = link(&driver).await;
    b.exchange(&[Step::Begin, Step::Text(write)]).await.unwrap();
    let asked = driver.outcome(&next);
    let committed = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        b.exchange(&[Step::Commit]).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(asked, committed);
    assert_eq!(outcome.unwrap(), Some(true), "{name}");
}

/// Marks go with the connections that wrote them, the table with the last mark; connections share marks one after the other.
#[tokio::test]
async fn marks_go_with_the_client() {
    let (driver, name) = volume("utf8mb4").await;
    let other = open(&server().url(&name)).unwrap();
    for driver in [&driver, &other] {
        driver.prepare_writes().await.unwrap();
        link(driver).await.exchange(&counted("x", 1)).await.unwrap();
    }
    for _ in 0..3 {
        let mut again = link(&driver).await;
        again.exchange(&[Step::Begin]).await.unwrap(); // closed when it is dropped
        drop(again);
        link(&driver)
            .await
            .exchange(&counted("x", 1))
            .await
            .unwrap();
    }
    let marks = || server().query(&name, "SELECT COUNT(*) FROM jfs_commit_mark");
    assert_eq!(marks().unwrap(), [["2"]]);
    driver.close().await;
    assert_eq!(marks().unwrap(), [["1"]]);
    other.close().await;
    assert!(marks().is_err());
    assert!(matches!(
        other.link(Use::Call).await.err(),
        Some(EngineError::Fatal(_))
    ));
}

/// The table goes while a session writes: it is made again.
#[tokio::test]
async fn a_session_outlives_the_table_of_marks() {
    let (driver, name) = volume("utf8mb4").await;
    driver.prepare_writes().await.unwrap();
    let (mut a, mut b) = (link(&driver).await, link(&driver).await);
    for link in [&mut a, &mut b] {
        link.exchange(&counted("y", 1)).await.unwrap();
    }
    drop(b);
    link(&driver)
        .await
        .exchange(&counted("x", 1))
        .await
        .unwrap();
    server()
        .execute(&name, "DROP TABLE jfs_commit_mark")
        .unwrap();
    let gone = link(&driver).await.exchange(&counted("x", 1)).await;
    assert_eq!(failed(gone), (FailureKind::Transient, Some(2)));
    a.exchange(&counted("y", 1)).await.unwrap();
    let mut again = link(&driver).await;
    again.exchange(&counted("x", 1)).await.unwrap();
    let id = again.commit_id().unwrap();
    assert_eq!(driver.outcome(&id).await.unwrap(), Some(true));
    assert_eq!(counter(&mut again, "x").await, Some(2));
}

/// Without the right to make a table, commits have no marks and work.
#[tokio::test]
async fn a_user_without_the_right_to_create_writes_without_marks() {
    let (_, name) = volume("utf8mb4").await;
    let grants = format!(
        "CREATE OR REPLACE USER 'poor'@'%'; GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO 'poor'@'%'"
    );
    server().execute("mysql", &grants).unwrap();
    let url = format!("mysql://poor@(127.0.0.1:{})/{name}", server().port());
    let driver = open(&url).unwrap();
    driver.prepare_writes().await.unwrap();
    let mut link = link(&driver).await;
    link.exchange(&counted("x", 1)).await.unwrap();
    assert_eq!(link.commit_id(), None);
    driver.close().await;
}

#[tokio::test]
async fn servers_that_refuse_say_why() {
    let name = database("utf8mb4");
    let port = server().port();
    for (url, why) in [
        (
            format!("mysql://{PASSWORD_USER}:wrong-secret@(127.0.0.1:{port})/{name}"),
            "META_PASSWORD",
        ),
        (
            format!("mysql://jfs@(127.0.0.1:{port})/nowhere"),
            "CREATE DATABASE",
        ),
        (
            format!("mysql://jfs@(127.0.0.1:{port})/{name}?tls=skip-verify"),
            "offers no TLS",
        ),
        (
            format!("mysql://jfs@(127.0.0.1:{port})/{name}?not_a_variable=1"),
            "option of the URL",
        ),
    ] {
        let e = open(&url).unwrap().link(Use::Call).await.err().unwrap();
        let text = e.to_string();
        assert!(matches!(e, EngineError::Fatal(_)), "{text}");
        assert!(text.contains(why) && text.lines().count() == 1, "{text}");
        assert!(!text.contains("wrong-secret"), "{text}");
    }
    let away = open(&format!("mysql://jfs@(127.0.0.1:1)/{name}")).unwrap();
    let e = away.link(Use::Call).await.err().unwrap();
    assert!(matches!(e, EngineError::Transient(_)), "{e}");
}

#[tokio::test]
async fn passwords_and_sockets() {
    let name = database("utf8mb4");
    let port = server().port();
    let socket = server().socket();
    for url in [
        format!("mysql://{PASSWORD_USER}:{USER_PASSWORD}@tcp(127.0.0.1:{port})/{name}"),
        format!(
            "mysql://{PASSWORD_USER}:{USER_PASSWORD}@unix({})/{name}",
            socket.display()
        ),
        format!("mysql://jfs@(localhost:{port})/{name}?tls=preferred&charset=utf8&wait_timeout=60"),
    ] {
        let driver = open(&url).unwrap();
        let one = [Step::Text("SELECT 1".into())];
        let replies = link(&driver).await.exchange(&one).await.unwrap();
        assert_eq!(number(&replies[0]), Some(1));
    }
}

#[tokio::test]
async fn tls_knows_its_server() {
    let (right, wrong) = (Certificates::new().unwrap(), Certificates::new().unwrap());
    let server = MariadbServer::start_with(MariadbOptions {
        tls: Some(right.server()),
        settings: vec!["--bind-address=127.0.0.1,127.0.0.2".into()],
        ..MariadbOptions::default()
    })
    .unwrap();
    server.create_database("vol").unwrap();
    let address =
        |host: &str, options: &str| format!("mysql://jfs@({host}:{})/vol?{options}", server.port());
    let authority =
        |c: &Certificates| format!("tls=true&tls-ca-cert-file={}", c.authority().display());
    for (host, options, good) in [
        ("localhost", authority(&right), true),
        ("127.0.0.1", authority(&right), true),
        ("127.0.0.2", authority(&right), false),
        ("localhost", authority(&wrong), false),
        ("localhost", "tls=true".into(), false),
        ("localhost", "tls=skip-verify".into(), true),
        ("127.0.0.1", "tls=preferred".into(), true),
    ] {
        let driver = open(&address(host, &options)).unwrap();
        match driver.link(Use::Call).await {
            Ok(mut link) => {
                assert!(good, "{host} {options}");
                let ask = [Step::Text("SHOW STATUS LIKE 'Ssl_cipher'".into())];
                let replies = link.exchange(&ask).await.unwrap();
                let cipher = replies[0].rows[0].data(1).unwrap().unwrap_or_default();
                assert!(!cipher.is_empty(), "{host} {options}");
            }
            Err(e) => {
                let text = e.to_string();
                assert!(
                    !good && matches!(e, EngineError::Fatal(_)),
                    "{host} {options}: {text}"
                );
                assert!(text.contains("TLS"), "{text}");
            }
        }
    }
}

/// Dropped in the middle, an exchange leaves neither a connection nor a transaction behind.
#[tokio::test]
async fn an_exchange_that_is_dropped_ends_its_connection() {
    let (driver, name) = volume("utf8mb4").await;
    let mut link = link(&driver).await;
    let slow = [Step::Begin, Step::Text("SELECT SLEEP(30)".into())];
    let dropped = tokio::time::timeout(Duration::from_millis(200), link.exchange(&slow)).await;
    assert!(dropped.is_err());
    assert_eq!(link.state(), LinkState::Broken);
    drop(link);
    let begun = Instant::now();
    let connections = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{name}' AND info NOT LIKE '%processlist%'"
    );
    while server().query("mysql", &connections).unwrap() != [["0"]] {
        assert!(begun.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
