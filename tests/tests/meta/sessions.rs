//! Sessions: ids, expiry, heartbeats, cleaning up after clients that died.

use jfs_meta::MetaConfig;
use jfs_meta::engine::{Key, Write};
use jfs_tests::volume::{root, session_info};
use jfs_tests::{Census, Faulty, Kind, Point, Volume, on_every_engine};
use jfs_types::*;
use std::sync::Arc;
use std::time::Duration;

on_every_engine! { statistics_of_the_root_start_right, the_root_is_counted_in_the_background, a_session_lives_and_ends, a_lost_record_comes_back, stale_sessions_are_cleaned, a_session_wakes_up_while_it_is_cleaned, one_client_wins_the_job }

async fn a_session_lives_and_ends(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    assert_eq!((a.session_id(), b.session_id()), (Some(1), Some(2)));
    let sessions = v.verify().await.sessions;
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0].expire, a.now().sec + 60);
    let info: jfs_meta::SessionInfo = from_json(&sessions[0].info);
    assert_eq!(info, session_info());
    v.tick();
    a.heartbeat(&session_info()).await.unwrap();
    assert_eq!(v.verify().await.sessions[0].expire, a.now().sec + 60);
    // Closing removes what it kept open.
    let (f, _) = a.create(&root(), Ino::ROOT, b"f", 0o644, 0).await.unwrap();
    a.put_slice(f, 0, 0, 10).await.unwrap();
    a.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    a.close_session().await.unwrap();
    assert_eq!(a.session_id(), None);
    // Nothing is left in the memory of a client that may end now.
    let problems = Census::take(&*v.engine).await.problems(true);
    assert!(problems.is_empty(), "{problems:#?}");
    let census = v.verify().await;
    assert_eq!(
        census.sessions.iter().map(|s| s.sid).collect::<Vec<_>>(),
        [2]
    );
    assert!(census.sustained.is_empty());
    assert_eq!(a.do_work().await.len(), 1);
    v.verify().await;
}

fn from_json(text: &[u8]) -> jfs_meta::SessionInfo {
    serde_json::from_slice(text).unwrap()
}

/// The first client of a new volume may have made directories before it registered.
async fn statistics_of_the_root_start_right(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client_without_session(v.db.connect().await, MetaConfig::default());
    let d = c.dir(Ino::ROOT, b"subdir").await;
    c.new_session(&session_info()).await.unwrap();
    c.touch(Ino::ROOT, b"f").await.unwrap();
    c.touch(d, b"f").await.unwrap();
    let census = v.verify().await;
    assert_eq!(census.dir_stats[&Ino::ROOT].inodes, 2);
}

/// A session begins soon, however many entries the root has.
/// A root of one page is counted when the session begins, a larger one in the background.
async fn the_root_is_counted_in_the_background(kind: Kind) {
    // More than a page on SQLite.
    let large = kind == Kind::Sqlite;
    let entries = if large { 2_050 } else { 50 };
    let v = Volume::new(kind, 0).await;
    let c = v.client_without_session(v.db.connect().await, MetaConfig::default());
    for n in 0..entries {
        let name = format!("a-name-that-is-not-short-{n}");
        c.touch(Ino::ROOT, name.as_bytes()).await.unwrap();
    }
    c.new_session(&session_info()).await.unwrap();
    let stat = async || {
        let found = v.engine.fetch(&[Key::DirStat(Ino::ROOT)]).await.unwrap();
        found.into_iter().next().unwrap().into_stat().unwrap()
    };
    let early = |inodes: i64| (!large).then_some(inodes);
    assert_eq!(stat().await.map(|s| s.inodes), early(entries));
    // What changes until then, and what flushes meanwhile, counts once.
    c.touch(Ino::ROOT, b"f").await.unwrap();
    c.flush_changes().await;
    assert_eq!(stat().await.map(|s| s.inodes), early(entries + 1));
    c.touch(Ino::ROOT, b"g").await.unwrap();
    c.recount_dirs().await;
    c.flush_changes().await;
    assert_eq!(stat().await.map(|s| s.inodes), Some(entries + 2));
    c.touch(Ino::ROOT, b"h").await.unwrap();
    c.flush_changes().await;
    assert_eq!(stat().await.map(|s| s.inodes), Some(entries + 3));
}

async fn a_lost_record_comes_back(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let attempt = v.engine.begin().await.unwrap();
    let gone = [Write::DelSession { sid: 1 }];
    attempt.commit(&gone, c.now()).await.unwrap();
    assert!(v.verify().await.sessions.is_empty());
    c.heartbeat(&session_info()).await.unwrap();
    let sessions = v.verify().await.sessions;
    assert_eq!((sessions.len(), sessions[0].sid), (1, 1));
    assert_eq!(from_json(&sessions[0].info), session_info());
}

async fn stale_sessions_are_cleaned(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (dead, alive) = (v.client().await, v.client().await);
    for (c, name) in [(&dead, b"dead"), (&alive, b"live")] {
        let (f, _) = c.create(&root(), Ino::ROOT, name, 0o644, 0).await.unwrap();
        c.put_slice(f, 0, 0, 5000).await.unwrap();
        c.unlink(&root(), Ino::ROOT, name).await.unwrap();
    }
    for n in 1..=5 {
        v.clock.advance(Duration::from_secs(12));
        alive.heartbeat(&session_info()).await.unwrap();
        let cleaned = alive.clean_stale_sessions().await.unwrap();
        assert_eq!(cleaned, 0, "{n}: 60 seconds is not more than 60");
    }
    let census = v.verify().await;
    assert_eq!((census.sessions.len(), census.sustained.len()), (2, 2));
    v.clock.advance(Duration::from_secs(12));
    alive.heartbeat(&session_info()).await.unwrap();
    assert_eq!(alive.clean_stale_sessions().await.unwrap(), 1);
    assert_eq!(alive.do_work().await.len(), 1);
    let census = v.verify().await;
    assert_eq!(
        census.sessions.iter().map(|s| s.sid).collect::<Vec<_>>(),
        [2]
    );
    assert_eq!(census.sustained.keys().copied().collect::<Vec<_>>(), [2]);
    assert_eq!(census.counters[..2], [8192, 1]);
}

/// The inodes that the session sustains then are found when it dies after all, and not before.
async fn a_session_wakes_up_while_it_is_cleaned(kind: Kind) {
    for dies in [true, false] {
        let v = Volume::new(kind, 0).await;
        let asleep = v.client().await;
        let faulty = Arc::new(Faulty::new(v.db.connect().await));
        let cleaner = v.client_over(faulty.clone()).await;
        let me = root();
        for name in [&b"early"[..], b"late"] {
            let (f, _) = asleep.create(&me, Ino::ROOT, name, 0o644, 0).await.unwrap();
            asleep.put_slice(f, 0, 0, 5000).await.unwrap();
        }
        asleep.unlink(&me, Ino::ROOT, b"early").await.unwrap();
        for _ in 0..5 {
            v.clock.advance(Duration::from_secs(12));
            cleaner.heartbeat(&session_info()).await.unwrap();
            assert_eq!(cleaner.clean_stale_sessions().await.unwrap(), 0);
        }
        v.clock.advance(Duration::from_secs(12));
        cleaner.heartbeat(&session_info()).await.unwrap();
        let mut held = faulty.hold(Point::BeforeDropSession);
        let meta = cleaner.meta.clone();
        let cleaning = tokio::spawn(async move { meta.clean_stale_sessions().await });
        held.reached().await;
        let late = asleep.lookup(&me, Ino::ROOT, b"late").await.unwrap().0;
        asleep.unlink(&me, Ino::ROOT, b"late").await.unwrap();
        held.release();
        assert_eq!(cleaning.await.unwrap().unwrap(), 1);
        let census = v.verify().await;
        assert_eq!(census.sustained, [(1, vec![late])].into());
        assert_eq!(census.sessions.len(), 2, "somebody must be able to find it");
        if dies {
            assert_eq!(v.live_on(&cleaner).await, 1);
        } else {
            v.tick();
            v.tick();
            assert_eq!(cleaner.clean_stale_sessions().await.unwrap(), 0);
            asleep.put_slice(late, 0, 0, 6000).await.unwrap();
            assert_eq!(asleep.close(late), Some(late));
            asleep.delete_sustained(late).await.unwrap();
            asleep.close_session().await.unwrap();
        }
        cleaner.do_work().await;
        asleep.do_work().await;
        let census = v.verify().await;
        assert_eq!(census.sessions.len(), 1);
        assert_eq!(census.attrs.keys().collect::<Vec<_>>(), [&Ino::ROOT]);
        assert!(census.sustained.values().all(Vec::is_empty));
        assert!(census.deleted.is_empty() && census.unused.is_empty());
    }
}

async fn one_client_wins_the_job(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b, dead) = (v.client().await, v.client().await, v.client().await);
    for n in 1..=6 {
        v.clock.advance(Duration::from_secs(12));
        for c in [&a, &b] {
            c.heartbeat(&session_info()).await.unwrap();
            assert_eq!(c.clean_stale_sessions().await.unwrap() > 0, n == 6);
            // Within the life that is watched no client takes the job.
            if n == 6 {
                break;
            }
        }
    }
    drop(dead);
    let again = Arc::new(Faulty::new(v.engine.clone()));
    let late = v.client_over(again).await;
    v.clock.advance(Duration::from_secs(9));
    assert_eq!(
        b.clean_stale_sessions().await.unwrap(),
        0,
        "somebody did it within 0.9 heartbeats"
    );
    assert_eq!(late.clean_stale_sessions().await.unwrap(), 0);
    v.verify().await;
}
