use crate::place::{Place, kind};
use jfs::{ErrorKind, OpenOptions, Volume};
use std::error::Error;
use std::path::Path;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_carry_kind_path_operation_and_source() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    let error = fs.read("/no/file").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.operation(), Some("read"));
    assert_eq!(error.path(), Some(Path::new("/no/file")));
    assert_eq!(error.errno(), Some(libc::ENOENT));
    assert_eq!(error.to_string(), "read /no/file: not found");
    assert!(error.source().unwrap().to_string().contains("ENOENT"));

    fs.write("/f", "x").await.unwrap();
    for (error, operation) in [
        (fs.create_dir("/f").await.unwrap_err(), "create_dir"),
        (fs.create_dir_all("/f").await.unwrap_err(), "create_dir_all"),
        (fs.remove_dir("/f").await.unwrap_err(), "remove_dir"),
        (fs.read_link("/f").await.unwrap_err(), "read_link"),
        (fs.copy("/f", "/f").await.unwrap_err(), "copy"),
        (fs.open_dir("/f").await.unwrap_err(), "open_dir"),
    ] {
        assert_eq!(error.operation(), Some(operation));
        assert_eq!(error.path(), Some(Path::new("/f")));
    }
    let file = fs.open("/f").await.unwrap();
    let error = file.write_at(0, "y").await.unwrap_err();
    assert_eq!(error.operation(), Some("write_at"));
    assert_eq!(error.path(), Some(Path::new("/f")));
    let io: std::io::Error = fs.metadata("/none").await.unwrap_err().into();
    assert_eq!(io.kind(), std::io::ErrorKind::NotFound);

    volume.close().await.unwrap();
    assert_eq!(kind(fs.metadata("/f").await), ErrorKind::Closed);
    assert_eq!(kind(file.read_at(0, 1).await), ErrorKind::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_volume_refuses_changes() {
    let place = Place::new().await;
    let volume = place.open().await;
    volume.fs().write("/f", "x").await.unwrap();
    volume.close().await.unwrap();
    let volume = place.open_with(OpenOptions::new().read_only(true)).await;
    let fs = volume.fs();
    assert!(volume.read_only() && volume.session_id().is_none());
    assert_eq!(fs.read("/f").await.unwrap(), b"x");
    for refused in [
        kind(fs.write("/f", "y").await),
        kind(fs.create_dir("/d").await),
        kind(fs.remove_file("/f").await),
        kind(fs.rename("/f", "/g").await),
        kind(fs.set_xattr("/f", "user.a", "b").await),
        kind(fs.chown("/f", Some(1), None).await),
    ] {
        assert_eq!(refused, ErrorKind::ReadOnly);
    }
    assert_eq!(fs.read("/f").await.unwrap(), b"x");
    volume.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volumes_that_cannot_be_opened_or_formatted_say_why() {
    let place = Place::new().await;
    let again = Volume::format(&place.url(), place.format_options()).await;
    assert_eq!(kind(again), ErrorKind::AlreadyExists);
    let dir = tempfile::tempdir().unwrap();
    let other = format!("sqlite3://{}/none.db", dir.path().display());
    let unformatted = Volume::open(&other, OpenOptions::new()).await;
    assert_eq!(kind(unformatted.map(|_| ())), ErrorKind::NotFormatted);
    // The bucket holds the first volume.
    let taken = Volume::format(&other, place.format_options()).await;
    assert_eq!(kind(taken), ErrorKind::Storage);
    let url = Volume::open("gopher://x", OpenOptions::new()).await;
    assert_eq!(kind(url.map(|_| ())), ErrorKind::Url);
}
