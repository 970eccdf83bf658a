//! What people type: addresses and command lines.

use jfs_args::value::{parse_duration, parse_size};
use jfs_args::{
    CommandSpec, FlagSpec, Invocation, Kind, address, help, parse_command, split_command,
};
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

/// A command with a flag of every kind.
static SPEC: CommandSpec = CommandSpec {
    name: "fuzz",
    category: "TOOL",
    summary: "nothing",
    arguments: "META-URL [PATH]",
    min_args: 1,
    max_args: Some(2),
    description: "",
    flags: &[
        FlagSpec::switch(&["force", "f"], "switch"),
        FlagSpec::new(&["trash-days"], Kind::Int, "1", "int"),
        FlagSpec::new(&["inodes"], Kind::Uint, "0", "uint"),
        FlagSpec::new(&["ratio"], Kind::Float, "0.1", "float"),
        FlagSpec::new(&["size"], Kind::Size('M'), "4M", "size"),
        FlagSpec::new(&["time"], Kind::Duration, "12s", "duration"),
        FlagSpec::new(&["text"], Kind::Text, "", "text"),
        FlagSpec::new(&["secret"], Kind::Secret, "", "secret").off_only(&[""]),
        FlagSpec::new(&["later"], Kind::Duration, "0", "off only").off_only(&["0"]),
    ],
};

/// The words of a command line, a line each.
pub(super) fn args(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let argv: Vec<String> = text.split('\n').map(str::to_string).collect();
    if let Err(error) = split_command(&argv) {
        assert!(!error.to_string().is_empty());
    }
    match parse_command(&SPEC, &argv) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(Invocation::Help | Invocation::Version) => {
            assert!(!help::command_help(&SPEC).is_empty());
        }
        Ok(Invocation::Run(parsed)) => {
            let _ = (parsed.bool("force"), parsed.int("trash-days"));
            let _ = (parsed.uint("inodes"), parsed.float("ratio"));
            let _ = (parsed.bytes("size"), parsed.duration("time"));
            let _ = (parsed.text("text"), parsed.text("secret"));
            assert!((1..=2).contains(&parsed.args().len()));
            assert!(parsed.duration("later").is_zero());
        }
    }
    for word in &argv {
        let _ = (parse_size(word, 'M'), parse_duration(word));
    }
}
