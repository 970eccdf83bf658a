//! Counters, ids, job slots and sessions.

use crate::scratch_volume::*;
use jfs_meta::Engine;
use jfs_meta::engine::*;
use jfs_types::*;

fn counter(bed: &Bed, name: &str) -> Option<i64> {
    bed.raw()
        .query_row(
            "SELECT value FROM jfs_counter WHERE name = ?",
            [name],
            |r| r.get(0),
        )
        .ok()
}

/// The stored number is the next free one; the first inode of a volume is 2, the first slice 1.
#[tokio::test]
async fn ids_come_without_gap_or_overlap() {
    let bed = Bed::new().await;
    let other = bed.another();
    assert_eq!(
        bed.engine
            .reserve_ids(IdKind::Inode, 1024, &[])
            .await
            .unwrap(),
        2..1026
    );
    assert_eq!(
        other.reserve_ids(IdKind::Inode, 10, &[]).await.unwrap(),
        1026..1036
    );
    assert_eq!(
        bed.engine.reserve_ids(IdKind::Inode, 1, &[]).await.unwrap(),
        1036..1037
    );
    assert_eq!(counter(&bed, "nextInode"), Some(1037));
    assert_eq!(
        other.reserve_ids(IdKind::Slice, 4096, &[]).await.unwrap(),
        1..4097
    );
    assert_eq!(counter(&bed, "nextChunk"), Some(4097));
}

#[tokio::test]
async fn counters_add_up() {
    let bed = Bed::new().await;
    assert_eq!(
        bed.engine.add_counter(Counter::NextTrash, 1).await.unwrap(),
        1
    );
    assert_eq!(
        bed.engine.add_counter(Counter::NextTrash, 2).await.unwrap(),
        3
    );
    bed.engine.add_usage(4096, 1).await.unwrap();
    bed.engine.add_usage(8192, 0).await.unwrap();
    bed.engine.add_usage(-4096, -1).await.unwrap();
    let keys = [Counter::UsedSpace, Counter::TotalInodes, Counter::NextTrash].map(Key::Counter);
    let answers = bed.engine.fetch(&keys).await.unwrap();
    assert_eq!(answers, [8192, 0, 3].map(Answer::Number));
}

#[tokio::test]
async fn one_of_two_wins_a_job() {
    let bed = Bed::new().await;
    let other = bed.another();
    let slot = Counter::Job(JobSlot::Trash);
    let mut attempts = Vec::new();
    for engine in [&bed.engine, &other] {
        let mut attempt = engine.begin().await.unwrap();
        let last = attempt.read(&[own(Key::Counter(slot))]).await.unwrap();
        assert_eq!(last, [Answer::Number(0)]);
        attempts.push(attempt);
    }
    let mut outcomes = Vec::new();
    for (n, attempt) in (0..).zip(attempts) {
        let write = Write::PutCounter {
            counter: slot,
            value: 1000 + n,
        };
        outcomes.push(attempt.commit(&[write], Time::default()).await.is_ok());
    }
    assert_eq!(outcomes, [true, false]);
    assert_eq!(counter(&bed, "lastCleanupTrash"), Some(1000));
}

#[tokio::test]
async fn a_session_lives_and_ends() {
    let bed = Bed::new().await;
    bed.raw()
        .execute("INSERT INTO jfs_session2 VALUES (2, 7, NULL)", [])
        .unwrap();
    assert_eq!(
        bed.engine.new_session(100, "{\"a\":1}", &[]).await.unwrap(),
        1
    );
    // 2 is taken, by a client that does not count.
    let sid = bed.engine.new_session(100, "{\"a\":2}", &[]).await.unwrap();
    assert_eq!(sid, 3);
    bed.engine
        .refresh_session(sid, 200, "{\"other\":0}")
        .await
        .unwrap();
    let mut all = bed.engine.list_sessions().await.unwrap();
    all.sort_by_key(|s| s.sid);
    let expected = [(1, 100, "{\"a\":1}"), (2, 7, ""), (3, 200, "{\"a\":2}")];
    let expected = expected.map(|(sid, expire, info)| SessionRecord {
        sid,
        expire,
        info: info.into(),
    });
    assert_eq!(all, expected);
    let class: String = bed
        .raw()
        .query_row(
            "SELECT typeof(info) FROM jfs_session2 WHERE sid = 3",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert_eq!(class, "blob");

    let (a, b) = (Ino(50), Ino(51));
    write(
        &bed.engine,
        &[
            Write::Sustain { sid, ino: a },
            Write::Sustain { sid, ino: b },
        ],
    )
    .await;
    write(
        &bed.engine,
        &[
            Write::Sustain { sid, ino: a },
            Write::Sustain { sid: 1, ino: a },
        ],
    )
    .await;
    write(&bed.engine, &[Write::Unsustain { sid, ino: b }]).await;
    assert_eq!(bed.engine.list_sustained(sid).await.unwrap(), [a]);

    write(&bed.engine, &[Write::DelSession { sid }]).await;
    // A session that turns out to be alive may have sustained it just now.
    assert_eq!(bed.engine.list_sustained(sid).await.unwrap(), [a]);
    assert_eq!(bed.engine.list_sustained(1).await.unwrap(), [a]);
    // A heartbeat puts the record back.
    bed.engine
        .refresh_session(sid, 300, "{\"b\":0}")
        .await
        .unwrap();
    let back = bed
        .engine
        .list_sessions()
        .await
        .unwrap()
        .into_iter()
        .find(|s| s.sid == sid)
        .unwrap();
    assert_eq!((back.expire, back.info), (300, b"{\"b\":0}".to_vec()));
}
