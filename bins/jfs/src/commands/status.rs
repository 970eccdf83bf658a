//! `status`: the setting, the clients and the usage of a volume as JSON on standard output.

use crate::volume;
use anyhow::Context;
use jfs_args::{CommandSpec, FlagSpec, Kind, Parsed};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

pub(crate) const SPEC: CommandSpec = CommandSpec {
    name: "status",
    category: "INSPECTOR",
    summary: "Show status of a volume",
    arguments: "META-URL",
    min_args: 1,
    max_args: Some(1),
    description: "It shows basic setting of the target volume, and a list of active sessions that are\n\
        connected with the metadata engine.\n\n\
        NOTE: Read-only session is not listed since it cannot register itself in the metadata.\n\n\
        Examples:\n$ juicefs status redis://localhost",
    flags: &[
        FlagSpec::new(
            &["session", "s"],
            Kind::Uint,
            "0",
            "show detailed information (sustained inodes, locks) of the specified session (sid)",
        )
        .off_only(&["0"]),
        FlagSpec::switch(
            &["more", "m"],
            "show more statistic information, may take a long time",
        )
        .off_only(&["false"]),
    ],
};

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
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Stat {
    used_space: u64,
    available_space: u64,
    used_inodes: u64,
    available_inodes: u64,
}

pub(crate) fn run(args: &Parsed) -> anyhow::Result<()> {
    // Asked for before other threads run: the answer is not to be had later.
    let offset = UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC);
    let url = volume::announce(args.arg(0))?;
    let status = volume::status(&url).context("get status")?;
    let setting = status.format.without_secrets();
    let report = Report {
        setting: &setting,
        sessions: status
            .sessions
            .into_iter()
            .map(|s| Session {
                sid: s.sid,
                expire: local_time(s.expire, offset),
                version: s.info.version,
                host_name: s.info.host_name,
                ip_addrs: s.info.ip_addrs,
                mount_point: s.info.mount_point,
                mount_time: s.info.mount_time,
                process_id: s.info.process_id,
            })
            .collect(),
        stat: Stat {
            used_space: status.used_space,
            available_space: status.stat.avail_space,
            used_inodes: status.stat.used_inodes,
            available_inodes: status.stat.avail_inodes,
        },
    };
    println!("{}", volume::to_pretty_json(&report)?);
    Ok(())
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
