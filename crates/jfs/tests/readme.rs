//! The code block of README.md, run.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs::FormatOptions;

/// The lines of the block that this test runs as they are, but for the address.
const BLOCK: [&str; 4] = [
    r#"let volume = jfs::Volume::open("sqlite3:///srv/meta.db", jfs::OpenOptions::new()).await?;"#,
    "let fs = volume.fs();",
    r#"fs.create_dir_all("/a/b").await?;"#,
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
    let bucket = format!("{}/objects", dir.path().display());
    let options = FormatOptions::new().name("readme").bucket(bucket);
    jfs::Volume::format(&url, options).await?;
    let volume = jfs::Volume::open(&url, jfs::OpenOptions::new()).await?;
    let fs = volume.fs();
    fs.create_dir_all("/a/b").await?;
    assert!(fs.metadata("/a/b").await?.is_dir());
    volume.close().await?;
    Ok(())
}
