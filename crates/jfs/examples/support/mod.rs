//! A volume for the examples: metadata in SQLite and data in a directory, both below `dir`.

use jfs::Error;
use jfs::admin::{self, FormatOptions};
use jfs::types::Format;
use std::path::Path;

/// Formats the volume and returns the URL that opens it.
pub(crate) async fn new_volume(dir: &Path) -> Result<String, Error> {
    let url = format!("sqlite3://{}/volume.db", dir.display());
    let format = Format {
        name: "example".into(),
        uuid: uuid::Uuid::new_v4().to_string(),
        storage: "file".into(),
        bucket: format!("{}/objects/", dir.display()),
        block_size: 4096,
        compression: "none".into(),
        meta_version: 1,
        dir_stats: true,
        ..Format::default()
    };
    let options = FormatOptions {
        force: false,
        check_storage: false,
    };
    admin::format(&url, format, options).await?;
    Ok(url)
}
