//! Messages that scripts of JuiceFS users match on. Their words are the reference's and stay as they are; all
//! other messages are in words of our own.
//!
//! Each function makes one message. `tests/tests/cli` holds some of them against what the reference prints.

use std::fmt::Display;

/// The metadata address that a command uses, password masked. First line of most commands.
pub fn meta_address(shown: &str) -> String {
    format!("Meta address: {shown}")
}

/// Where a volume's data is.
pub fn data_use(address: &str) -> String {
    format!("Data use {address}")
}

/// The object storage has no storage classes.
pub const NO_STORAGE_CLASSES: &str = "Set storage tier: not supported";

/// The end of `format`: the setting as JSON.
pub fn formatted(setting: &str) -> String {
    format!("Volume is formatted as {setting}")
}

/// There is no volume at a metadata address.
pub const NOT_FORMATTED: &str = "database is not formatted";

/// A changed part of the setting, as `config` prints it.
pub fn changed(name: &str, old: &str, new: &str) -> String {
    format!("{name:>10}: {old} -> {new}")
}

/// A flag that no command has.
pub fn unknown_option(typed: &str) -> String {
    format!("unknown option: \"{typed}\"")
}

/// A flag's value that does not parse. What is expected follows in brackets.
pub fn bad_value(flag: &str, value: &str) -> String {
    format!("invalid value \"{value}\" for flag -{flag}: parse error")
}

/// A command that does not exist.
pub fn unknown_command(name: &str) -> String {
    format!("No help topic for '{name}'")
}

/// The round trip to Redis when a volume is opened.
pub fn redis_latency(time: impl Display) -> String {
    format!("Ping redis latency: {time}")
}

/// Which version serves a mount.
pub fn version(version: &str) -> String {
    format!("JuiceFS version {version}")
}

/// How full the disk of a cache directory is, percent.
pub fn disk_cache(directory: impl Display, space: f64, inodes: f64) -> String {
    format!("Disk cache ({directory}/): used ratio - [space {space:.1}%, inode {inodes:.1}%]")
}

/// A session was registered.
pub fn session_created(sid: u64, version: &str) -> String {
    format!("Create session {sid} OK with version: {version}")
}

/// A mount that may not write has begun without a session.
pub fn read_only_session(version: &str) -> String {
    format!("Create read-only session OK with version: {version}")
}

/// Where metrics are shown.
pub fn metrics_listening(address: impl Display) -> String {
    format!("Prometheus metrics listening on \"{address}\"")
}

/// A mount begins.
pub fn mounting(volume: &str, mountpoint: impl Display) -> String {
    format!("Mounting volume {volume} at \"{mountpoint}\" ...")
}

/// A mount answers. `ok` is the word OK, coloured on a terminal.
pub fn ready(ok: &str, volume: &str, mountpoint: impl Display) -> String {
    format!("{ok}, {volume} is ready at \"{mountpoint}\"")
}

/// The end of a mount: what was written is stored, or is not.
pub const FLUSH_DATA: &str = "flush buffered data";

/// The end of a mount: the session's records are written.
pub fn flush_session(sid: u64) -> String {
    format!("flush session {sid}")
}

/// The end of a mount: the session is no longer registered.
pub fn close_session(sid: u64) -> String {
    format!("close session {sid}")
}

/// The last line of a mount that has ended well.
pub fn mount_ended(mountpoint: impl Display) -> String {
    format!("The juicefs mount process exit successfully, mountpoint: \"{mountpoint}\"")
}
