//! `status`: the setting, the clients and the usage of a volume as JSON on standard output.

use crate::volume;
use anyhow::Context;
use jfs_commands::Parsed;
use jfs_commands::commands::StatusCommand;
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Field names and their order are those of the reference's output.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report<'a> {
    setting: &'a jfs_types::Format,
    sessions: Vec<Session>,
    stat: Stat,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Session {
    sid: u64,
    expire: String,
    version: String,
    host_name: String,
    #[serde(rename = "IPAddrs", skip_serializing_if = "Vec::is_empty")]
    ip_addrs: Vec<String>,
    mount_point: String,
    mount_time: String,
    #[serde(rename = "ProcessID")]
    process_id: u32,
    /// Inodes without a name that it keeps open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sustained: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flocks: Vec<Flock>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plocks: Vec<Plock>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Flock {
    inode: u64,
    owner: u64,
    ltype: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Plock {
    inode: u64,
    owner: u64,
    records: Vec<LockRecord>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LockRecord {
    r#type: u32,
    pid: u32,
    start: u64,
    end: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Stat {
    used_space: u64,
    available_space: u64,
    used_inodes: u64,
    available_inodes: u64,
    #[serde(flatten)]
    more: More,
}

/// What `--more` adds. Zeros are left out, as the reference does.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct More {
    #[serde(skip_serializing_if = "is_zero")]
    trash_file_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    trash_file_size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pending_deleted_file_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pending_deleted_file_size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    trash_slice_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    trash_slice_size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pending_deleted_slice_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pending_deleted_slice_size: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

pub(crate) fn run(args: &Parsed<StatusCommand>) -> anyhow::Result<()> {
    let args = &args.flags;
    let offset = UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC);
    let url = volume::announce(&args.meta_url)?;
    let sid = args.session;
    if sid > 0 {
        let found = volume::session(&url, sid).context("get session")?;
        jfs_telemetry::say!("{}", volume::to_pretty_json(&detailed(found, offset))?);
        return Ok(());
    }
    let status = volume::status(&url, args.more).context("get status")?;
    let setting = status.format.without_secrets();
    let sessions = status.sessions.into_iter();
    let report = Report {
        setting: &setting,
        sessions: sessions.map(|s| session(s, offset)).collect(),
        stat: Stat {
            used_space: status.used_space,
            available_space: status.stat.avail_space,
            used_inodes: status.stat.used_inodes,
            available_inodes: status.stat.avail_inodes,
            more: status.more.map(more).unwrap_or_default(),
        },
    };
    jfs_telemetry::say!("{}", volume::to_pretty_json(&report)?);
    Ok(())
}

fn session(s: jfs::admin::Session, offset: UtcOffset) -> Session {
    Session {
        sid: s.sid,
        expire: local_time(s.expire, offset),
        version: s.info.version,
        host_name: s.info.host_name,
        ip_addrs: s.info.ip_addrs,
        mount_point: s.info.mount_point,
        mount_time: s.info.mount_time,
        process_id: s.info.process_id,
        sustained: Vec::new(),
        flocks: Vec::new(),
        plocks: Vec::new(),
    }
}

fn detailed(found: jfs::admin::SessionDetails, offset: UtcOffset) -> Session {
    let flocks = found.locks.iter().flat_map(|(ino, locks)| {
        locks.flocks.iter().map(|held| Flock {
            inode: ino.0,
            owner: held.owner,
            ltype: held.what.to_string(),
        })
    });
    let plocks = found.locks.iter().flat_map(|(ino, locks)| {
        locks.posix.iter().map(|held| Plock {
            inode: ino.0,
            owner: held.owner,
            records: held
                .what
                .iter()
                .map(|lock| LockRecord {
                    r#type: lock.kind as u32,
                    pid: lock.pid,
                    start: lock.start,
                    end: lock.end,
                })
                .collect(),
        })
    });
    Session {
        sustained: found.sustained.iter().map(|ino| ino.0).collect(),
        flocks: flocks.collect(),
        plocks: plocks.collect(),
        ..session(found.session, offset)
    }
}

fn more(found: jfs::meta::More) -> More {
    More {
        trash_file_count: found.trash_files.0,
        trash_file_size: found.trash_files.1,
        pending_deleted_file_count: found.pending_files.0,
        pending_deleted_file_size: found.pending_files.1,
        trash_slice_count: found.trash_slices.0,
        trash_slice_size: found.trash_slices.1,
        pending_deleted_slice_count: found.pending_slices.0,
        pending_deleted_slice_size: found.pending_slices.1,
    }
}

fn local_time(unix_seconds: i64, offset: UtcOffset) -> String {
    OffsetDateTime::from_unix_timestamp(unix_seconds)
        .ok()
        .and_then(|t| t.to_offset(offset).format(&Rfc3339).ok())
        .unwrap_or_else(|| unix_seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let plus_two = UtcOffset::from_whole_seconds(7200).unwrap_or(UtcOffset::UTC);
        assert_eq!(local_time(0, UtcOffset::UTC), "1970-01-01T00:00:00Z");
        assert_eq!(local_time(0, plus_two), "1970-01-01T02:00:00+02:00");
        assert_eq!(local_time(i64::MAX, UtcOffset::UTC), i64::MAX.to_string());
    }
}
