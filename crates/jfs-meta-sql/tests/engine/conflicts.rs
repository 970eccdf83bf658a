//! What makes a commit fail, seen from one engine and from two on one database.

use crate::scratch_volume::*;
use jfs_meta::engine::*;
use jfs_meta::{Engine, EngineError};
use jfs_types::*;
use std::sync::Arc;

/// Records of every kind, and a write that changes each.
fn changes() -> Vec<(Key, Write)> {
    let dir = Ino::ROOT;
    let record = SliceRecord {
        pos: 0,
        id: SliceId(9),
        size: 1,
        off: 0,
        len: 1,
    };
    let attr = Attr { nlink: 9, ..file() };
    vec![
        (Key::Attr(Ino(10)), Write::PutAttr { ino: Ino(10), attr }),
        (Key::Attr(Ino(11)), new_node(11)),
        (
            Key::Entry(dir, name("there")),
            Write::DelEntry {
                dir,
                name: name("there"),
            },
        ),
        (
            Key::Entry(dir, name("absent")),
            new_entry(dir, "absent", 12),
        ),
        (Key::DirIsEmpty(Ino(10)), new_entry(Ino(10), "child", 13)),
        (Key::Parents(Ino(10)), new_entry(dir, "second", 10)),
        (
            Key::Chunk(Ino(10), 0),
            Write::AppendSlice {
                ino: Ino(10),
                index: 0,
                record,
            },
        ),
        (
            Key::Symlink(Ino(10)),
            Write::NewSymlink {
                ino: Ino(10),
                target: b"x".to_vec(),
            },
        ),
        (
            Key::Deleted(Ino(10), 5),
            Write::MarkDeleted {
                ino: Ino(10),
                length: 5,
            },
        ),
        (Key::SliceUsers(7, 1), Write::NewSlice { id: 7, size: 1 }),
        (Key::DirStat(Ino(10)), Write::NewDirStat { dir: Ino(10) }),
    ]
}

async fn prepared() -> Bed {
    let bed = Bed::new().await;
    write(
        &bed.engine,
        &[new_node(10), new_entry(Ino::ROOT, "there", 10)],
    )
    .await;
    bed
}

/// Reads with `strength`, lets `other` change the record, commits.
async fn raced(strength: Strength, two_engines: bool) {
    for (key, change) in changes() {
        let bed = prepared().await;
        let other = if two_engines {
            Arc::new(bed.another())
        } else {
            bed.engine.clone()
        };
        let mut ours = bed.engine.begin().await.unwrap();
        ours.read(&[Read {
            key: key.clone(),
            strength,
        }])
        .await
        .unwrap();
        write(&other, &[change]).await;
        let result = ours.commit(&[new_entry(Ino::ROOT, "ours", 99)], NOW).await;
        let entry = get(&bed.engine, Key::Entry(Ino::ROOT, name("ours"))).await;
        let applied = matches!(entry, Answer::Entry(Some(_)));
        if strength == Strength::Peek {
            assert!(
                result.is_ok() && applied,
                "{key:?} was only peeked at: {result:?}"
            );
        } else {
            assert!(
                is_conflict(&result) && !applied,
                "{key:?} read with {strength:?}: {result:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_held_must_not_change() {
    for strength in [Strength::Hold, Strength::Own] {
        raced(strength, false).await;
        raced(strength, true).await;
    }
}

#[tokio::test]
async fn what_is_peeked_at_may_change() {
    raced(Strength::Peek, false).await;
    raced(Strength::Peek, true).await;
}

#[tokio::test]
async fn changes_elsewhere_do_not_matter() {
    for (key, _) in changes() {
        let bed = prepared().await;
        let mut ours = bed.engine.begin().await.unwrap();
        ours.read(&[hold(key.clone())]).await.unwrap();
        write(
            &bed.another(),
            &[new_node(500), new_entry(Ino(500), "other", 501)],
        )
        .await;
        write(&bed.engine, &[new_node(502)]).await;
        ours.commit(&[new_entry(Ino::ROOT, "ours", 99)], NOW)
            .await
            .unwrap();
    }
}

/// The second of two reads must not hide that the first is out of date.
#[tokio::test]
async fn the_first_of_two_reads_counts() {
    let bed = prepared().await;
    let mut ours = bed.engine.begin().await.unwrap();
    ours.read(&[own(Key::Attr(Ino(10)))]).await.unwrap();
    write(
        &bed.engine,
        &[Write::PutAttr {
            ino: Ino(10),
            attr: Attr { nlink: 5, ..file() },
        }],
    )
    .await;
    ours.read(&[hold(Key::Attr(Ino::ROOT))]).await.unwrap();
    assert!(is_conflict(&ours.commit(&[new_node(77)], NOW).await));
}

#[tokio::test]
async fn taken_places_are_conflicts_and_undo_everything() {
    let bed = prepared().await;
    for taken in [new_entry(Ino::ROOT, "there", 20), new_node(10)] {
        let result = attempt(&bed.engine, &[], &[new_node(21), taken]).await;
        assert!(is_conflict(&result), "{result:?}");
        assert_eq!(attr(&bed.engine, 21).await, None);
    }
    let dir = Ino::ROOT;
    let entry = Entry {
        kind: FileType::Regular,
        ino: Ino(1),
    };
    for gone in [
        Write::DelEntry {
            dir,
            name: name("gone"),
        },
        Write::ReplaceEntry {
            dir,
            name: name("gone"),
            entry,
        },
        Write::PutAttr {
            ino: Ino(400),
            attr: file(),
        },
    ] {
        assert!(is_conflict(
            &attempt(&bed.engine, &[], &[new_node(22), gone]).await
        ));
        assert_eq!(attr(&bed.engine, 22).await, None);
    }
}

#[tokio::test]
async fn a_dropped_attempt_leaves_nothing() {
    let bed = prepared().await;
    let mut ours = bed.engine.begin().await.unwrap();
    ours.read(&[own(Key::Attr(Ino(10)))]).await.unwrap();
    drop(ours);
    // Nothing is locked, nothing is stale.
    write(
        &bed.another(),
        &[Write::PutAttr {
            ino: Ino(10),
            attr: Attr { nlink: 4, ..file() },
        }],
    )
    .await;
    assert_eq!(attr(&bed.engine, 10).await.unwrap().nlink, 4);
}

/// Many tasks on two engines count one number up; none of the steps may be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost() {
    const TASKS: u64 = 4;
    const STEPS: u64 = 60;
    let bed = prepared().await;
    let engines = [bed.engine.clone(), Arc::new(bed.another())];
    let tasks: Vec<_> = (0..2 * TASKS)
        .map(|n| {
            let engine = engines[n as usize % 2].clone();
            tokio::spawn(async move {
                for _ in 0..STEPS {
                    while !one_step(&engine).await {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        attr(&bed.engine, 10).await.unwrap().length,
        2 * TASKS * STEPS
    );
}

async fn one_step(engine: &jfs_meta_sql::SqliteEngine) -> bool {
    let mut attempt = engine.begin().await.unwrap();
    let answers = attempt.read(&[own(Key::Attr(Ino(10)))]).await.unwrap();
    let mut attr = answers
        .into_iter()
        .next()
        .unwrap()
        .into_attr()
        .unwrap()
        .unwrap();
    attr.length += 1;
    match attempt
        .commit(&[Write::PutAttr { ino: Ino(10), attr }], NOW)
        .await
    {
        Ok(_) => true,
        Err(EngineError::Conflict | EngineError::Transient(_)) => false,
        Err(e) => panic!("{e}"),
    }
}
