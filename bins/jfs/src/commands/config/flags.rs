//! The flags of `config`, in help order. None has a default: what is not given stays.

use jfs_args::{CommandSpec, FlagSpec, Kind};

const STORAGE: &str = "DATA STORAGE";
const MANAGEMENT: &str = "MANAGEMENT";

const OFF: &[&str] = &["false"];
const EMPTY: &[&str] = &[""];
const ZERO: &[&str] = &["0"];

pub(crate) const SPEC: CommandSpec = CommandSpec {
    name: "config",
    category: "ADMIN",
    summary: "Change configuration of a volume",
    arguments: "META-URL",
    min_args: 1,
    max_args: Some(1),
    description: "Only flags explicitly specified are changed. Mounts follow at their next heartbeat.\n\n\
        Examples:\n\
        # Show the current configurations\n\
        $ juicefs config redis://localhost\n\n\
        # Change volume \"quota\"\n\
        $ juicefs config redis://localhost --inodes 10000000 --capacity 1048576\n\n\
        # Change maximum days before files in trash are deleted\n\
        $ juicefs config redis://localhost --trash-days 7\n\n\
        # Limit client version that is allowed to connect\n\
        $ juicefs config redis://localhost --min-client-version 1.2.0 --max-client-version 1.5.0",
    flags: &[
        FlagSpec::switch(
            &["yes", "y"],
            "automatically answer 'yes' to all prompts and run non-interactively",
        ),
        FlagSpec::switch(
            &["force"],
            "skip sanity check and force update the configurations",
        ),
        text(
            &["storage"],
            "object storage type (file, s3, minio, cos, oss)",
        )
        .group(STORAGE),
        text(
            &["bucket"],
            "the bucket URL of object storage to store data, a directory for file",
        )
        .group(STORAGE),
        secret(&["access-key"], "access key for object storage").group(STORAGE),
        secret(&["secret-key"], "secret key for object storage").group(STORAGE),
        secret(&["session-token"], "session token for object storage").group(STORAGE),
        text(&["storage-class"], "the default storage class").group(STORAGE),
        text(&["tag"], "custom tag when uploading object storage")
            .off_only(EMPTY)
            .group(STORAGE),
        FlagSpec::new(
            &["upload-limit"],
            Kind::Int,
            "0",
            "default bandwidth limit of a client for upload in Mbps",
        )
        .off_only(ZERO)
        .group(STORAGE),
        FlagSpec::new(
            &["download-limit"],
            Kind::Int,
            "0",
            "default bandwidth limit of a client for download in Mbps",
        )
        .off_only(ZERO)
        .group(STORAGE),
        FlagSpec::new(
            &["capacity"],
            Kind::Size('G'),
            "",
            "hard quota of the volume limiting its usage of space in GiB, 0: none",
        )
        .group(MANAGEMENT),
        FlagSpec::new(
            &["inodes"],
            Kind::Uint,
            "",
            "hard quota of the volume limiting its number of inodes, 0: none",
        )
        .group(MANAGEMENT),
        FlagSpec::new(
            &["trash-days"],
            Kind::Int,
            "",
            "number of days after which removed files will be permanently deleted, 0: at once",
        )
        .group(MANAGEMENT),
        FlagSpec::new(
            &["enable-acl"],
            Kind::Bool,
            "",
            "enable POSIX ACL (this flag is irreversible once enabled)",
        )
        .group(MANAGEMENT),
        text(&["ranger-rest-url"], "URL of the RangerAdmin")
            .off_only(EMPTY)
            .group(MANAGEMENT),
        text(&["ranger-service"], "name of the Ranger service")
            .off_only(EMPTY)
            .group(MANAGEMENT),
        text(
            &["kerberos-config-file"],
            "path to Kerberos configuration file",
        )
        .off_only(EMPTY)
        .group(MANAGEMENT),
        FlagSpec::switch(
            &["encrypt-secret"],
            "encrypt the secret key if it was previously stored in plain format",
        )
        .off_only(OFF)
        .group(MANAGEMENT),
        text(
            &["min-client-version"],
            "minimum client version allowed to connect",
        )
        .group(MANAGEMENT),
        text(
            &["max-client-version"],
            "maximum client version allowed to connect",
        )
        .group(MANAGEMENT),
        FlagSpec::new(
            &["dir-stats"],
            Kind::Bool,
            "",
            "enable dir stats, which is necessary for fast summary and dir quota",
        )
        .group(MANAGEMENT),
        FlagSpec::switch(
            &["user-group-quota"],
            "enable user and group quota management",
        )
        .off_only(OFF)
        .group(MANAGEMENT),
        FlagSpec::switch(&["changelog"], "enable changelog")
            .off_only(OFF)
            .group(MANAGEMENT),
        FlagSpec::new(
            &["changelog-max-age"],
            Kind::Duration,
            "",
            "max age of changelog entries",
        )
        .off_only(&[])
        .group(MANAGEMENT),
        FlagSpec::new(
            &["changelog-max-lines"],
            Kind::Uint,
            "0",
            "max number of changelog entries to keep",
        )
        .off_only(ZERO)
        .group(MANAGEMENT),
        FlagSpec::new(&["tier"], Kind::Int, "0", "tier (0-3)")
            .off_only(ZERO)
            .group(MANAGEMENT),
    ],
};

const fn text(names: &'static [&'static str], help: &'static str) -> FlagSpec {
    FlagSpec::new(names, Kind::Text, "", help)
}

const fn secret(names: &'static [&'static str], help: &'static str) -> FlagSpec {
    FlagSpec::new(names, Kind::Secret, "", help)
}
