//! Listings of directories (docs/SEMANTICS.md, "Directories"): every entry that stays is shown exactly
//! once, positions stay valid, and a listing is never held whole.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::root;
use common::volume::{Mount, Options, Volume};
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::kernel::KernelEdge;
use jfs_vfs::{DirItem, Vfs, VfsConfig};
use std::collections::BTreeMap;
use std::time::Duration;

/// Entries of a page of the engine in memory.
const PAGE: usize = 100;

/// How a volume lists its directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    ByName,
    /// As Redis does.
    ByHash,
}

const ORDERS: [Order; 2] = [Order::ByName, Order::ByHash];

async fn volume(order: Order) -> Volume {
    let volume = Volume::new(Options::default()).await;
    if order == Order::ByHash {
        volume.engine.scan_by_hash();
    }
    volume
}

/// Whether the kernel may use its cached listing of a directory again.
fn may_keep(vfs: &Vfs, dir: Ino) -> bool {
    KernelEdge::of(vfs).may_keep_listing(dir)
}

fn name(n: usize) -> String {
    format!("name-{n:05}")
}

/// A directory with so many files.
async fn filled(mount: &Mount, dir: &str, count: usize) -> Ino {
    let made = mount
        .mkdir(&root(), Ino::ROOT, dir.as_bytes(), 0o755, 0)
        .await;
    let dir = made.unwrap().ino;
    for n in 0..count {
        add(mount, dir, &name(n)).await;
    }
    dir
}

async fn add(mount: &Mount, dir: Ino, name: &str) {
    let (caller, flags) = (root(), libc::O_WRONLY);
    let made = mount.create(&caller, dir, name.as_bytes(), 0o644, 0, flags);
    let (_, fh, _) = made.await.unwrap();
    mount.close(fh).await.unwrap();
}

async fn open(mount: &Mount, dir: Ino) -> u64 {
    mount.opendir(&root(), dir).await.unwrap()
}

/// Lists from a position to the end; dots are left out.
async fn rest(mount: &Mount, fh: u64, mut position: u64) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    loop {
        let items = mount.readdir(fh, position).await.unwrap();
        let Some(last) = items.last() else {
            return all;
        };
        assert!(last.next > position, "the listing goes on");
        position = last.next;
        all.extend(shown(&items));
    }
}

fn shown(items: &[DirItem]) -> Vec<(String, u64)> {
    let named = items.iter().map(|i| (i.name.to_string(), i.next));
    named.filter(|(n, _)| n != "." && n != "..").collect()
}

fn names(listed: &[(String, u64)]) -> Vec<String> {
    let mut names: Vec<String> = listed.iter().map(|(n, _)| n.clone()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn sizes_around_pages() {
    for order in ORDERS {
        let volume = volume(order).await;
        let mount = volume.mount().await;
        for count in [
            0,
            1,
            PAGE - 1,
            PAGE,
            PAGE + 1,
            3 * PAGE - 1,
            3 * PAGE,
            3 * PAGE + 1,
        ] {
            let dir = filled(&mount, &format!("d{count}"), count).await;
            let fh = open(&mount, dir).await;
            let expected: Vec<String> = (0..count).map(name).collect();
            let listed = rest(&mount, fh, 0).await;
            assert_eq!(names(&listed), expected, "{order:?}, {count} entries");
            let positions: Vec<u64> = listed.iter().map(|(_, next)| *next).collect();
            let in_order: Vec<u64> = (3..count as u64 + 3).collect();
            assert_eq!(positions, in_order);
            // Rewound, it is read anew.
            add(&mount, dir, "later").await;
            assert_eq!(rest(&mount, fh, 0).await.len(), count + 1);
            mount.releasedir(fh);
        }
    }
}

#[tokio::test]
async fn no_page_is_longer_than_the_engines() {
    let volume = volume(Order::ByName).await;
    let mount = volume.mount().await;
    let dir = filled(&mount, "d", 5 * PAGE).await;
    let fh = open(&mount, dir).await;
    let items = mount.readdir(fh, 0).await.unwrap();
    assert_eq!(items.len(), PAGE + 2, "the dots come with the first page");
    let from = items[PAGE / 2].next;
    assert_eq!(
        mount.try_readdir(fh, from).unwrap().len(),
        PAGE + 1 - PAGE / 2
    );
    assert!(
        mount.try_readdir(fh, items[PAGE + 1].next).is_none(),
        "the next page is not read yet"
    );
    let next = mount.readdir(fh, items[PAGE + 1].next).await.unwrap();
    assert_eq!(next.len(), PAGE);
    assert!(
        mount.try_readdir(fh, from).is_none(),
        "the first page is gone"
    );
}

/// Entries come and go while a directory is listed; those that stay are shown exactly once.
#[tokio::test]
async fn changes_while_listing() {
    for order in ORDERS {
        let volume = volume(order).await;
        let mount = volume.mount().await;
        let dir = filled(&mount, "d", 5 * PAGE).await;
        let fh = open(&mount, dir).await;
        let (mut listed, mut position, mut round) = (Vec::new(), 0, 0);
        loop {
            let items = mount.readdir(fh, position).await.unwrap();
            let Some(last) = items.last() else { break };
            position = last.next;
            listed.extend(shown(&items));
            // As rm -r does, and somebody else besides: what was shown goes, others go and come.
            for (n, _) in shown(&items) {
                if n.ends_with(['1', '2', '3']) {
                    mount.unlink(&root(), dir, n.as_bytes()).await.unwrap();
                }
            }
            for n in (round * 97..5 * PAGE).step_by(7).filter(|n| n % 10 == 4) {
                let gone = mount.unlink(&root(), dir, name(n).as_bytes()).await;
                assert!(matches!(gone, Ok(()) | Err(Errno::ENOENT)));
            }
            add(&mount, dir, &format!("new-{round:03}")).await;
            add(&mount, dir, &format!("aaa-{round:03}")).await;
            round += 1;
        }
        assert!(round > 3, "several pages");
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for (n, _) in &listed {
            *count.entry(n).or_default() += 1;
        }
        assert!(count.values().all(|c| *c == 1), "{order:?}: a name twice");
        for n in (0..5 * PAGE).filter(|n| n % 10 != 4) {
            assert!(
                count.contains_key(&*name(n)),
                "{order:?}: {} is lost",
                name(n)
            );
        }
    }
}

/// telldir and seekdir: a position shows what it showed, less what went since.
#[tokio::test]
async fn going_back() {
    for order in ORDERS {
        let volume = volume(order).await;
        let mount = volume.mount().await;
        let dir = filled(&mount, "d", 4 * PAGE).await;
        let fh = open(&mount, dir).await;
        let mut before = rest(&mount, fh, 0).await;
        for n in (0..4 * PAGE).step_by(3) {
            mount
                .unlink(&root(), dir, name(n).as_bytes())
                .await
                .unwrap();
        }
        for n in 0..PAGE {
            add(&mount, dir, &format!("name-{n:05}-new")).await;
        }
        let gone = |n: &str| n[5..].parse::<usize>().unwrap() % 3 == 0;
        before.retain(|(n, _)| !gone(n));
        for start in [2, 3, 57, 101, 102, 103, 250, 399, 401, 402, 500] {
            let expected: Vec<_> = before.iter().filter(|(_, next)| *next > start).collect();
            let again = rest(&mount, fh, start).await;
            let again: Vec<_> = again.iter().collect();
            assert_eq!(again, expected, "{order:?}: from {start}");
        }
    }
}

/// A handle that never listed is told to go on somewhere, as an NFS server does.
#[tokio::test]
async fn positions_of_another_handle() {
    for readdir_cache in [false, true] {
        let volume = volume(Order::ByName).await;
        let config = VfsConfig {
            readdir_cache,
            ..VfsConfig::default()
        };
        let mount = volume.mount_with(config).await;
        let dir = filled(&mount, "d", 3 * PAGE).await;
        let first = open(&mount, dir).await;
        let all = rest(&mount, first, 0).await;
        let mut seen = vec![all[0].clone()];
        while let Some((_, position)) = seen.last().cloned() {
            let fh = open(&mount, dir).await;
            let items = mount.readdir(fh, position).await.unwrap();
            mount.releasedir(fh);
            let new = shown(&items);
            if new.is_empty() {
                break;
            }
            seen.extend(new);
            assert!(seen.len() <= all.len(), "it ends");
        }
        assert_eq!(names(&seen), names(&all));
    }
}

#[tokio::test]
async fn sorted_by_name() {
    for (order, count) in [
        (Order::ByName, 250),
        (Order::ByHash, 250),
        (Order::ByHash, 1),
        (Order::ByHash, 2500),
    ] {
        let volume = volume(order).await;
        let config = VfsConfig {
            sort_dir: true,
            ..VfsConfig::default()
        };
        let mount = volume.mount_with(config).await;
        let dir = filled(&mount, "d", count).await;
        let fh = open(&mount, dir).await;
        let listed = rest(&mount, fh, 0).await;
        let expected: Vec<(String, u64)> = (0..count).map(|n| (name(n), n as u64 + 3)).collect();
        assert!(
            listed == expected,
            "{order:?}, {count}: {:?}",
            &listed[..listed.len().min(5)]
        );
        let attrs = mount.readdir(fh, 2).await.unwrap();
        assert!(attrs.iter().all(|i| i.attr.as_ref().unwrap().mode == 0o644));
        assert_eq!(
            rest(&mount, fh, count as u64 / 2 + 2).await,
            expected[count / 2..]
        );
    }
}

/// A listing may be kept by the kernel when its directory had been at rest.
#[tokio::test]
async fn kept_listings() {
    let volume = volume(Order::ByName).await;
    let config = VfsConfig {
        readdir_cache: true,
        ..VfsConfig::default()
    };
    let mount = volume.mount_with(config).await;
    let dir = filled(&mount, "d", 3 * PAGE).await;
    let fh = open(&mount, dir).await;
    rest(&mount, fh, 0).await;
    assert!(!may_keep(&mount, dir), "it has just changed");
    let now = mount.meta().now();
    let old = jfs_vfs::SetAttrRequest {
        mtime: Some(jfs_vfs::SetTime::At(jfs_types::Time {
            sec: now.sec - 100,
            nsec: 0,
        })),
        ..Default::default()
    };
    mount.setattr(&root(), dir, &old).await.unwrap();
    let all = rest(&mount, fh, 0).await;
    assert!(may_keep(&mount, dir));
    // The kernel's copy is cut off in the middle, and goes on with another handle.
    let other = open(&mount, dir).await;
    mount
        .unlink(&root(), dir, name(0).as_bytes())
        .await
        .unwrap();
    add(&mount, dir, "name-00000-new").await;
    assert_eq!(rest(&mount, other, all[PAGE].1).await, all[PAGE + 1..]);
    // Positions of different listings are different.
    let again = rest(&mount, fh, 0).await;
    assert!(
        again
            .iter()
            .all(|(_, next)| all.iter().all(|(_, other)| next != other))
    );
    assert!(!may_keep(&mount, dir), "it has just changed");
    let plain = volume.mount().await;
    assert!(plain.config().negative_timeout == Duration::ZERO && !may_keep(&plain, dir));
}

#[tokio::test]
async fn permissions_to_list() {
    let volume = volume(Order::ByName).await;
    let mount = volume.mount().await;
    let dir = filled(&mount, "d", 1).await;
    let other = Caller::user(1, 1);
    let fh = mount.opendir(&other, dir).await.unwrap();
    assert_eq!(rest(&mount, fh, 0).await.len(), 1);
    let (file, fh) = mount.create_file("f").await;
    mount.close(fh).await.unwrap();
    assert_eq!(mount.opendir(&other, file).await, Err(Errno::ENOTDIR));
    let mode = jfs_vfs::SetAttrRequest {
        mode: Some(0o711),
        ..Default::default()
    };
    mount.setattr(&root(), dir, &mode).await.unwrap();
    assert_eq!(mount.opendir(&other, dir).await, Err(Errno::EACCES));
    assert_eq!(mount.opendir(&other, Ino(999)).await, Err(Errno::ENOENT));
    assert!(mount.try_opendir(&other, dir).is_none());
    assert_eq!(mount.readdir(999, 0).await.unwrap_err(), Errno::EBADF);
}
