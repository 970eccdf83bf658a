//! Every rule of POSIX and Linux as a script, on a local file system and on every engine.

use super::flock_cases::FLOCK;
use super::owners::{Clients, Owners, Place, local};
use super::record_lock_cases::RECORD_LOCKS;
use super::script::Case;
use super::waiting_cases::{DEADLOCKS, WAITING};
use jfs_tests::{Kind, on_every_engine};

on_every_engine! { rules_of_record_locks, rules_of_flock, rules_of_waiting, deadlocks_are_found }

#[test]
fn linux_keeps_these_rules() {
    jfs_tests::run(Kind::Memory, |_| async {
        let (_dir, place) = local();
        let mut owners = Owners::at(&[place]);
        for case in [RECORD_LOCKS, FLOCK, WAITING, DEADLOCKS].concat() {
            case.run(&mut owners).await;
        }
    });
}

async fn rules_of_record_locks(kind: Kind) {
    check(kind, RECORD_LOCKS).await;
}

async fn rules_of_flock(kind: Kind) {
    check(kind, FLOCK).await;
}

async fn rules_of_waiting(kind: Kind) {
    check(kind, WAITING).await;
}

/// Within one client.
async fn deadlocks_are_found(kind: Kind) {
    let clients = Clients::new(kind, 1).await;
    run_all(&clients, &clients.places(), DEADLOCKS).await;
    clients.close().await;
}

/// All owners at one client, then every second one at another client.
async fn check(kind: Kind, cases: &[Case]) {
    let clients = Clients::new(kind, 2).await;
    let places = clients.places();
    run_all(&clients, &places[..1], cases).await;
    run_all(&clients, &places, cases).await;
    clients.close().await;
}

async fn run_all(clients: &Clients, places: &[Place], cases: &[Case]) {
    let mut owners = Owners::at(places);
    for case in cases {
        case.run(&mut owners).await;
    }
    // The descriptors of the last case are closed.
    owners.begin_file().await;
    clients.check_nothing_is_held().await;
}
