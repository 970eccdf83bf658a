//! Requests to `.control` as jobs: they report, they end, and they end early when their handle goes.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../crates/jfs-vfs/tests/common/mod.rs"]
mod common;

use bytes::Bytes;
use common::volume::{Options, Volume};
use common::{eventually, root};
use jfs_control::{View, ViewConfig};
use jfs_meta::Engine;
use jfs_types::Ino;
use std::time::Duration;

const SUMMARY: u32 = 1007;

async fn start(dirs: usize) -> (Volume, View) {
    let volume = Volume::new(Options::default()).await;
    let mount = volume.mount().await;
    for n in 0..dirs {
        let name = format!("d{n}");
        mount
            .mkdir(&root(), Ino::ROOT, name.as_bytes(), 0o755, 0)
            .await
            .unwrap();
    }
    let view = View::new((*mount).clone(), ViewConfig::default());
    (volume, view)
}

async fn ask(view: &View, body: &[u8]) -> (u64, u64) {
    let control = view.lookup(&root(), Ino::ROOT, b".control").await.unwrap();
    let opened = view.open(&root(), control.ino, libc::O_RDWR).await;
    let (fh, _) = opened.unwrap();
    let length = (body.len() as u32).to_be_bytes();
    let request = [&SUMMARY.to_be_bytes(), &length, body].concat();
    let size = request.len() as u64;
    let written = view.vfs().write(fh, 0, Bytes::from(request)).await;
    assert_eq!(written, Ok(size as u32));
    (fh, size)
}

fn whole_tree() -> Vec<u8> {
    let mut body = Ino::ROOT.0.to_be_bytes().to_vec();
    body.extend([3, 10, 1]);
    body
}

#[tokio::test]
async fn closing_the_handle_ends_the_job() {
    let (volume, view) = start(20).await;
    let mount = view.vfs();
    for closes in [true, false] {
        volume.engine.answers().shut();
        let (fh, _) = ask(&view, &whole_tree()).await;
        volume.engine.answers().holds(1).await;
        if closes {
            assert!(mount.try_release(fh));
        }
        volume.engine.trips().take();
        volume.engine.trips().enable(true);
        volume.engine.answers().open();
        tokio::time::sleep(Duration::from_millis(200)).await;
        volume.engine.trips().enable(false);
        let trips = volume.engine.trips().take().len();
        if closes {
            assert_eq!(trips, 0, "nobody waits for the answer any more");
        } else {
            assert!(trips >= 20, "{trips}: the walk goes on");
            mount.release(fh).await;
        }
    }
}

/// A job that takes its time says how far it is; the answer lies behind the records.
#[tokio::test]
async fn long_jobs_report_progress() {
    let (volume, view) = start(3).await;
    let mount = view.vfs();
    volume.engine.answers().shut();
    let (fh, asked) = ask(&view, &whole_tree()).await;
    let read = async |off: u64| mount.read(fh, off, 1 << 16).await.unwrap();
    eventually("two records", async || read(asked).await.len() >= 34).await;
    let records = read(asked).await;
    assert!(
        records.chunks(17).all(|record| record[0] == 0xFE),
        "{records:?}"
    );
    volume.engine.answers().open();
    eventually("the answer", async || {
        let all = read(asked).await;
        let rest = all.chunks(17).position(|part| part[0] == 0xFF);
        rest.is_some_and(|at| all.ends_with(b"}") && all.len() > at * 17 + 5)
    })
    .await;
    let all = read(asked).await;
    let at = all.chunks(17).position(|part| part[0] == 0xFF).unwrap() * 17;
    let last = &all[at - 17..at];
    assert_eq!(
        last[..9],
        [0xFE, 0, 0, 0, 0, 0, 0, 0, 4],
        "the root and three directories"
    );
    let text = String::from_utf8(all[at + 5..].to_vec()).unwrap();
    assert!(text.contains("\"Dirs\":4"), "{text}");
    mount.release(fh).await;
}
