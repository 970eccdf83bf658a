//! Records without a database: statements of keys and writes for every dialect, and answers from rows.

use super::*;
use crate::dialect::{Dialect, Lock, with_literals};
use crate::statement::Catalog;
use crate::value::{Row, RowList};
use jfs_meta::engine::{
    Answer, Counter, Key, LockKind, LockRow, LogLine, LogPart, OwnerUsage, QuotaOwner, Receipt,
    Write,
};
use jfs_types::{Attr, Entry, FileType, Ino, Name, SliceId, SliceRecord, Time};

const AT: Time = Time { sec: 77, nsec: 0 };

fn catalog(dialect: Dialect) -> Catalog {
    Catalog::new(dialect, "jfs_P_")
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

fn rows(rows: Vec<Vec<Value>>) -> Vec<Box<dyn Row + Send>> {
    rows.into_iter()
        .map(|row| Box::new(row) as Box<dyn Row + Send>)
        .collect()
}

fn answered(key: &Key, found: Vec<Vec<Value>>) -> Result<Answer, EngineError> {
    answer(key, &mut RowList::new(&rows(found)))
}

/// The statement on each database, and the parameters filled in, as MySQL gets them.
fn check(query: &Query, sqlite: &str, postgres: &str, mysql: &str) {
    let text = |dialect| {
        let catalog = catalog(dialect);
        let prepared = catalog.locking(query.statement, Lock::Share);
        match (&prepared.read_back, dialect) {
            (Some(back), _) => format!("{}; {back}", prepared.run),
            (None, _) => prepared.run.clone(),
        }
    };
    assert_eq!(text(Dialect::Sqlite), sqlite);
    assert_eq!(text(Dialect::Postgres), postgres);
    let filled = with_literals(&text(Dialect::Mysql), &query.params);
    assert_eq!(filled.as_deref(), Some(mysql));
}

#[test]
fn keys_as_statements() {
    check(
        &query(&Key::Entry(Ino(5), name("a'b"))),
        "SELECT inode, type FROM jfs_P_edge WHERE parent = ?1 AND name = ?2",
        "SELECT inode, type FROM \"jfs_P_edge\" WHERE parent = $1 AND name = $2 FOR SHARE",
        "SELECT inode, type FROM jfs_P_edge WHERE parent = 5 AND name = x'612762' LOCK IN SHARE MODE",
    );
    check(
        &query(&Key::DirIsEmpty(Ino(5))),
        "SELECT 1 FROM jfs_P_edge WHERE parent = ?1 LIMIT 1",
        "SELECT 1 FROM \"jfs_P_edge\" WHERE parent = $1 LIMIT 1",
        "SELECT 1 FROM jfs_P_edge WHERE parent = 5 LIMIT 1",
    );
    check(
        &query(&Key::Counter(Counter::UsedSpace)),
        "SELECT value FROM jfs_P_counter WHERE name = ?1",
        "SELECT value FROM \"jfs_P_counter\" WHERE name = $1 FOR SHARE",
        "SELECT value FROM jfs_P_counter WHERE name = _utf8mb4 x'757365645370616365' LOCK IN SHARE MODE",
    );
}

#[test]
fn writes_as_statements() {
    let change = |write: Write| {
        let mut all = changes(&[write], AT);
        assert_eq!(all.len(), 1);
        let Change {
            statement,
            params,
            expect,
        } = all.remove(0);
        (Query { statement, params }, expect)
    };
    let (query, expect) = change(Write::DelEntry {
        dir: Ino(1),
        name: name("n"),
    });
    assert_eq!(expect, Expect::SomeRow);
    check(
        &query,
        "DELETE FROM jfs_P_edge WHERE parent = ?1 AND name = ?2",
        "WITH hit AS (DELETE FROM \"jfs_P_edge\" WHERE parent = $1 AND name = $2 RETURNING 1) \
         SELECT (count(*)) / (CASE WHEN count(*) > 0 THEN 1 ELSE 0 END) FROM hit",
        "DELETE FROM jfs_P_edge WHERE parent = 1 AND name = x'6e'; \
         SELECT (1) + IF(ROW_COUNT() > 0, 0, 9223372036854775807)",
    );
    let (query, expect) = change(Write::MarkDeleted {
        ino: Ino(9),
        length: 10,
    });
    assert_eq!(expect, Expect::Nothing);
    let insert = "INSERT INTO jfs_P_delfile (inode, length, expire) VALUES";
    check(
        &query,
        &format!(
            "{insert} (?1, ?2, ?3) ON CONFLICT (inode) DO UPDATE SET length = ?2, expire = ?3"
        ),
        "INSERT INTO \"jfs_P_delfile\" (inode, length, expire) VALUES ($1, $2, $3) \
         ON CONFLICT (inode) DO UPDATE SET length = $2, expire = $3",
        &format!("{insert} (9, 10, 77) ON DUPLICATE KEY UPDATE length = 10, expire = 77"),
    );
    let (query, expect) = change(Write::AddSliceUsers {
        id: 3,
        size: 4096,
        delta: -1,
    });
    assert_eq!(expect, Expect::UsersLeft { id: 3, size: 4096 });
    check(
        &query,
        "UPDATE jfs_P_chunk_ref SET refs = refs + ?1 WHERE chunkid = ?2 AND size = ?3 RETURNING refs",
        "UPDATE \"jfs_P_chunk_ref\" SET refs = refs + $1 WHERE chunkid = $2 AND size = $3 RETURNING refs",
        "UPDATE jfs_P_chunk_ref SET refs = refs + -1 WHERE chunkid = 3 AND size = 4096; \
         SELECT refs FROM jfs_P_chunk_ref WHERE chunkid = 3 AND size = 4096",
    );
}

/// An entry of the change log, with the number of records in a list before its end.
fn logged(later: Option<u64>) -> LogLine {
    let mut line = LogLine::default();
    line.push_text("1.000000001|WRITE(5)");
    if let Some(later) = later {
        line.push_text(":");
        let (ino, index) = (Ino(5), 1);
        line.push_number(LogPart::Records { ino, index, later });
    }
    line.push_text("|(1,2)");
    line
}

#[test]
fn entries_of_the_log_as_statements() {
    let change = |line: LogLine| {
        let mut all = changes(&[Write::Log(line)], AT);
        assert_eq!((all.len(), all[0].expect), (1, Expect::Nothing));
        let Change {
            statement, params, ..
        } = all.remove(0);
        Query { statement, params }
    };
    let hex = |text: &str| -> String { text.bytes().map(|b| format!("{b:02x}")).collect() };
    let text = hex("1.000000001|WRITE(5)|(1,2)");
    check(
        &change(logged(None)),
        "INSERT INTO jfs_P_change_log (entry) VALUES (?1)",
        "INSERT INTO \"jfs_P_change_log\" (entry) VALUES ($1)",
        &format!("INSERT INTO jfs_P_change_log (entry) VALUES (_utf8mb4 x'{text}')"),
    );
    let (before, after) = (hex("1.000000001|WRITE(5):"), hex("|(1,2)"));
    check(
        &change(logged(Some(2))),
        "INSERT INTO jfs_P_change_log (entry) VALUES (CAST(?1 AS text) || CAST(COALESCE((SELECT \
         length(CAST(slices AS BLOB)) / 24 FROM jfs_P_chunk WHERE inode = ?2 AND indx = ?3), 0) - \
         CAST(?4 AS bigint) AS text) || CAST(?5 AS text))",
        "INSERT INTO \"jfs_P_change_log\" (entry) VALUES (CAST($1 AS text) || CAST(COALESCE((SELECT \
         octet_length(slices) / 24 FROM \"jfs_P_chunk\" WHERE inode = $2 AND indx = $3), 0) - \
         CAST($4 AS bigint) AS text) || CAST($5 AS text))",
        &format!(
            "INSERT INTO jfs_P_change_log (entry) VALUES (concat(CAST(_utf8mb4 x'{before}' AS char), \
             CAST(COALESCE((SELECT octet_length(slices) DIV 24 FROM jfs_P_chunk WHERE inode = 5 AND \
             indx = 1), 0) - CAST(2 AS signed) AS char), CAST(_utf8mb4 x'{after}' AS char)))"
        ),
    );
}

/// Each statement finds exactly the parameters that it names.
#[test]
fn parameters_are_as_many_as_their_places() {
    let attr = Attr::new(FileType::Directory);
    let entry = Entry {
        ino: Ino(7),
        kind: FileType::Regular,
    };
    let record = record_of(1);
    let (ino, dir, n) = (Ino(7), Ino(1), || name("n"));
    let lock = |kind, value: &'static [u8]| Write::PutLock {
        ino,
        kind,
        sid: 1,
        owner: 2,
        value: value.into(),
    };
    let unlock = |kind| Write::DelLock {
        ino,
        kind,
        sid: 1,
        owner: 2,
        last_of_session: true,
    };
    let touch = |times| Write::TouchDir {
        ino: dir,
        attr: attr.clone(),
        nlink_delta: 1,
        times,
    };
    let writes = [
        Write::NewEntry {
            dir,
            name: n(),
            entry,
        },
        Write::ReplaceEntry {
            dir,
            name: n(),
            entry,
        },
        Write::NewNode {
            ino,
            attr: attr.clone(),
        },
        Write::PutAttr {
            ino,
            attr: attr.clone(),
        },
        touch(true),
        touch(false),
        Write::DelNode { ino },
        Write::NewSymlink {
            ino,
            target: b"t".to_vec(),
        },
        Write::DelSymlink { ino },
        Write::PutXattr {
            ino,
            name: "a".into(),
            value: "b".into(),
        },
        Write::DelXattr {
            ino,
            name: "a".into(),
        },
        Write::DelXattrs { ino },
        Write::AppendSlice {
            ino,
            index: 0,
            record,
        },
        Write::AppendToExisting {
            ino,
            from: 0,
            to: 9,
            record,
        },
        Write::NewSlice { id: 1, size: 2 },
        Write::ForgetSlice { id: 1, size: 2 },
        Write::DelChunk { ino, index: 0 },
        Write::MergeSlices {
            ino,
            index: 0,
            kept: vec![record],
            merged: 2,
            record: Some(record),
        },
        Write::DelSession { sid: 1 },
        Write::PutCounter {
            counter: Counter::NextTrash,
            value: 3,
        },
        Write::Log(logged(None)),
        Write::Log(logged(Some(2))),
        Write::Delay {
            id: 1,
            time: 2,
            entries: "e".into(),
        },
        Write::DelDelayed { id: 1, time: 2 },
        Write::ClearDeleted { ino, length: 1 },
        Write::Sustain { sid: 1, ino },
        Write::Unsustain { sid: 1, ino },
        lock(LockKind::Flock, b"W"),
        lock(LockKind::Posix, b"x"),
        unlock(LockKind::Flock),
        unlock(LockKind::Posix),
        Write::NewDirStat { dir },
        Write::DelDirStat { dir },
    ];
    let mut all: Vec<Query> = changes(&writes, AT)
        .into_iter()
        .map(
            |Change {
                 statement, params, ..
             }| Query { statement, params },
        )
        .collect();
    assert_eq!(all.len(), writes.len() + 1, "two statements for DelDirStat");
    all.extend([
        acl::candidates(&rule()),
        acl::insert(&rule()),
        cleanup::deleted(1, 2),
        cleanup::delayed(1, 2),
        cleanup::unused_slices(usize::MAX),
        cleanup::chunks(ino),
        counters::add("a", 1),
        counters::put("a", 1),
        counters::add_stat(dir, &Default::default()),
        counters::put_quota(dir, &Default::default()),
        counters::add_quota(dir, 1, 2),
        counters::quotas(),
        listing::lookup(dir, &n()),
        listing::page(dir, &Default::default(), true).unwrap(),
        listing::page(dir, &Default::default(), false).unwrap(),
        locks::of_session(1, LockKind::Flock),
        sessions::insert(1, 2, b"i"),
        sessions::refresh(1, 2, b"i"),
        volume::setting(),
        owners::list(),
        owners::clear(),
        owners::put(QuotaOwner::Group(7), &Default::default()),
        owners::add(&OwnerUsage {
            owner: QuotaOwner::User(7),
            space: 1,
            inodes: 1,
        }),
        change_log::count(),
        change_log::head(9),
        change_log::trim(9),
    ]);
    all.extend(volume::first_rows(Value::text(b"{}"), &attr, Some(&attr)));
    all.push(sessions::remove(1));
    for query in all {
        let text = catalog(Dialect::Postgres).get(query.statement).run.clone();
        let mut places: Vec<usize> = text
            .split('$')
            .skip(1)
            .map(|rest| {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                rest[..digits].parse().unwrap()
            })
            .collect();
        places.sort_unstable();
        places.dedup();
        let expected: Vec<usize> = (1..=query.params.len()).collect();
        assert_eq!(places, expected, "{text}");
    }
}

fn rule() -> jfs_types::AclRule {
    jfs_types::AclRule {
        owner: 7,
        group: 5,
        mask: 65535,
        other: 0,
        named_users: Vec::new(),
        named_groups: Vec::new(),
    }
}

fn record_of(id: u64) -> SliceRecord {
    SliceRecord {
        pos: 0,
        id: SliceId(id),
        size: 10,
        off: 0,
        len: 10,
    }
}

/// Each statement copies the whole list, so records that follow one another share one.
#[test]
fn appends_are_joined() {
    let append = |ino, index, id| Write::AppendSlice {
        ino: Ino(ino),
        index,
        record: record_of(id),
    };
    let writes = [
        append(2, 0, 1),
        Write::NewSlice { id: 1, size: 10 },
        append(2, 0, 2),
        append(2, 1, 3),
        Write::DelNode { ino: Ino(3) },
        append(2, 0, 4),
    ];
    let all = changes(&writes, AT);
    let shape: Vec<(Statement, usize)> = all
        .iter()
        .map(|change| match change.params.get(2) {
            Some(Value::Bytes(records)) => (change.statement, records.len()),
            _ => (change.statement, 0),
        })
        .collect();
    assert_eq!(
        shape,
        [
            (Statement::RefsInsert, 0),
            (Statement::ChunkAppend, 48),
            (Statement::ChunkAppend, 24),
            (Statement::NodeDelete, 0),
            (Statement::ChunkAppend, 24),
        ]
    );
    let mut receipt = Receipt::default();
    let mut settled = |n: usize, bytes: i64| {
        let found = rows(vec![vec![Value::Int(bytes)]]);
        let done = settle(&all[n], 1, &mut RowList::new(&found), &mut receipt);
        done.map(|()| receipt.records_in_chunk)
    };
    assert_eq!(settled(1, 480).unwrap(), 0, "not the newest of its run");
    assert_eq!(settled(2, 24).unwrap(), 1);
    assert_eq!(settled(4, 72).unwrap(), 3);
    let torn = settled(4, 73).unwrap_err();
    assert!(torn.to_string().contains("chunk 0 of 2"), "{torn}");
    assert!(matches!(
        all[4].expect.failed(),
        EngineError::Corrupt { .. }
    ));
}

#[test]
fn changes_that_met_nothing_are_conflicts() {
    let del = Write::DelEntry {
        dir: Ino(1),
        name: name("n"),
    };
    let users = Write::AddSliceUsers {
        id: 3,
        size: 4096,
        delta: -1,
    };
    let all = changes(&[del, users], AT);
    let mut receipt = Receipt::default();
    let mut settled = |n: usize, affected, found| {
        let found = rows(found);
        settle(&all[n], affected, &mut RowList::new(&found), &mut receipt)
    };
    assert!(matches!(settled(0, 0, vec![]), Err(EngineError::Conflict)));
    assert!(matches!(all[0].expect.failed(), EngineError::Conflict));
    settled(0, 1, vec![]).unwrap();
    settled(1, 0, vec![]).unwrap();
    settled(1, 1, vec![vec![Value::Int(1)]]).unwrap();
    settled(1, 1, vec![vec![Value::Int(0)]]).unwrap();
    assert_eq!(receipt.unused_slices, [(3, 4096)]);
}

#[test]
fn rows_as_answers() {
    let int = |n: i64| Value::Int(n);
    let key = Key::Parents(Ino(9));
    let parents = answered(&key, vec![vec![int(1), int(2)], vec![int(5), int(1)]]);
    assert_eq!(
        parents.unwrap(),
        Answer::Parents(vec![(Ino(1), 2), (Ino(5), 1)])
    );
    let key = Key::Xattrs(Ino(9));
    let names = vec![vec![Value::text(b"user.b")], vec![Value::text(b"user.B")]];
    assert_eq!(
        answered(&key, names).unwrap(),
        Answer::Names(vec!["user.B".into(), "user.b".into()]),
        "in the order of bytes"
    );
    let key = Key::Locks(Ino(9), LockKind::Flock);
    let locks = vec![
        vec![int(2), int(-1), int(87)],
        vec![int(1), int(4), int(82)],
    ];
    let lock = |sid, owner, value: &'static [u8]| LockRow {
        sid,
        owner,
        value: value.into(),
    };
    assert_eq!(
        answered(&key, locks).unwrap(),
        Answer::Locks(vec![lock(1, 4, b"R"), lock(2, u64::MAX, b"W")])
    );
    assert_eq!(
        answered(&Key::SliceUsers(1, 2), vec![]).unwrap(),
        Answer::Number(0)
    );
    assert_eq!(
        answered(&Key::DirIsEmpty(Ino(1)), vec![]).unwrap(),
        Answer::Flag(true)
    );
    let wrong = answered(&Key::SliceUsers(1, 2), vec![vec![Value::Null]]).unwrap_err();
    assert!(wrong.to_string().contains("chunk_ref 1"), "{wrong}");
}

/// A directory and one of its names are one statement.
#[test]
fn pairs_of_keys() {
    let keys = [
        Key::Attr(Ino(1)),
        Key::Entry(Ino(1), name("a")),
        Key::Attr(Ino(2)),
        Key::Entry(Ino(1), name("a")),
    ];
    let all: Vec<Ask<'_>> = asks(keys.iter()).collect();
    let a = name("a");
    assert_eq!(
        all,
        [
            Ask::NodeAndEdge(Ino(1), &a),
            Ask::One(&keys[2]),
            Ask::One(&keys[3])
        ]
    );
    let attr = Attr::new(FileType::Directory);
    let mut row = vec![Value::Int(7), Value::Int(1), Value::Int(1)];
    row.extend(node::values(&attr, Ino(1)));
    let entry = Entry {
        ino: Ino(7),
        kind: FileType::Regular,
    };
    let mut found = Vec::new();
    let list = rows(vec![row]);
    all[0].answer(&mut RowList::new(&list), &mut found).unwrap();
    assert_eq!(
        found,
        [Answer::Attr(Some(attr)), Answer::Entry(Some(entry))]
    );
    found.clear();
    let list = rows(vec![vec![Value::Null; 21]]);
    all[0].answer(&mut RowList::new(&list), &mut found).unwrap();
    assert_eq!(found, [Answer::Attr(None), Answer::Entry(None)]);
}
