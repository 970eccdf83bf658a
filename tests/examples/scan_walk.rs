//! Walks every record of a volume of 200,000 files, on every engine, and prints time and memory:
//! `cargo run --release -p jfs-tests --example scan_walk [ENGINE...]`.
//!
//! The peak is that of all kinds so far, above what the process had before the walk.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of tests"
)]

use jfs_meta::engine::{ScanCursor, ScanKind};
use jfs_tests::many_records::store;
use jfs_tests::{Kind, Volume};
use std::process::Command;
use std::time::Instant;

const FILES: u64 = 200_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if_eq("walk").is_some() {
        return runtime.block_on(walk(&arguments.next().unwrap()));
    }
    let wanted: Vec<String> = arguments.collect();
    for kind in Kind::ALL {
        let name = format!("{kind:?}").to_lowercase();
        if wanted.is_empty() || wanted.contains(&name) {
            println!("\n{kind:?}\n");
            runtime.block_on(fill(kind));
        }
    }
}

/// Makes a volume, and has another process walk it: what this one needs does not count.
async fn fill(kind: Kind) {
    if kind == Kind::Memory {
        println!("no other process sees it");
        return;
    }
    let v = Volume::new(kind, 0).await;
    for of in [ScanKind::Inodes, ScanKind::Entries, ScanKind::Chunks] {
        store(&*v.engine, of, 0..FILES).await;
    }
    store(&*v.engine, ScanKind::Xattrs, 0..2700).await;
    let mut walk = Command::new(std::env::current_exe().unwrap());
    let walked = walk.arg("walk").arg(v.db.url()).status().unwrap();
    assert!(walked.success());
}

async fn walk(url: &str) {
    let engine = jfs::connect(url).await.unwrap();
    println!("| kind | records | pages | largest page | ms | peak MB |");
    println!("|---|---:|---:|---:|---:|---:|");
    let before = status("VmRSS:");
    for of in ScanKind::ALL {
        let since = Instant::now();
        let (mut records, mut pages, mut largest) = (0, 0, 0);
        let mut at = Some(ScanCursor::start(of));
        while let Some(from) = at {
            let page = engine.scan(&from).await.unwrap();
            records += page.records.len();
            pages += 1;
            largest = largest.max(page.records.len());
            at = page.next;
        }
        let peak = status("VmHWM:").saturating_sub(before) as f64 / 1024.0;
        let ms = since.elapsed().as_millis();
        let name = of.name();
        println!("| {name} | {records} | {pages} | {largest} | {ms} | {peak:.1} |");
    }
}

/// A line of the status of this process, KiB.
fn status(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let found = status.lines().find_map(|l| l.strip_prefix(line)).unwrap();
    found.trim().trim_end_matches(" kB").parse().unwrap()
}
