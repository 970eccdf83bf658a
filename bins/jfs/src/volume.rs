//! The only file of this program that talks to the library: volumes by URL.

use anyhow::Context;
use jfs::admin::{FormatOptions, NewSecrets, SessionDetails, Status};
use jfs_commands::address;
use jfs_telemetry::{mask_text, mask_url, scripted};
use jfs_types::Format;
use serde::Serialize;
use std::future::Future;

/// Logs the metadata address and returns it in the form to open it with.
pub(crate) fn announce(given: &str) -> anyhow::Result<String> {
    if given.is_empty() {
        anyhow::bail!("the metadata URL is empty");
    }
    let cwd = address::here();
    address::check_url(given, &cwd)?;
    let shown = if given.contains("://") {
        given.to_string()
    } else {
        format!("redis://{given}")
    };
    tracing::info!("{}", scripted::meta_address(&mask_url(&shown)));
    Ok(address::meta_url(given, &cwd))
}

/// The setting of a volume; `None` when there is none.
pub(crate) fn load_format(url: &str) -> anyhow::Result<Option<Format>> {
    Ok(block_on(jfs::admin::load_format(url))??)
}

/// Creates or updates a volume; answers what is stored.
pub(crate) fn format(url: &str, format: Format, options: FormatOptions) -> anyhow::Result<Format> {
    Ok(block_on(jfs::admin::format(url, format, options))??)
}

/// Replaces the setting `before` by `after`.
pub(crate) fn change_setting(
    url: &str,
    before: &Format,
    after: &Format,
    test_storage: bool,
) -> anyhow::Result<()> {
    let changed = jfs::admin::change_setting(url, before, after, test_storage);
    Ok(block_on(changed)??)
}

/// Paths of the directories that have a quota.
pub(crate) fn quota_paths(url: &str) -> anyhow::Result<Vec<String>> {
    Ok(block_on(jfs::admin::quota_paths(url))??)
}

/// The setting with other secrets.
pub(crate) fn with_secrets(format: &Format, new: NewSecrets) -> anyhow::Result<Format> {
    Ok(jfs::admin::with_secrets(format, new)?)
}

/// State of a volume; with `more` also what waits for deletion.
pub(crate) fn status(url: &str, more: bool) -> anyhow::Result<Status> {
    Ok(match more {
        true => block_on(jfs::admin::status_and_more(url))??,
        false => block_on(jfs::admin::status(url))??,
    })
}

/// One client of a volume.
pub(crate) fn session(url: &str, sid: u64) -> anyhow::Result<SessionDetails> {
    Ok(block_on(jfs::admin::session(url, sid))??)
}

/// Indented JSON, escaped as the reference escapes it. Access keys inside addresses are masked.
pub(crate) fn to_pretty_json(value: &impl Serialize) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(mask_text(&text)
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026"))
}

fn block_on<F: Future>(future: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    Ok(runtime.block_on(future))
}
