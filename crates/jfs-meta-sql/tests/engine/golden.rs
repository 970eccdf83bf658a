//! Databases that the reference client wrote, read through the engine.

use crate::odd_rows::schema;
use crate::scratch_volume::*;
use jfs_meta::Engine;
use jfs_meta::engine::*;
use jfs_meta::wire::decode_records;
use jfs_meta_sql::SqliteEngine;
use jfs_testkit::{Fixture, Kind, Node, Tree};
use jfs_types::*;

/// Everything below `dir`, as far as metadata tells.
async fn walk(engine: &SqliteEngine, top: &[u8], dir: Ino, tree: &mut Tree) {
    let mut waiting = vec![(top.to_vec(), dir)];
    while let Some((path, dir)) = waiting.pop() {
        let mut cursor = DirCursor::Start;
        loop {
            let page = engine.list_dir(dir, &cursor, true).await.unwrap();
            for e in page.entries {
                let mut below = path.clone();
                if below != b"/" {
                    below.push(b'/');
                }
                below.extend_from_slice(e.name.as_bytes());
                let attr = e.attr.unwrap();
                assert_eq!(attr.kind, e.entry.kind);
                if attr.is_dir() {
                    waiting.push((below.clone(), e.entry.ino));
                }
                let node = node(engine, e.entry.ino, attr).await;
                tree.insert(below, node);
            }
            match page.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
    }
}

async fn node(engine: &SqliteEngine, ino: Ino, a: Attr) -> Node {
    let target = match a.kind {
        FileType::Symlink => get(engine, Key::Symlink(ino)).await.into_bytes().unwrap(),
        _ => None,
    };
    Node {
        kind: match a.kind {
            FileType::Regular => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::CharDevice => Kind::CharDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::Socket => Kind::Socket,
        },
        ino: ino.0,
        mode: u32::from(a.mode),
        uid: a.uid,
        gid: a.gid,
        size: a.length,
        nlink: u64::from(a.nlink),
        blocks: 0,
        mtime_ns: a.mtime.as_nanos(),
        ctime_ns: a.ctime.as_nanos(),
        atime_ns: (!a.is_dir()).then(|| a.atime.as_nanos()),
        sha256: None,
        target: target.map(|t| t.to_vec()),
        rdev: None,
        xattrs: Default::default(),
        flags: 0,
    }
}

/// A manifest's node without what the record of a node does not tell.
fn comparable(node: &Node) -> Node {
    Node {
        blocks: 0,
        sha256: None,
        rdev: None,
        xattrs: Default::default(),
        flags: 0,
        ..node.clone()
    }
}

#[tokio::test]
async fn trees_equal_their_manifests() {
    for volume in ["plain", "lz4", "zstd", "mini-hash"] {
        let fixture = Fixture::unpack(volume).unwrap();
        let engine = SqliteEngine::open(&fixture.meta_url()).unwrap();
        let json = engine.load_setting().await.unwrap().unwrap();
        let format = Format::from_json(&json).unwrap();
        assert_eq!(format.name, volume);

        let mut tree = Tree::new();
        walk(&engine, b"/", Ino::ROOT, &mut tree).await;
        let root = attr(&engine, 1).await.unwrap();
        tree.insert(b"/".to_vec(), node(&engine, Ino::ROOT, root).await);
        let wanted: Tree = fixture
            .manifest()
            .entries
            .iter()
            .map(|(p, n)| (p.clone(), comparable(n)))
            .collect();
        assert!(wanted.len() > 3);
        for (path, node) in &wanted {
            let path_text = path.escape_ascii();
            assert_eq!(tree.get(path), Some(node), "{volume}: {path_text}");
        }
        assert_eq!(tree.len(), wanted.len(), "{volume}");

        let mut trash = Tree::new();
        walk(&engine, b"/.trash", Ino::TRASH, &mut trash).await;
        for (path, node) in fixture
            .manifest()
            .trash
            .iter()
            .filter(|(p, _)| *p != b"/.trash")
        {
            assert_eq!(
                trash.get(path),
                Some(&comparable(node)),
                "{volume}: {}",
                path.escape_ascii()
            );
        }
        engine.shutdown().await.unwrap();
    }
}

/// Chunk lists that the reference appended to are of class TEXT.
#[tokio::test]
async fn chunk_lists_decode() {
    let fixture = Fixture::unpack("plain").unwrap();
    let engine = SqliteEngine::open(&fixture.meta_url()).unwrap();
    let c = rusqlite::Connection::open(fixture.dir().join("meta.db")).unwrap();
    let sql = "SELECT inode, indx, typeof(slices), length(CAST(slices AS BLOB)) FROM jfs_chunk";
    let mut s = c.prepare(sql).unwrap();
    let rows = s.query_map([], |r| {
        Ok((
            r.get::<_, i64>(0)?,
            r.get::<_, u32>(1)?,
            r.get::<_, String>(2)?,
            r.get::<_, u32>(3)? as usize,
        ))
    });
    let mut texts = 0;
    for row in rows.unwrap() {
        let (ino, index, class, length) = row.unwrap();
        texts += usize::from(class == "text");
        let bytes = get(&engine, Key::Chunk(Ino(ino as u64), index))
            .await
            .into_bytes()
            .unwrap()
            .unwrap();
        assert_eq!(decode_records(&bytes).unwrap().len() * 24, length);
        assert!(
            engine
                .list_chunks(Ino(ino as u64), 0)
                .await
                .unwrap()
                .contains(&index)
        );
    }
    assert!(texts > 3, "{texts} lists of class TEXT");
}

/// Byte for byte: a schema that differs makes the reference client change tables at its next start.
#[tokio::test]
async fn our_schema_is_the_reference_s() {
    let fixture = Fixture::unpack("plain").unwrap();
    let theirs = Bed::empty();
    std::fs::copy(fixture.dir().join("meta.db"), theirs.path()).unwrap();
    let ours = Bed::new().await;
    assert_eq!(schema(&ours), schema(&theirs));
    // And nothing to complete in theirs.
    theirs.engine.trips().enable(true);
    theirs.engine.prepare_writes().await.unwrap();
    assert!(
        theirs
            .engine
            .trips()
            .take()
            .iter()
            .all(|t| t.what.starts_with("SELECT"))
    );
}
