//! The code block of README.md, run.

use jfs::admin::{self, FormatOptions};
use jfs::types::{Caller, Format, Ino};

/// The lines of the block that this test runs as they are, but for the address.
const BLOCK: [&str; 3] = [
    r#"let volume = jfs::open("sqlite3:///srv/meta.db", jfs::OpenOptions::default()).await?;"#,
    "let vfs = volume.vfs();",
    "volume.close().await?;",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_code_in_the_readme_runs() -> Result<(), Box<dyn std::error::Error>> {
    let readme = include_str!("../../../README.md");
    let block = readme.split("```rust\n").nth(1);
    let block = block.and_then(|rest| rest.split("```").next());
    let lines: Vec<&str> = block.unwrap_or_default().lines().collect();
    assert_eq!(lines.len(), BLOCK.len(), "{lines:?}");
    for (line, run) in lines.into_iter().zip(BLOCK) {
        // A comment may follow.
        assert!(line.starts_with(run), "{line} is not {run}");
    }

    let dir = tempfile::tempdir()?;
    let url = format!("sqlite3://{}/meta.db", dir.path().display());
    let format = Format {
        name: "readme".into(),
        uuid: uuid::Uuid::new_v4().to_string(),
        storage: "file".into(),
        bucket: format!("{}/objects/", dir.path().display()),
        block_size: 4096,
        meta_version: 1,
        ..Format::default()
    };
    let options = FormatOptions {
        force: false,
        check_storage: true,
    };
    admin::format(&url, format, options).await?;
    let volume = jfs::open(&url, jfs::OpenOptions::default()).await?;
    let vfs = volume.vfs();
    let made = vfs.mkdir(&Caller::root(), Ino::ROOT, b"d", 0o755, 0).await;
    assert!(made.is_ok());
    volume.close().await?;
    Ok(())
}
