//! Manual pages of the programs, made from the same definitions as the help texts.

use anyhow::{Context, Result};
use clap_mangen::Man;
use jfs_commands::catalogue;
use std::path::Path;

/// Section of the manual: what administrators run.
const SECTION: &str = "8";

/// Writes `jfs.8` and one page for each command, `jfs-COMMAND.8`, into a directory.
pub(crate) fn run(directory: &str) -> Result<()> {
    let directory = Path::new(directory);
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let pages = catalogue::pages();
    let count = pages.len();
    for page in pages {
        let name = format!("{}.{SECTION}", page.get_name());
        let path = directory.join(&name);
        let mut text = Vec::new();
        Man::new(page).section(SECTION).render(&mut text)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{count} pages in {}", directory.display());
    Ok(())
}
