//! Scans without a database: which statements a page takes, and where it ends.

use super::*;
use crate::dialect::{Dialect, Lock, with_literals};
use crate::statement::Catalog;
use crate::value::RowList;

fn rows(rows: Vec<Vec<Value>>) -> Vec<Box<dyn Row + Send>> {
    rows.into_iter()
        .map(|row| Box::new(row) as Box<dyn Row + Send>)
        .collect()
}

fn int(n: i64) -> Value {
    Value::Int(n)
}

fn scan(from: &str) -> Scan {
    Scan::new(&from.parse().unwrap()).unwrap()
}

/// The next statement as MySQL gets it.
fn asked(scan: &Scan) -> String {
    let query = scan.query().unwrap();
    let catalog = Catalog::new(Dialect::Mysql, "jfs_");
    let prepared = catalog.locking(query.statement, Lock::None);
    with_literals(&prepared.run, &query.params).unwrap()
}

fn give(scan: &mut Scan, found: Vec<Vec<Value>>) {
    scan.take(&mut RowList::new(&rows(found))).unwrap();
}

/// The next position after the last statement of a page.
fn next(scan: Scan) -> Option<String> {
    assert!(scan.query().is_none());
    scan.into_page().next.map(|at| at.to_string())
}

#[test]
fn small_rows_are_one_statement() {
    let mut all = scan("slice-users");
    assert_eq!(
        asked(&all),
        format!(
            "SELECT chunkid, size, refs FROM jfs_chunk_ref WHERE chunkid > {} AND chunkid <= {} \
             ORDER BY chunkid LIMIT 1000",
            i64::MIN,
            i64::MAX
        )
    );
    give(&mut all, vec![vec![int(7), int(4096), int(2)]]);
    assert_eq!(next(all), None);

    let mut full = scan("slice-users:7");
    let row = |id: usize| vec![int(id as i64), int(4096), int(2)];
    give(&mut full, (8..8 + SCAN_PAGE).map(row).collect());
    assert_eq!(next(full).as_deref(), Some("slice-users:1007"));
}

#[test]
fn large_rows_are_measured() {
    let mut lists = scan("chunks:5");
    assert_eq!(
        asked(&lists),
        "SELECT id, octet_length(slices) FROM jfs_chunk WHERE id > 5 ORDER BY id LIMIT 1000"
    );
    let half = SCAN_PAGE_BYTES as i64 / 2;
    let sizes = [(6, 24), (9, half), (10, half), (11, 24)];
    give(
        &mut lists,
        sizes.map(|(id, bytes)| vec![int(id), int(bytes)]).to_vec(),
    );
    // Not 11, although another client may have stored rows before 10.
    assert_eq!(
        asked(&lists),
        "SELECT id, inode, indx, slices FROM jfs_chunk WHERE id > 5 AND id <= 10 ORDER BY id LIMIT 1000"
    );
    let list = Value::bytes(&[0; 24]);
    give(&mut lists, vec![vec![int(6), int(2), int(0), list]]);
    assert_eq!(next(lists).as_deref(), Some("chunks:10"));

    let mut none = scan("chunks:10");
    give(&mut none, Vec::new());
    assert_eq!(next(none), None);
}

#[test]
fn parents_are_looked_for_in_a_part_of_the_inodes() {
    let mut part = scan("parents:5,70");
    assert_eq!(
        asked(&part),
        "SELECT inode FROM jfs_node WHERE inode > 5 ORDER BY inode LIMIT 1 OFFSET 20000"
    );
    give(&mut part, vec![vec![int(30_000)]]);
    let asked_for = asked(&part);
    let limits = "n.inode >= 5 AND n.inode <= 30000 AND (n.inode > 5 OR e.parent > 70)";
    assert!(asked_for.contains(limits), "{asked_for}");
    give(&mut part, vec![vec![int(9), int(70), int(2)]]);
    // Behind every directory of the last inode.
    let end = format!("parents:30000,{}", i64::MAX);
    assert_eq!(next(part), Some(end));

    let mut last = scan("parents:30000,9");
    give(&mut last, Vec::new());
    assert!(asked(&last).contains(&format!("n.inode <= {}", i64::MAX)));
    give(&mut last, Vec::new());
    assert_eq!(next(last), None);
}

#[test]
fn rows_that_do_not_decode_are_named() {
    let mut entries = scan("entries");
    let name = || Value::bytes(b"name");
    give(
        &mut entries,
        vec![
            vec![int(5), int(77), int(1), name(), int(31)],
            vec![int(6), int(1), int(1), name(), int(32)],
        ],
    );
    let page = entries.into_page();
    assert_eq!(page.records.len(), 1);
    assert_eq!(page.unreadable.len(), 1);
    assert_eq!(page.unreadable[0].record, "edge 31");
    assert!(page.unreadable[0].reason.contains("77"));
}

#[test]
fn tables_without_an_id_have_a_row_number_on_sqlite() {
    let sqlite = Catalog::new(Dialect::Sqlite, "jfs_");
    let run = |statement| sqlite.locking(statement, Lock::None).run.clone();
    for statement in [
        S::ScanEdges,
        S::ScanChunkSizes,
        S::ScanXattrs,
        S::ScanSustained,
    ] {
        let text = run(statement);
        assert!(text.contains("rowid > ?1 "), "{text}");
    }
}
