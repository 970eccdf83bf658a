//! The flags of `mount`, in help order. What is not there yet accepts only what means off.

use jfs_args::{CommandSpec, FlagSpec, Kind};

const FUSE: &str = "FUSE";
const META: &str = "META";
const META_CACHE: &str = "META CACHE";
const STORAGE: &str = "DATA STORAGE";
const CACHE: &str = "DATA CACHE";
const METRICS: &str = "METRICS";

const OFF: &[&str] = &["false"];
const EMPTY: &[&str] = &[""];
const ZERO: &[&str] = &["0"];

pub(crate) const SPEC: CommandSpec = CommandSpec {
    name: "mount",
    category: "SERVICE",
    summary: "Mount a volume",
    arguments: "META-URL MOUNTPOINT",
    min_args: 2,
    max_args: Some(2),
    description: "Mount the target volume at the mount point.\n\n\
        Examples:\n\
        # Mount in foreground\n$ juicefs mount redis://localhost /mnt/jfs\n\n\
        # Mount in background with password protected Redis\n\
        $ juicefs mount redis://:mypassword@localhost /mnt/jfs -d\n\
        # A safer alternative\n\
        $ META_PASSWORD=mypassword juicefs mount redis://localhost /mnt/jfs -d\n\n\
        # Mount with a sub-directory as root\n\
        $ juicefs mount redis://localhost /mnt/jfs --subdir /dir/in/jfs\n\n\
        # Enable \"read-only\" mode\n$ juicefs mount redis://localhost /mnt/jfs -d --read-only",
    flags: &[
        FlagSpec::switch(&["d", "background"], "run in background"),
        FlagSpec::switch(&["f", "foreground"], "run in foreground, whatever -d says").hidden(),
        FlagSpec::switch(&["no-syslog"], "do not log to syslog besides the log file"),
        FlagSpec::new(&["log"], Kind::Text, "", "path of log file when running in background")
            .default_path("/var/log/juicefs.log", ".juicefs/juicefs.log"),
        FlagSpec::switch(
            &["force"],
            "force to mount even if the mount point is already mounted by the same filesystem",
        ),
        FlagSpec::new(
            &["hide-internal"],
            Kind::Bool,
            "true",
            "leave internal files and .trash out of listings of the root, where they are found by name; JuiceFS lists them unless told otherwise",
        ),
        FlagSpec::switch(
            &["update-fstab"],
            "add / update entry in /etc/fstab, will create a symlink from /sbin/mount.juicefs to this program if not existing",
        ),
        FlagSpec::switch(&["disable-transparent-hugepage"], "disable transparent huge page")
            .off_only(OFF),
        FlagSpec::switch(&["enable-xattr"], "enable extended attributes (xattr)").group(FUSE),
        FlagSpec::switch(&["enable-cap"], "enable security.capability xattr")
            .off_only(OFF)
            .group(FUSE),
        FlagSpec::switch(&["enable-selinux"], "enable security.selinux xattr")
            .off_only(OFF)
            .group(FUSE),
        FlagSpec::switch(&["enable-ioctl"], "enable ioctl (support GETFLAGS/SETFLAGS only)")
            .group(FUSE),
        FlagSpec::new(
            &["root-squash"],
            Kind::Text,
            "",
            "mapping local root user (uid = 0) to another one specified as <uid>:<gid> (65534 for what is left out)",
        )
        .group(FUSE),
        FlagSpec::new(
            &["all-squash"],
            Kind::Text,
            "",
            "mapping all users to another one specified as <uid>:<gid> (65534 for what is left out)",
        )
        .group(FUSE),
        FlagSpec::switch(&["prefix-internal"], "add '.jfs' prefix to all internal files")
            .group(FUSE),
        FlagSpec::switch(&["non-default-permission"], "check permissions in this program")
            .group(FUSE)
            .hidden(),
        FlagSpec::new(
            &["max-fuse-io"],
            Kind::Size('B'),
            "128K",
            "maximum size for fuse request, 4K to 1M",
        )
        .group(FUSE),
        FlagSpec::new(
            &["umask"],
            Kind::Text,
            "",
            "umask for new files and directories in octal (overwrite the one from app)",
        )
        .group(FUSE),
        FlagSpec::new(&["o"], Kind::Text, "", "other FUSE options").group(FUSE),
        FlagSpec::new(&["subdir"], Kind::Text, "", "mount a sub-directory as root").group(META),
        FlagSpec::new(
            &["backup-meta"],
            Kind::Duration,
            "0",
            "interval to automatically backup metadata in the object storage",
        )
        .off_only(ZERO)
        .group(META),
        FlagSpec::switch(&["backup-skip-trash"], "skip files in trash when backup metadata")
            .off_only(OFF)
            .group(META),
        FlagSpec::new(
            &["heartbeat"],
            Kind::Duration,
            "12s",
            "interval to send heartbeat; it's recommended that all clients use the same heartbeat value",
        )
        .group(META),
        FlagSpec::switch(&["read-only"], "allow lookup/read operations only").group(META),
        FlagSpec::switch(&["no-bgjob"], "disable background jobs (clean-up, backup, etc.)")
            .group(META),
        FlagSpec::new(&["atime-mode"], Kind::Text, "noatime", "when to update atime")
            .off_only(&["noatime"])
            .group(META),
        FlagSpec::new(
            &["skip-dir-nlink"],
            Kind::Int,
            "0",
            "number of retries after which the update of directory nlink will be skipped",
        )
        .off_only(ZERO)
        .group(META),
        FlagSpec::new(
            &["skip-dir-mtime"],
            Kind::Duration,
            "100ms",
            "skip updating attribute of a directory if the mtime difference is smaller than this value",
        )
        .group(META),
        FlagSpec::switch(&["sort-dir"], "sort entries within a directory by name (up to 64 MiB of names where the metadata engine does not)")
            .group(META),
        FlagSpec::switch(
            &["fast-statfs"],
            "use local counters for statfs instead of querying metadata service",
        )
        .group(META),
        FlagSpec::new(
            &["network-interfaces"],
            Kind::Text,
            "",
            "comma-separated list of network interfaces to use for IP discovery; all are used",
        )
        .off_only(EMPTY)
        .group(META),
        FlagSpec::new(&["attr-cache"], Kind::Duration, "1.0s", "attributes cache timeout")
            .group(META_CACHE),
        FlagSpec::new(&["entry-cache"], Kind::Duration, "1.0s", "file entry cache timeout")
            .group(META_CACHE),
        FlagSpec::new(&["dir-entry-cache"], Kind::Duration, "1.0s", "dir entry cache timeout")
            .group(META_CACHE),
        FlagSpec::new(
            &["negative-entry-cache"],
            Kind::Duration,
            "0",
            "cache timeout for negative entry lookups (0: none)",
        )
        .group(META_CACHE),
        FlagSpec::switch(&["readdir-cache"], "enable kernel caching of readdir entries")
            .group(META_CACHE),
        FlagSpec::new(
            &["open-cache"],
            Kind::Duration,
            "0s",
            "the cache time to reuse open file without checking update (0 means disable this feature)",
        )
        .group(META_CACHE),
        FlagSpec::new(
            &["open-cache-limit"],
            Kind::Int,
            "10000",
            "max number of open files to cache (soft limit; 0: no limit of yours, 65536 at most)",
        )
        .group(META_CACHE),
        FlagSpec::new(&["storage"], Kind::Text, "", "customized storage type to access object store")
            .group(STORAGE),
        FlagSpec::new(&["bucket"], Kind::Text, "", "customized endpoint to access object store")
            .group(STORAGE),
        FlagSpec::new(
            &["storage-class"],
            Kind::Text,
            "",
            "the storage class for data written by current client",
        )
        .group(STORAGE),
        FlagSpec::new(&["tag"], Kind::Text, "", "custom tag when uploading object storage")
            .off_only(EMPTY)
            .group(STORAGE),
        FlagSpec::new(&["get-timeout"], Kind::Duration, "60s", "the timeout to download an object")
            .group(STORAGE),
        FlagSpec::new(&["put-timeout"], Kind::Duration, "60s", "the timeout to upload an object")
            .group(STORAGE),
        FlagSpec::new(&["io-retries"], Kind::Int, "10", "number of retries after network failure")
            .group(STORAGE),
        FlagSpec::new(&["max-uploads"], Kind::Int, "20", "number of connections to upload")
            .group(STORAGE),
        FlagSpec::new(&["max-downloads"], Kind::Int, "200", "number of connections to download")
            .group(STORAGE),
        FlagSpec::new(
            &["max-stage-write"],
            Kind::Int,
            "0",
            "number of threads allowed to write staged files (with writeback only)",
        )
        .off_only(ZERO)
        .group(STORAGE),
        FlagSpec::new(&["max-deletes"], Kind::Int, "10", "number of threads to delete objects")
            .group(STORAGE),
        FlagSpec::new(&["upload-limit"], Kind::Int, "0", "bandwidth limit for upload in Mbps")
            .off_only(ZERO)
            .group(STORAGE),
        FlagSpec::new(&["download-limit"], Kind::Int, "0", "bandwidth limit for download in Mbps")
            .off_only(ZERO)
            .group(STORAGE),
        FlagSpec::switch(&["check-storage"], "test storage before mounting").group(STORAGE),
        FlagSpec::new(
            &["buffer-size"],
            Kind::Size('M'),
            "300M",
            "total read/write buffering in MiB",
        )
        .group(CACHE),
        FlagSpec::new(
            &["max-readahead"],
            Kind::Size('M'),
            "0",
            "max buffering for read ahead in MiB per read session (0: 16 MiB)",
        )
        .group(CACHE),
        FlagSpec::new(&["prefetch"], Kind::Int, "1", "prefetch N blocks in parallel").group(CACHE),
        FlagSpec::switch(&["writeback"], "upload blocks in background").off_only(OFF).group(CACHE),
        FlagSpec::new(
            &["writeback-threshold-size"],
            Kind::Size('B'),
            "0",
            "blocks smaller than this size will be staged",
        )
        .off_only(ZERO)
        .group(CACHE),
        FlagSpec::new(
            &["upload-delay"],
            Kind::Duration,
            "0s",
            "delayed duration for uploading blocks",
        )
        .off_only(ZERO)
        .group(CACHE),
        FlagSpec::new(
            &["upload-hours"],
            Kind::Text,
            "",
            "(start-end) hour of a day between which the delayed blocks can be uploaded",
        )
        .off_only(EMPTY)
        .group(CACHE),
        FlagSpec::new(
            &["cache-dir"],
            Kind::Text,
            "",
            "directory paths of local cache, use colon to separate multiple paths, * in the last part of one for several; \"memory\" for none",
        )
        .default_path("/var/jfsCache", ".juicefs/cache")
        .group(CACHE),
        FlagSpec::new(&["cache-mode"], Kind::Text, "0600", "file permissions for cached blocks")
            .group(CACHE),
        FlagSpec::new(
            &["cache-size"],
            Kind::Size('M'),
            "100G",
            "size of cached object for read in MiB",
        )
        .group(CACHE),
        FlagSpec::new(&["cache-items"], Kind::Int, "0", "max number of cached items (0: as many as fit)")
            .group(CACHE),
        FlagSpec::new(&["free-space-ratio"], Kind::Float, "0.1", "min free space (ratio)")
            .group(CACHE),
        FlagSpec::switch(&["cache-partial-only"], "cache only random/small read")
            .group(CACHE),
        FlagSpec::switch(&["cache-large-write"], "cache full blocks after uploading")
            .group(CACHE),
        FlagSpec::new(
            &["verify-cache-checksum"],
            Kind::Text,
            "extend",
            "checksum level (none, full, shrink, extend)",
        )
        .group(CACHE),
        FlagSpec::new(
            &["cache-eviction"],
            Kind::Text,
            "2-random",
            "cache eviction policy [none, 2-random, lru]",
        )
        .group(CACHE),
        FlagSpec::new(
            &["cache-scan-interval"],
            Kind::Duration,
            "1h",
            "time between two looks at what other processes have stored or removed in the cache directories (0 means only at the start)",
        )
        .group(CACHE),
        FlagSpec::new(
            &["cache-expire"],
            Kind::Duration,
            "0s",
            "cached blocks not accessed for longer than this option will be automatically evicted",
        )
        .group(CACHE),
        FlagSpec::new(
            &["metrics"],
            Kind::Text,
            "127.0.0.1:9567",
            "address to export metrics; the next free port is taken when it is busy, \"\" is none",
        )
        .group(METRICS),
        FlagSpec::new(&["custom-labels"], Kind::Text, "", "custom labels for metrics: K:V;K:V")
            .group(METRICS),
        FlagSpec::new(&["consul"], Kind::Text, "", "consul address to register")
            .off_only(EMPTY)
            .group(METRICS),
        FlagSpec::new(&["no-usage-report"], Kind::Bool, "true", "no usage report; there is none")
            .off_only(&["true"])
            .group(METRICS),
    ],
};
