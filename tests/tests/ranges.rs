//! A file under random writes, copies, holes, truncations and compactions, against a copy in memory:
//! whatever is compacted away, no byte changes and no object is missing.
//!
//! Version 1.4.2 loses data here when the volume has no trash.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_maint::{clean_unused_slices, compact_chunk};
use jfs_testkit::scratch_dir;
use jfs_tests::{Db, Kind, Rng};
use jfs_types::{Caller, Format, Ino};
use jfs_vfs::{SetAttrRequest, Vfs};
use std::path::Path;

/// Longest file.
const LENGTH: u64 = 400_000;

#[test]
fn bytes_survive_on_sqlite() {
    jfs_tests::run(Kind::Sqlite, |kind| bytes_survive(kind, 0));
}

#[test]
fn bytes_survive_on_redis() {
    jfs_tests::run(Kind::Redis, |kind| bytes_survive(kind, 0));
}

#[test]
fn bytes_survive_with_a_trash() {
    jfs_tests::run(Kind::Sqlite, |kind| bytes_survive(kind, 1));
}

async fn open(kind: Kind, trash_days: i64, bucket: &Path) -> (Db, jfs::Volume) {
    let db = Db::new(kind).await;
    let format = Format {
        storage: "file".into(),
        bucket: format!("{}/", bucket.display()),
        block_size: 64,
        trash_days,
        ..jfs_tests::volume::setting()
    };
    let options = jfs::admin::FormatOptions::default();
    jfs::admin::format(&db.url(), format, options)
        .await
        .unwrap();
    let options = jfs::OpenOptions::default();
    let engine = db.connect().await;
    let volume = jfs::open_engine(engine, options).await.unwrap();
    (db, volume)
}

/// One file: its handle, and what it has to hold.
struct File<'a> {
    vfs: &'a Vfs,
    ino: Ino,
    fh: u64,
    bytes: Vec<u8>,
}

impl File<'_> {
    async fn step(&mut self, rng: &mut Rng) {
        let me = Caller::root();
        let (off, len) = (rng.below(LENGTH - 60_000), 1 + rng.below(60_000));
        let end = (off + len) as usize;
        match rng.below(8) {
            0..=2 => {
                let fill = rng.below(256) as u8;
                let data: Vec<u8> = (0..len).map(|n| fill ^ (n % 251) as u8).collect();
                self.grow(end);
                self.bytes[off as usize..end].copy_from_slice(&data);
                self.vfs.write(self.fh, off, data.into()).await.unwrap();
            }
            3 | 4 => {
                let to = rng.below(LENGTH - 60_000);
                let len = len
                    .min(off.abs_diff(to))
                    .min(self.bytes.len() as u64 - off.min(self.bytes.len() as u64));
                let copied = self
                    .vfs
                    .copy_file_range((self.fh, off), (self.fh, to), len)
                    .await
                    .unwrap();
                assert_eq!(copied, len);
                if len > 0 {
                    self.grow((to + len) as usize);
                    self.bytes
                        .copy_within(off as usize..(off + len) as usize, to as usize);
                }
            }
            5 => {
                self.vfs.fallocate(&me, self.fh, 3, off, len).await.unwrap();
                let end = end.min(self.bytes.len());
                self.bytes[(off as usize).min(end)..end].fill(0);
            }
            6 => {
                let set = SetAttrRequest {
                    size: Some(off),
                    ..SetAttrRequest::default()
                };
                self.vfs.setattr(&me, self.ino, &set).await.unwrap();
                self.bytes.resize(off as usize, 0);
            }
            _ => self
                .vfs
                .fallocate(&me, self.fh, 0, off, len)
                .await
                .map(|()| self.grow(end))
                .unwrap(),
        }
    }

    fn grow(&mut self, end: usize) {
        let length = self.bytes.len().max(end);
        self.bytes.resize(length, 0);
    }

    async fn check(&self, what: &str) {
        let mut read = Vec::new();
        while read.len() < self.bytes.len() {
            let data = self.vfs.read(self.fh, read.len() as u64, 128 << 10).await;
            let data = data.unwrap();
            assert!(!data.is_empty(), "{what}: ends at {}", read.len());
            read.extend_from_slice(&data);
        }
        assert_eq!(read.len(), self.bytes.len(), "{what}");
        let wrong = read.iter().zip(&self.bytes).position(|(a, b)| a != b);
        assert_eq!(wrong, None, "{what}: byte");
    }
}

async fn bytes_survive(kind: Kind, trash_days: i64) {
    for seed in 0..3 {
        let bucket = scratch_dir().unwrap();
        let (_db, volume) = open(kind, trash_days, bucket.path()).await;
        let me = Caller::root();
        let flags = 2; // O_RDWR
        let (entry, fh, _) = volume
            .vfs()
            .create(&me, Ino::ROOT, b"f", 0o644, 0, flags)
            .await
            .unwrap();
        let mut file = File {
            vfs: volume.vfs(),
            ino: entry.ino,
            fh,
            bytes: Vec::new(),
        };
        let mut rng = Rng::new(seed);
        let mut merged = 0;
        for n in 0..120 {
            file.step(&mut rng).await;
            if rng.below(6) == 0 {
                file.vfs.flush(fh).await.unwrap();
                merged += compact_chunk(volume.meta(), file.vfs.chunks(), entry.ino, 0)
                    .await
                    .unwrap();
                clean_unused_slices(volume.meta(), file.vfs.chunks())
                    .await
                    .unwrap();
            }
            if rng.below(4) == 0 {
                file.check(&format!("seed {seed}, step {n}")).await;
            }
        }
        file.check(&format!("seed {seed}, end")).await;
        assert!(merged > 20, "{merged} records were merged");
        volume.vfs().release(fh).await;
        volume.close().await.unwrap();
    }
}
