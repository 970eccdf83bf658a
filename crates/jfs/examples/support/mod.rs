//! A volume for the examples: metadata in SQLite and data in a directory, both below `dir`.

use jfs::{Error, FormatOptions, Volume};
use std::path::Path;

/// Formats the volume and returns the URL that opens it.
pub(crate) async fn new_volume(dir: &Path) -> Result<String, Error> {
    let url = format!("sqlite3://{}/volume.db", dir.display());
    let bucket = format!("{}/objects", dir.display());
    let options = FormatOptions::new().name("example").bucket(bucket);
    Volume::format(&url, options).await?;
    Ok(url)
}
