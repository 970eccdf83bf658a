//! A program that embeds jfs: it formats a volume on SQLite and a local directory, writes a file,
//! opens the volume again and reads the file back.
//!
//! Run it with `cargo run -p jfs --example embed [DIRECTORY]`; without an argument a temporary
//! directory is used and removed.

use jfs::admin::{self, FormatOptions};
use jfs::types::{Caller, Format, Ino};
use jfs::{Error, OpenOptions};
use std::path::Path;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let dir = std::env::args()
        .nth(1)
        .map_or(temporary.path().to_path_buf(), Into::into);
    let url = format!("sqlite3://{}/volume.db", dir.display());

    format_volume(&url, &dir).await?;
    write_greeting(&url).await?;
    let text = read_greeting(&url).await?;
    println!("read back: {text}");
    if text != "hello, world" {
        return Err("the content differs".into());
    }
    Ok(())
}

async fn format_volume(url: &str, dir: &Path) -> Result<(), Error> {
    let format = Format {
        name: "example".into(),
        uuid: uuid::Uuid::new_v4().to_string(),
        storage: "file".into(),
        bucket: format!("{}/objects/", dir.display()),
        block_size: 4096,
        compression: "lz4".into(),
        trash_days: 1,
        meta_version: 1,
        dir_stats: true,
        ..Format::default()
    };
    admin::format(
        url,
        format,
        FormatOptions {
            force: false,
            check_storage: true,
        },
    )
    .await?;
    Ok(())
}

async fn write_greeting(url: &str) -> Result<(), Error> {
    let volume = jfs::open(url, OpenOptions::default()).await?;
    let (vfs, me) = (volume.vfs(), Caller::root());
    let dir = vfs
        .mkdir(&me, Ino::ROOT, b"greetings", 0o755, 0o022)
        .await?;
    let (_, fh, _) = vfs
        .create(&me, dir.ino, b"hello", 0o644, 0o022, libc::O_WRONLY)
        .await?;
    vfs.write(fh, 0, b"hello, world".as_slice().into()).await?;
    vfs.fsync(fh).await?;
    vfs.release(fh).await;
    volume.close().await
}

async fn read_greeting(url: &str) -> Result<String, Error> {
    let volume = jfs::open(
        url,
        OpenOptions {
            read_only: true,
            ..OpenOptions::default()
        },
    )
    .await?;
    let (vfs, me) = (volume.vfs(), Caller::root());
    let dir = vfs.lookup(&me, Ino::ROOT, b"greetings").await?;
    let file = vfs.lookup(&me, dir.ino, b"hello").await?;
    let (fh, _) = vfs.open(&me, file.ino, libc::O_RDONLY).await?;
    let bytes = vfs.read(fh, 0, 1 << 20).await?;
    vfs.release(fh).await;
    volume.close().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
