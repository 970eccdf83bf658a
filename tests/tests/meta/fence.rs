//! The fence: a client whose volume was replaced, or got what it cannot maintain, changes nothing more.

use jfs_meta::engine::{Counter, DirQuota, DirStat, Fence, IdKind, Key, Write, hold};
use jfs_meta::{EngineError, MetaConfig};
use jfs_tests::volume::{root, session_info};
use jfs_tests::{Census, Client, Faulty, Kind, Point, Volume, on_every_engine};
use jfs_types::*;
use std::sync::Arc;
use std::time::Duration;

on_every_engine! { nothing_reaches_another_volume, a_replacement_during_a_commit, another_setting_is_followed_by_the_next_change, commits_that_only_write_are_fenced, a_feature_that_is_new_stops_changes, a_feature_that_comes_during_a_commit, fixed_members_do_not_change, a_client_that_is_too_old_stops }

/// Puts another volume into the database, with a file whose inode and slice have the numbers of the first.
async fn replace(v: &Volume) -> String {
    let format = Format {
        uuid: "00000000-1111-2222-3333-444444444444".into(),
        name: "another".into(),
        ..v.format.clone()
    };
    let mut attr = Attr::new(FileType::Directory);
    (attr.mode, attr.parent) = (0o777, Ino::ROOT);
    let json = format.to_json();
    v.engine
        .create_volume(json.as_bytes(), &attr, None, true)
        .await
        .unwrap();
    let other = v.client_without_session(v.db.connect().await, MetaConfig::default());
    other.accept(json.as_bytes(), &format);
    other.new_session(&session_info()).await.unwrap();
    let file = other.touch(Ino::ROOT, b"file").await.unwrap();
    other.put_slice(file, 0, 0, 4096).await.unwrap();
    other.flush_stats().await;
    Census::take(&*v.engine).await.text()
}

async fn text(v: &Volume) -> String {
    Census::take(&*v.engine).await.text()
}

/// Each way to change something, the first that meets the other volume.
async fn nothing_reaches_another_volume(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let mut clients: Vec<(Client, Ino)> = Vec::new();
    for name in [&b"a"[..], b"b", b"c", b"d", b"e", b"f"] {
        let c = v.client().await;
        let ino = c.touch(Ino::ROOT, name).await.unwrap();
        c.put_slice(ino, 0, 0, 100).await.unwrap();
        clients.push((c, ino));
    }
    let engine = v.db.connect().await;
    engine.set_fence(Fence::new(v.format.to_json().as_bytes(), &v.format.uuid));
    assert!(engine.reserve_ids(IdKind::Slice, 10, &[]).await.is_ok());
    let stored = replace(&v).await;

    let [a, b, c, d, e, f] = &clients[..] else {
        panic!("six clients")
    };
    let me = root();
    assert_eq!(a.0.put_slice(a.1, 0, 100, 100).await, Err(Errno::EIO));
    let made = b.0.create(&me, Ino::ROOT, b"new", 0o644, 0).await;
    assert_eq!(made.map(drop), Err(Errno::EIO));
    assert!(c.0.heartbeat(&session_info()).await.is_err());
    assert!(d.0.reload_format().await.is_err());
    assert_eq!(e.0.unlink(&me, Ino::ROOT, b"file").await, Err(Errno::EIO));
    f.0.close_session().await.unwrap_err();
    for (client, ino) in &clients {
        assert!(client.is_lost() && client.lost().borrow().is_some());
        // From then on nothing is asked either.
        assert_eq!(client.getattr(*ino).await.map(drop), Err(Errno::EIO));
        client.flush_stats().await;
        client.close_session().await.unwrap();
    }

    let stat = DirStat {
        length: 1,
        space: 4096,
        inodes: 1,
    };
    let rule = AclRule::default();
    let refused = [
        engine.reserve_ids(IdKind::Inode, 9, &[]).await.err(),
        engine.add_counter(Counter::NextTrash, 1).await.err(),
        engine.add_usage(1, 1).await.err(),
        engine.put_dir_stat(Ino::ROOT, stat, &[]).await.err(),
        engine.put_quota(Ino::ROOT, DirQuota::default()).await.err(),
        engine.add_acl(&rule, &[]).await.err(),
        engine.new_session(1, "{}", &[]).await.err(),
        engine.refresh_session(1, 1, "{}").await.err(),
    ];
    for (n, error) in refused.iter().enumerate() {
        assert!(
            matches!(error, Some(EngineError::Replaced(_))),
            "{n}: {error:?}"
        );
    }
    // What has no record here is not reported as added.
    let added = engine.add_dir_stats(&[(Ino::ROOT, stat)]).await;
    assert!(added.is_err() || kind == Kind::Redis, "{added:?}");
    assert!(engine.add_quota_usage(&[(Ino::ROOT, 1, 1)]).await.is_err() || kind == Kind::Redis);
    assert_eq!(text(&v).await, stored);
}

/// The volume is replaced between the reads of an attempt and its commit.
async fn a_replacement_during_a_commit(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let faulty = Arc::new(Faulty::new(v.db.connect().await));
    let c = v.client_over(faulty.clone()).await;
    let ino = c.touch(Ino::ROOT, b"file").await.unwrap();
    let mut held = faulty.hold(Point::BeforeCommit);
    let meta = c.meta.clone();
    let slice = SliceRecord {
        pos: 0,
        id: SliceId(7),
        size: 100,
        off: 0,
        len: 100,
    };
    let new = jfs_meta::ops::NewSlice {
        index: 0,
        record: slice,
        mtime: v.clock_now(),
        append: false,
    };
    let writing = tokio::spawn(async move { meta.write_slices(ino, &[new]).await });
    held.reached().await;
    if kind.is_sql_server() {
        // The locks of the attempt keep the volume until its commit.
        let (mut replacing, late) = (Box::pin(replace(&v)), Duration::from_millis(300));
        assert!(tokio::time::timeout(late, &mut replacing).await.is_err());
        held.release();
        writing.await.unwrap().unwrap();
        let stored = replacing.await;
        assert_eq!(text(&v).await, stored);
        return;
    }
    let stored = replace(&v).await;
    held.release();
    assert_eq!(writing.await.unwrap().map(drop), Err(Errno::EIO));
    assert!(c.is_lost());
    assert_eq!(text(&v).await, stored);
}

async fn another_setting_is_followed_by_the_next_change(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    c.touch(Ino::ROOT, b"a").await.unwrap();
    let format = Format {
        trash_days: 5,
        ..v.format.clone()
    };
    let (old, new) = (v.format.to_json(), format.to_json());
    assert_ne!(old, new);
    v.engine
        .store_setting(old.as_bytes(), new.as_bytes())
        .await
        .unwrap();
    c.touch(Ino::ROOT, b"b").await.unwrap();
    assert_eq!(c.format().trash_days, 5);
    assert!(c.is_writable());
    c.touch(Ino::ROOT, b"c").await.unwrap();
}

/// Commits of attempts that have read nothing, one after the other. On Redis they need one round trip each
/// but for the first, since the connection stays armed.
async fn commits_that_only_write_are_fenced(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    v.client().await.touch(Ino::ROOT, b"file").await.unwrap();
    let engine = v.db.connect().await;
    let old = v.format.to_json();
    engine.set_fence(Fence::new(old.as_bytes(), &v.format.uuid));
    let store = async |name: &str| {
        let write = Write::PutXattr {
            ino: Ino::ROOT,
            name: name.as_bytes().to_vec().into(),
            value: b"value"[..].into(),
        };
        engine.begin().await?.commit(&[write], v.clock_now()).await
    };
    engine.trips().enable(true);
    let mut trips = Vec::new();
    for name in ["user.a", "user.b", "user.c"] {
        store(name).await.unwrap();
        trips.push(engine.trips().take().len());
    }
    if kind == Kind::Redis {
        assert_eq!(trips, [2, 1, 1]);
    }
    // An attempt that reads uses the armed connection, and gives up.
    let mut reading = engine.begin().await.unwrap();
    let read = hold(Key::Attr(Ino::ROOT));
    reading.read(std::slice::from_ref(&read)).await.unwrap();
    drop(reading);
    store("user.d").await.unwrap();
    store("user.e").await.unwrap();

    let format = Format {
        trash_days: 5,
        ..v.format.clone()
    };
    let new = format.to_json();
    v.engine
        .store_setting(old.as_bytes(), new.as_bytes())
        .await
        .unwrap();
    let stored = text(&v).await;
    for _ in 0..3 {
        let refused = store("user.f").await.map(drop).unwrap_err();
        let expected = matches!(refused, EngineError::SettingChanged | EngineError::Conflict);
        assert!(expected, "{refused:?}");
    }
    assert!(matches!(
        store("user.f").await,
        Err(EngineError::SettingChanged)
    ));
    assert_eq!(text(&v).await, stored);
    engine.set_fence(Fence::new(new.as_bytes(), &format.uuid));
    store("user.f").await.unwrap();
    assert_ne!(text(&v).await, stored);
}

fn no_log(format: &Format) -> Option<String> {
    format.change_log.then(|| "the volume uses the log".into())
}

/// A client that cannot write the change log, its engine, and the switch for the log.
async fn without_log(v: &Volume) -> (Client, Arc<Faulty>) {
    let config = MetaConfig {
        cannot_maintain: no_log,
        ..MetaConfig::default()
    };
    let faulty = Arc::new(Faulty::new(v.db.connect().await));
    let c = v.client_without_session(faulty.clone(), config);
    c.new_session(&session_info()).await.unwrap();
    (c, faulty)
}

async fn switch_the_log_on(v: &Volume) {
    let format = Format {
        change_log: true,
        ..v.format.clone()
    };
    v.engine
        .store_setting(v.format.to_json().as_bytes(), format.to_json().as_bytes())
        .await
        .unwrap();
}

async fn a_feature_that_is_new_stops_changes(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (c, _) = without_log(&v).await;
    let me = root();
    let ino = c.touch(Ino::ROOT, b"a").await.unwrap();
    c.put_slice(ino, 0, 0, 100).await.unwrap();
    let (open, _) = c.create(&me, Ino::ROOT, b"open", 0o644, 0).await.unwrap();
    c.unlink(&me, Ino::ROOT, b"open").await.unwrap();
    c.flush_stats().await;
    switch_the_log_on(&v).await;
    let stored = text(&v).await;
    assert_eq!(c.put_slice(ino, 0, 100, 100).await, Err(Errno::EROFS));
    let made = c.mkdir(&me, Ino::ROOT, b"d", 0o755, 0).await;
    assert_eq!(made.map(drop), Err(Errno::EROFS));
    assert_eq!(c.unlink(&me, Ino::ROOT, b"a").await, Err(Errno::EROFS));
    assert_eq!(c.clean_stale_sessions().await, Err(Errno::EROFS));
    // It reads, it lives, and what it keeps open stays.
    assert_eq!(c.getattr(ino).await.unwrap().length, 100);
    assert_eq!(c.getattr(open).await.unwrap().nlink, 0);
    assert_eq!(text(&v).await, stored);
    v.tick();
    c.heartbeat(&session_info()).await.unwrap();
    assert!(!c.is_lost() && !c.is_writable());
    // Its session is left to a client that can write the log.
    c.close_session().await.unwrap();
    let census = Census::take(&*v.engine).await;
    assert_eq!((census.sessions.len(), census.sustained.len()), (1, 1));
}

/// The log is switched on between the reads of an attempt and its commit.
async fn a_feature_that_comes_during_a_commit(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (c, faulty) = without_log(&v).await;
    c.touch(Ino::ROOT, b"a").await.unwrap();
    let mut held = faulty.hold(Point::BeforeCommit);
    let meta = c.meta.clone();
    let making = tokio::spawn(async move { meta.mkdir(&root(), Ino::ROOT, b"d", 0o755, 0).await });
    held.reached().await;
    switch_the_log_on(&v).await;
    // A heartbeat accepts the setting before the attempt goes on.
    c.reload_format().await.unwrap();
    let stored = text(&v).await;
    held.release();
    assert_eq!(making.await.unwrap().map(drop), Err(Errno::EROFS));
    assert_eq!(text(&v).await, stored);
}

/// As a new client would be refused.
async fn a_client_that_is_too_old_stops(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let format = Format {
        min_client_version: "9.0.0".into(),
        ..v.format.clone()
    };
    v.engine
        .store_setting(v.format.to_json().as_bytes(), format.to_json().as_bytes())
        .await
        .unwrap();
    assert_eq!(c.touch(Ino::ROOT, b"a").await.map(drop), Err(Errno::EIO));
    let why = c.lost().borrow().clone().unwrap_or_default();
    assert!(why.contains("9.0.0"), "{why}");
}

/// Blocks would be cut and named another way.
async fn fixed_members_do_not_change(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let format = Format {
        block_size: v.format.block_size * 2,
        compression: "lz4".into(),
        ..v.format.clone()
    };
    v.engine
        .store_setting(v.format.to_json().as_bytes(), format.to_json().as_bytes())
        .await
        .unwrap();
    assert_eq!(c.touch(Ino::ROOT, b"a").await.map(drop), Err(Errno::EIO));
    let why = c.lost().borrow().clone().unwrap_or_default();
    assert!(why.contains("block size"), "{why}");
}
