//! A program that embeds jfs: it formats a volume on SQLite and a local directory, writes a file,
//! opens the volume again and reads the file back.
//!
//! Run it with `cargo run -p jfs --example embed [DIRECTORY]`; without an argument a temporary
//! directory is used and removed.

use jfs::{Error, FormatOptions, OpenOptions, Volume};

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let dir = std::env::args()
        .nth(1)
        .unwrap_or(temporary.path().display().to_string());
    let url = format!("sqlite3://{dir}/volume.db");
    let options = FormatOptions::new()
        .name("example")
        .bucket(format!("{dir}/objects"))
        .compression("lz4");
    Volume::format(&url, options).await?;

    write_greeting(&url).await?;
    let text = read_greeting(&url).await?;
    println!("read back: {text}");
    if text != "hello, world" {
        return Err("the content differs".into());
    }
    Ok(())
}

async fn write_greeting(url: &str) -> Result<(), Error> {
    let volume = Volume::open(url, OpenOptions::new()).await?;
    let fs = volume.fs();
    fs.create_dir("/greetings").await?;
    let file = fs.create("/greetings/hello").await?;
    file.write_at(0, "hello, world").await?;
    file.sync_all().await?;
    file.close().await?;
    volume.close().await
}

async fn read_greeting(url: &str) -> Result<String, Error> {
    let volume = Volume::open(url, OpenOptions::new().read_only(true)).await?;
    let text = volume.fs().read_to_string("/greetings/hello").await?;
    volume.close().await?;
    Ok(text)
}
