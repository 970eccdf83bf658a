use crate::place::{Place, kind};
use jfs::{ErrorKind, OpenOptions, StorageOptions, Volume};

/// A volume whose bucket takes nothing: a file lies where its directory of blocks would be.
async fn without_a_bucket(place: &Place) -> Volume {
    let chunks = place.objects_dir().join("test/chunks");
    std::fs::create_dir_all(chunks.parent().unwrap()).unwrap();
    std::fs::write(&chunks, "").unwrap();
    let storage = StorageOptions::new().io_retries(0);
    place.open_with(OpenOptions::new().storage(storage)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_reports_a_failed_upload() {
    let place = Place::new().await;
    let volume = without_a_bucket(&place).await;
    let fs = volume.fs();
    let file = fs.create("/f").await.unwrap();
    file.write_at(0, "lost").await.unwrap();
    let error = file.close().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Io, Some("close"))
    );
    assert_eq!(error.path(), Some(std::path::Path::new("/f")));
    assert_eq!(kind(fs.write("/g", "lost").await), ErrorKind::Io);
    assert_eq!(volume.lost_closes(), 0);

    // Dropped: nobody is told but the log, the count, and the end of the volume.
    let file = fs.create("/h").await.unwrap();
    file.write_at(0, "lost too").await.unwrap();
    drop(file);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while volume.lost_closes() == 0 {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let file = fs.create("/i").await.unwrap();
    file.write_at(0, "lost at the end").await.unwrap();
    let error = volume.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unwritten);
    assert!(error.to_string().contains("/i (15 bytes)"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_file_keeps_its_data() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    for n in 0..20 {
        let file = fs.create(format!("/dropped-{n}")).await.unwrap();
        file.write_at(0, vec![n; 100_000]).await.unwrap();
    }
    let open = fs.create("/open").await.unwrap();
    open.write_at(0, "still open").await.unwrap();
    volume.close().await.unwrap();
    drop(open);
    let volume = place.open().await;
    for n in 0..20 {
        let content = volume.fs().read(format!("/dropped-{n}")).await.unwrap();
        assert!(content == vec![n; 100_000], "{n}");
    }
    assert_eq!(volume.fs().read("/open").await.unwrap(), b"still open");
    volume.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_file_that_was_dropped_is_deleted() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    fs.write("/f", vec![1; 3_000_000]).await.unwrap();
    assert_eq!(place.blocks(), 3);
    let file = fs.open("/f").await.unwrap();
    fs.remove_file("/f").await.unwrap();
    assert_eq!(file.read_at(0, 9).await.unwrap(), vec![1; 9]);
    drop(file);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while place.blocks() > 0 {
        assert!(std::time::Instant::now() < deadline, "a handle has leaked");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    volume.close().await.unwrap();
}
