//! One life of each kind of database server: what it keeps when it is killed, and how it ends.

use crate::{
    DATABASE_USER, KitError, MariadbServer, PASSWORD_USER, PostgresServer, process_alive,
    wait_until,
};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The calls that both kinds of server share.
macro_rules! life_of {
    ($server:ident, $system:literal, $in_use:literal, $waiters:literal) => {
        let mut server = $server::start().unwrap();
        server.create_database("one").unwrap();
        let table =
            "CREATE TABLE t (a int, b varchar(9)); INSERT INTO t VALUES (1, 'x y'), (2, '')";
        server.execute("one", table).unwrap();
        let rows = |server: &$server| {
            server
                .query("one", "SELECT a, b FROM t ORDER BY a")
                .unwrap()
        };
        let both = [["1", "x y"], ["2", ""]];
        assert_eq!(rows(&server), both);
        let before = server.pids();
        server.kill9().unwrap();
        assert!(!before.iter().any(|pid| process_alive(*pid)));
        server.restart().unwrap();
        assert_eq!(rows(&server), both, "what was committed survives a kill");
        server.restart().unwrap();
        std::thread::scope(|scope| {
            let user = scope.spawn(|| server.execute("one", $in_use));
            wait_until("the table to be in use", Duration::from_secs(20), || {
                Ok((server.query($system, $waiters).unwrap() == [["1"]]).then_some(()))
            })
            .unwrap();
            server.drop_database("one").unwrap();
            assert!(user.join().unwrap().is_err(), "its connection is cut");
        });
        let gone = server.execute("one", "SELECT 1");
        assert!(matches!(gone, Err(KitError::Failed { .. })), "{gone:?}");

        let other = $server::start().unwrap();
        assert_ne!(server.port(), other.port());
        let pids = server.pids();
        drop(server);
        assert!(!pids.iter().any(|pid| process_alive(*pid)));
        drop(other);
    };
}

#[test]
fn a_postgres() {
    life_of!(
        PostgresServer,
        "postgres",
        "BEGIN; SELECT * FROM t; SELECT pg_sleep(60)",
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'one' AND query LIKE '%sleep%'"
    );
}

#[test]
fn a_mariadb() {
    life_of!(
        MariadbServer,
        "mysql",
        "BEGIN; SELECT * FROM t; SELECT sleep(60)",
        "SELECT count(*) FROM information_schema.processlist WHERE db = 'one' AND info LIKE '%sleep%'"
    );
}

/// The databases belong to a user who is no administrator.
#[test]
fn the_user_of_the_databases_is_no_administrator() {
    let postgres = PostgresServer::start().unwrap();
    let names = format!("'{DATABASE_USER}', '{PASSWORD_USER}'");
    let query =
        format!("SELECT count(*), bool_or(rolsuper) FROM pg_roles WHERE rolname IN ({names})");
    assert_eq!(postgres.query("postgres", &query).unwrap(), [["2", "f"]]);
    let mariadb = MariadbServer::start().unwrap();
    let query = format!("SELECT count(*), max(Super_priv) FROM user WHERE User IN ({names})");
    assert_eq!(mariadb.query("mysql", &query).unwrap(), [["2", "N"]]);
}

/// A test process that is killed leaves no server behind, though the servers run as other users.
#[test]
fn servers_end_with_a_killed_process() {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "daemon::tests::holds_servers",
            "--ignored",
            "--nocapture",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find_map(|line| {
        let (_, pids) = line.split_once("pids:")?;
        Some(pids.to_owned())
    });
    let pids: Vec<i32> = line
        .unwrap()
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert!(pids.len() > 2 && pids.iter().all(|pid| process_alive(*pid)));
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_until("the servers to end", Duration::from_secs(20), || {
        Ok((!pids.iter().any(|pid| process_alive(*pid))).then_some(()))
    })
    .unwrap();
}

/// The process that [`servers_end_with_a_killed_process`] starts and kills.
#[test]
#[ignore = "started by another test, which kills it"]
fn holds_servers() {
    let (postgres, mariadb) = (
        PostgresServer::start().unwrap(),
        MariadbServer::start().unwrap(),
    );
    let pids = [postgres.pids(), mariadb.pids()].concat();
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    println!("pids: {}", pids.join(" "));
    std::thread::sleep(Duration::from_secs(60));
}
