use crate::place::{Place, pattern};
use std::future::{Future, ready};
use std::time::{Duration, Instant};

/// Polls a future once and drops it.
async fn cut(future: impl Future) {
    tokio::select! {
        biased;
        _ = future => {}
        () = ready(()) => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn futures_that_are_dropped_lose_no_data_and_leak_no_handle() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    let content = pattern(2 << 20);
    fs.create_dir("/d").await.unwrap();
    for n in 0..10 {
        let file = fs.create(format!("/d/{n}")).await.unwrap();
        file.write_at(0, &content).await.unwrap();
        match n % 4 {
            0 => cut(file.close()).await,
            1 => cut(file.sync_all()).await,
            2 => cut(file.set_len(3 << 20)).await,
            // A read of what lies in several buffers stores them first.
            _ => cut(file.read_at((1 << 20) - 10, 20)).await,
        }
    }
    for _ in 0..10 {
        cut(fs.open("/d/0")).await;
        cut(fs.copy("/d/0", "/d/copy")).await;
    }
    let mut names = fs.read_dir("/d").await.unwrap();
    cut(names.next_entry()).await;
    drop(names);
    for n in 0..10 {
        let read = fs.read(format!("/d/{n}")).await.unwrap();
        assert!(read[..content.len()] == content, "{n}");
    }
    // No file is held open by an open that was cut.
    fs.remove_dir_all("/d").await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while place.blocks() > 0 {
        assert!(Instant::now() < deadline, "{} blocks", place.blocks());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    volume.close().await.unwrap();
}
