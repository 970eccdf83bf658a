//! Text that users type: addresses and command lines.

use jfs_commands::arguments::split_command;
use jfs_commands::commands::{ConfigCommand, FormatCommand, InfoCommand, MountCommand};
use jfs_commands::globals::globals_only;
use jfs_commands::parse::prepared;
use jfs_commands::{Invocation, address, parse, values};
use jfs_meta_sql::SqliteEngine;
use jfs_telemetry::mask_url;
use jfs_types::Format;
use std::path::Path;

pub(super) fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = SqliteEngine::open(text);
    let _ = jfs_meta_redis::fuzzing::check_url(text);
    jfs_object::fuzzing::check_address(text);
    let _ = mask_url(text);
    let cwd = Path::new("/tmp");
    assert!(address::meta_url(text, cwd).contains("://"));
    assert!(Path::new(&address::file_bucket(text, cwd)).is_absolute());
    for storage in jfs_object::storages() {
        let format = Format {
            bucket: text.to_string(),
            storage: storage.into(),
            ..Format::default()
        };
        let _ = address::data_address(&format, jfs_object::shown_bucket);
    }
    // Taken as a password, it shows nowhere.
    let url = format!("redis://user:{text}@host:1/1");
    if text.len() > 5 && !"redis://user:****@host:1/1".contains(text) {
        assert!(!mask_url(&url).contains(text));
        let error = jfs_meta_redis::fuzzing::check_url(&url).err();
        let option = url.rsplit_once('?').is_some_and(|(_, o)| o.contains(text));
        assert!(option || !error.is_some_and(|e| e.to_string().contains(text)));
    }
}

/// The words of a command line, a line each.
pub(super) fn args(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let argv: Vec<String> = text.split('\n').map(str::to_string).collect();
    if let Err(error) = split_command(&prepared(globals_only()), &argv) {
        assert!(!error.to_string().is_empty());
    }
    if let Some(format) = read::<FormatCommand>(&argv) {
        assert_eq!(format.arguments.positionals.len(), 2);
    }
    if let Some(config) = read::<ConfigCommand>(&argv) {
        assert_eq!(config.arguments.positionals.len(), 1);
    }
    if let Some(info) = read::<InfoCommand>(&argv) {
        let words = info.arguments.positionals.into_iter().map(|(_, word)| word);
        assert_eq!(words.collect::<Vec<_>>(), info.flags.paths);
    }
    if let Some(mount) = read::<MountCommand>(&argv) {
        let words: Vec<String> = mount
            .arguments
            .positionals
            .into_iter()
            .map(|(_, word)| word)
            .collect();
        assert_eq!(words, [mount.flags.meta_url, mount.flags.mountpoint]);
        assert!((0.0..=1.0).contains(&mount.flags.data_cache.free_space_ratio));
    }
    for word in &argv {
        let _ = (
            values::mib(word),
            values::duration(word),
            values::integer(word),
        );
    }
}

/// What a line asks for, if a command is to run. A refusal has a text, and none comes from clap: those are in words
/// that no script knows.
fn read<C: clap::CommandFactory + clap::FromArgMatches>(
    argv: &[String],
) -> Option<Box<jfs_commands::Parsed<C>>> {
    match parse::<C>(argv) {
        Ok(Invocation::Run(parsed)) => Some(parsed),
        Ok(Invocation::Help | Invocation::Version) => None,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let other = matches!(error, jfs_commands::CommandLineError::Other(_));
            assert!(!other, "{error}");
            None
        }
    }
}
