//! What to mount where and how: the command line, checked and with nothing relative left.

use crate::{cache_flags, fstab, metrics, mountpoint};
use anyhow::bail;
use jfs::OpenOptions;
use jfs_commands::address::{absolute, check_path, check_url, meta_url};
use jfs_commands::commands::MountCommand;
use jfs_commands::{CommandLineError, Parsed};
use jfs_fuse::Squash;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Requests the kernel may send: smallest and largest, bytes.
const FUSE_IO_MIN: u64 = 4 << 10;
const FUSE_IO_MAX: u64 = 1 << 20;
/// Less than this and readers and writers would wait for each other.
const BUFFER_MIN: u64 = 32 << 20;
/// Shortest and longest time between heartbeats; 0 is none at all.
const HEARTBEAT_MIN: Duration = Duration::from_secs(1);
const HEARTBEAT_MAX: Duration = Duration::from_secs(600);

/// User and group of what `--root-squash` and `--all-squash` leave out.
const NOBODY: u32 = 65534;

/// A mount to be made.
pub(crate) struct Plan {
    /// Metadata URL to open.
    pub(crate) url: String,
    /// Metadata URL as the log shows it, password masked.
    pub(crate) shown_url: String,
    /// Absolute, as it was given: what is shown.
    pub(crate) mountpoint: PathBuf,
    /// The same directory by the kernel's name, with links followed: what is mounted on.
    pub(crate) place: PathBuf,
    /// Absolute.
    pub(crate) log_file: PathBuf,
    /// Whether lines go to the system log as well.
    pub(crate) syslog: bool,
    pub(crate) open: OpenOptions,
    /// Bytes.
    pub(crate) max_fuse_io: u32,
    /// Replaces the umask of callers.
    pub(crate) umask: Option<u16>,
    pub(crate) enable_xattr: bool,
    pub(crate) enable_ioctl: bool,
    /// Whose requests count for whom.
    pub(crate) root_squash: Option<Squash>,
    pub(crate) all_squash: Option<Squash>,
    /// Whether the kernel is to check permissions.
    pub(crate) default_permissions: bool,
    /// The items of `-o`.
    pub(crate) fuse_options: Vec<String>,
    /// Host and port to show metrics at; empty = nowhere.
    pub(crate) metrics: String,
    /// Mount on top of a volume that is mounted there.
    pub(crate) force: bool,
    /// The line for /etc/fstab, when it is to be kept there.
    pub(crate) fstab: Option<fstab::Line>,
    /// Labels of all metrics besides those that every mount has.
    pub(crate) labels: Vec<(String, String)>,
}

impl Plan {
    /// Whether a daemon is asked for.
    pub(crate) fn wants_background(flags: &MountCommand) -> bool {
        flags.background && !flags.foreground
    }

    /// Reads the plan. Values out of range that the reference mends are mended with a warning,
    /// everything else is refused.
    pub(crate) fn read(args: &Parsed<MountCommand>, cwd: &Path) -> anyhow::Result<Plan> {
        let flags = &args.flags;
        let given = flags.meta_url.as_str();
        // A variable of a script that is not set; the current directory is not meant.
        for (text, what) in [(given, "metadata URL"), (&*flags.mountpoint, "mount point")] {
            if text.is_empty() {
                bail!("the {what} is empty");
            }
        }
        let shown = if given.contains("://") {
            given.to_string()
        } else {
            format!("redis://{given}")
        };
        check_paths(flags, cwd)?;
        let mountpoint = absolute(&flags.mountpoint, cwd);
        let Some(mountpoint_text) = mountpoint.to_str().map(str::to_string) else {
            bail!("mount point {} is not UTF-8", mountpoint.display());
        };
        let fuse = &flags.fuse;
        let url = meta_url(given, cwd);
        let open = open_options(flags, cwd, &mountpoint_text)?;
        let place = mountpoint::resolve(&cwd.join(&flags.mountpoint))?;
        mountpoint::check_place(&place, &needed(&url, &open))?;
        Ok(Plan {
            url,
            shown_url: jfs_telemetry::mask_url(&shown),
            open,
            place,
            mountpoint,
            log_file: log_file(flags, cwd),
            syslog: !flags.no_syslog,
            max_fuse_io: fuse_io(fuse.max_fuse_io),
            umask: fuse.umask.as_deref().map(umask).transpose()?,
            enable_xattr: fuse.enable_xattr,
            enable_ioctl: fuse.enable_ioctl,
            root_squash: squash("root-squash", &fuse.root_squash)?,
            all_squash: squash("all-squash", &fuse.all_squash)?,
            default_permissions: !fuse.non_default_permission,
            fuse_options: fuse
                .options
                .split(',')
                .filter(|o| !o.is_empty())
                .map(str::to_string)
                .collect(),
            force: flags.force,
            fstab: flags
                .update_fstab
                .then(|| fstab::Line::of(args, cwd, mountpoint_text))
                .transpose()?,
            metrics: metrics::address(&flags.metrics.metrics)?,
            labels: metrics::labels(&flags.metrics.custom_labels)?,
        })
    }

    /// Keeps the entry of /etc/fstab, when that was asked for. The mount is there: what goes wrong is
    /// warned about and no failure.
    pub(crate) fn update_fstab(&self) {
        if let Some(line) = &self.fstab {
            fstab::update(line);
        }
    }

    /// The command line for the daemon: the same, with the address and the mount point absolute,
    /// so that the process can be found by its mount point wherever it was started.
    pub(crate) fn daemon_args(&self, argv: &[String], args: &Parsed<MountCommand>) -> Vec<String> {
        let mut out = argv.to_vec();
        let places = [
            (0, self.url.clone()),
            (1, self.mountpoint.display().to_string()),
        ];
        for (index, text) in places {
            if let Some(slot) = args.position(index).and_then(|at| out.get_mut(at)) {
                *slot = text;
            }
        }
        out
    }
}

/// The daemon's log file.
pub(crate) fn log_file(flags: &MountCommand, cwd: &Path) -> PathBuf {
    absolute(&flags.log, cwd)
}

/// Refuses relative paths where there is no current directory.
fn check_paths(flags: &MountCommand, cwd: &Path) -> anyhow::Result<()> {
    check_url(&flags.meta_url, cwd)?;
    check_path(&flags.mountpoint, cwd)?;
    if Plan::wants_background(flags) {
        check_path(&flags.log, cwd)?;
    }
    let (storage, bucket) = (&flags.data_storage.storage, &flags.data_storage.bucket);
    let local = storage.is_empty() || storage.eq_ignore_ascii_case("file");
    if local && !bucket.is_empty() && !bucket.contains("://") {
        check_path(bucket, cwd)?;
    }
    Ok(())
}

/// Files and directories that the mount opens again and again while it serves.
fn needed(url: &str, open: &OpenOptions) -> Vec<(&'static str, PathBuf)> {
    let database = url.strip_prefix("sqlite3://").and_then(|rest| {
        let path = rest.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("file:").unwrap_or(path);
        path.starts_with('/').then(|| ("the database", path.into()))
    });
    let caches = open.cache.dirs.iter().filter(|dir| dir.is_absolute());
    let caches = caches.map(|dir| ("the cache directory", dir.clone()));
    database.into_iter().chain(caches).collect()
}

/// How the library opens the volume.
fn open_options(flags: &MountCommand, cwd: &Path, mountpoint: &str) -> anyhow::Result<OpenOptions> {
    let (metadata, times) = (&flags.metadata, &flags.metadata_cache);
    let (storage, cache) = (&flags.data_storage, &flags.data_cache);
    if cache.cache_size == 0 {
        tracing::warn!("--cache-size 0: there is no cache, so --prefetch has no effect");
    }
    let prefetch = match cache.cache_size {
        0 => 0,
        _ => count("prefetch", cache.prefetch, 0, 0)?,
    };
    let mut open = OpenOptions::new();
    open.read_only = metadata.read_only;
    open.subdir = not_empty(&metadata.subdir);
    open.metadata.heartbeat = heartbeat(metadata.heartbeat);
    open.jobs.cleanup = !metadata.no_bgjob;
    open.metadata.skip_dir_mtime = metadata.skip_dir_mtime;
    open.metadata.open_cache = times.open_cache;
    open.metadata.open_cache_limit = usize::try_from(times.open_cache_limit).unwrap_or(usize::MAX);
    open.buffers.size_bytes = buffer_size(cache.buffer_size);
    open.buffers.max_readahead = read_ahead(cache.max_readahead);
    open.buffers.prefetch = prefetch as usize;
    open.storage.max_uploads = count("max-uploads", storage.max_uploads, 1, 1)? as usize;
    open.storage.max_downloads = count("max-downloads", storage.max_downloads, 1, 200)? as usize;
    open.jobs.max_deletes = count("max-deletes", storage.max_deletes, 0, 0)? as usize;
    open.storage.io_retries = count("io-retries", storage.io_retries, 0, 0)?;
    open.cache.dirs = cache_flags::dirs(&cache.cache_dir, cwd)?;
    open.cache.size_bytes = cache.cache_size;
    open.cache.items = cache.cache_items;
    open.cache.eviction = cache_flags::eviction(&cache.cache_eviction)?;
    open.cache.expire = cache_flags::expire(cache.cache_expire);
    open.cache.scan_interval = cache_flags::scan_interval(cache.cache_scan_interval);
    open.cache.mode = cache_flags::mode(&cache.cache_mode)?;
    open.cache.checksum = cache_flags::checksum(&cache.verify_cache_checksum)?;
    open.cache.partial_only = cache.cache_partial_only;
    open.cache.large_write = cache.cache_large_write;
    open.cache.free_space_ratio = cache.free_space_ratio;
    open.storage.kind = not_empty(&storage.storage).map(|s| s.to_lowercase());
    open.storage.bucket = not_empty(&storage.bucket);
    open.storage.base_dir = Some(cwd.to_path_buf());
    open.storage.class = not_empty(&storage.storage_class);
    open.storage.get_timeout = storage.get_timeout;
    open.storage.put_timeout = storage.put_timeout;
    open.storage.check = storage.check_storage;
    open.mountpoint = Some(mountpoint.to_string());
    open.kernel.attr_cache = times.attr_cache;
    open.kernel.entry_cache = times.entry_cache;
    open.kernel.dir_entry_cache = times.dir_entry_cache;
    open.kernel.negative_entry_cache = times.negative_entry_cache;
    open.kernel.readdir_cache = times.readdir_cache;
    open.listing.sorted = metadata.sort_dir;
    open.metadata.fast_statfs = metadata.fast_statfs;
    open.listing.prefix_internal = flags.fuse.prefix_internal;
    open.listing.hide_internal = flags.hide_internal;
    Ok(open)
}

/// A number that must be at least `least`; `instead` is used, with a warning, when it is not.
fn count(flag: &str, given: i64, least: u32, instead: u32) -> anyhow::Result<u32> {
    if given < i64::from(least) {
        tracing::warn!("--{flag} {given} is too small, using {instead}: {least} is the least");
        return Ok(instead);
    }
    u32::try_from(given).map_err(|_| {
        let expected = "a smaller number";
        CommandLineError::bad_value(flag, &given.to_string(), expected).into()
    })
}

fn not_empty(text: &str) -> Option<String> {
    Some(text.to_string()).filter(|text| !text.is_empty())
}

fn heartbeat(given: Duration) -> Duration {
    let fits = match given {
        Duration::ZERO => given,
        given => given.clamp(HEARTBEAT_MIN, HEARTBEAT_MAX),
    };
    if fits != given {
        tracing::warn!("--heartbeat has to be from 1s to 10m, using {fits:?}");
    }
    fits
}

fn buffer_size(given: u64) -> u64 {
    if given < BUFFER_MIN {
        tracing::warn!(
            "--buffer-size is too small for readers and writers at the same time, using {} MiB",
            BUFFER_MIN >> 20
        );
    }
    given.max(BUFFER_MIN)
}

fn read_ahead(given: u64) -> u64 {
    match given {
        0 => OpenOptions::default().buffers.max_readahead,
        given => given,
    }
}

/// `<uid>:<gid>`; what is left out is nobody's, as with the reference.
fn squash(flag: &str, text: &str) -> anyhow::Result<Option<Squash>> {
    if text.is_empty() {
        return Ok(None);
    }
    let (uid, gid) = text.split_once(':').unwrap_or((text, ""));
    let id = |text: &str| match text {
        "" => Some(NOBODY),
        text if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    match (id(uid), id(gid)) {
        // The largest number stands for nobody at all.
        (Some(uid), Some(gid)) if uid != u32::MAX && gid != u32::MAX => {
            Ok(Some(Squash { uid, gid }))
        }
        _ => bail!("invalid --{flag} \"{text}\": <uid>:<gid> in numbers is needed, like 1000:1000"),
    }
}

fn fuse_io(given: u64) -> u32 {
    // Whole pages.
    let fits = given.clamp(FUSE_IO_MIN, FUSE_IO_MAX) / FUSE_IO_MIN * FUSE_IO_MIN;
    if fits != given {
        tracing::warn!("--max-fuse-io has to be from 4K to 1M in steps of 4K, using {fits} bytes");
    }
    // At most 1 MiB.
    fits as u32
}

fn umask(text: &str) -> anyhow::Result<u16> {
    match u16::from_str_radix(text, 8) {
        Ok(mask) if mask <= 0o777 && !text.starts_with('+') => Ok(mask),
        _ => bail!("invalid umask \"{text}\": not an octal number up to 777"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use jfs_commands::{Invocation, parse};

    fn parsed(line: &str) -> (Vec<String>, Box<Parsed<MountCommand>>) {
        let argv: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        match parse::<MountCommand>(&argv) {
            Ok(Invocation::Run(parsed)) => (argv, parsed),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn plan(line: &str) -> anyhow::Result<Plan> {
        Plan::read(&parsed(line).1, Path::new("/home/u"))
    }

    #[test]
    fn nothing_relative_is_planned_without_a_working_directory() {
        let gone = Path::new("/proc/self/cwd");
        for (line, named) in [
            ("-d redis://h/1 relx", "\"relx\""),
            ("redis://h/1 ../relx", "\"../relx\""),
            ("sqlite3://v.db /m", "\"v.db\""),
            ("redis://h/1 /m --cache-dir /c:d", "\"d\""),
            ("redis://h/1 /m --cache-dir d*", "\"d*\""),
            ("-d redis://h/1 /m --log x.log", "\"x.log\""),
            ("redis://h/1 /m --bucket objects", "\"objects\""),
        ] {
            let said = Plan::read(&parsed(line).1, gone).map(|_| ());
            let said = said.map_err(|e| format!("{e:#}")).unwrap_err();
            assert!(
                said.contains(named) && said.contains("relative"),
                "{line}: {said}"
            );
        }
        let absolute = "redis://h/1 /tmp --log /x.log --cache-dir memory --bucket https://h/b";
        assert!(Plan::read(&parsed(absolute).1, gone).is_ok());
    }

    #[test]
    fn defaults_are_the_references() {
        let plan = plan("redis://:pw@h/1 mnt --cache-dir memory").unwrap();
        assert_eq!(plan.url, "redis://:pw@h/1");
        assert_eq!(plan.shown_url, "redis://:****@h/1");
        assert_eq!(plan.mountpoint, Path::new("/home/u/mnt"));
        assert_eq!(plan.max_fuse_io, 131_072);
        assert_eq!((plan.umask, plan.fuse_options.len()), (None, 0));
        let (open, default) = (plan.open, OpenOptions::default());
        assert_eq!(open.mountpoint.as_deref(), Some("/home/u/mnt"));
        let shared = |o: &OpenOptions| {
            format!(
                "{:?}",
                (
                    (
                        o.read_only,
                        &o.subdir,
                        o.metadata.heartbeat,
                        o.jobs.cleanup,
                        o.metadata.skip_dir_mtime
                    ),
                    (
                        o.metadata.open_cache,
                        o.buffers.size_bytes,
                        o.buffers.prefetch,
                        o.storage.max_uploads,
                        o.storage.max_downloads
                    ),
                    (
                        o.jobs.max_deletes,
                        o.storage.io_retries,
                        &o.cache.dirs,
                        o.cache.size_bytes,
                        o.cache.free_space_ratio
                    ),
                    (
                        &o.storage.bucket,
                        o.kernel.attr_cache,
                        o.kernel.entry_cache,
                        o.kernel.dir_entry_cache
                    ),
                    (
                        o.kernel.negative_entry_cache,
                        o.kernel.readdir_cache,
                        o.listing.sorted,
                        o.metadata.fast_statfs
                    ),
                    (o.metadata.open_cache_limit, o.buffers.max_readahead),
                )
            )
        };
        assert_eq!(shared(&open), shared(&default));
    }

    #[test]
    fn every_working_flag_arrives() {
        let plan = plan(
            "sqlite3://a.db /m --read-only --subdir /x/y --heartbeat 5 --no-bgjob --skip-dir-mtime 0 \
             --open-cache 3s --buffer-size 64 --prefetch 3 --max-uploads 4 --max-downloads 5 \
             --max-deletes 0 --io-retries 7 --cache-dir c1:/c2 --cache-size 1G --free-space-ratio 0.2 \
             --bucket b --attr-cache 2 --entry-cache 3 --dir-entry-cache 4 --max-fuse-io 1M \
             --umask 027 -o noatime,allow_root --negative-entry-cache 5 --readdir-cache --sort-dir \
             --fast-statfs --open-cache-limit 7 --max-readahead 9 --root-squash 1:2 --all-squash 3 \
             --non-default-permission",
        )
        .unwrap();
        let secs = Duration::from_secs;
        let o = &plan.open;
        assert_eq!(plan.url, "sqlite3:///home/u/a.db");
        assert!(o.read_only && !o.jobs.cleanup);
        assert_eq!(o.subdir.as_deref(), Some("/x/y"));
        assert_eq!(
            (
                o.metadata.heartbeat,
                o.metadata.skip_dir_mtime,
                o.metadata.open_cache
            ),
            (secs(5), secs(0), secs(3))
        );
        assert_eq!(
            (o.buffers.size_bytes, o.buffers.prefetch, o.cache.size_bytes),
            (64 << 20, 3, 1 << 30)
        );
        assert_eq!(
            (
                o.storage.max_uploads,
                o.storage.max_downloads,
                o.jobs.max_deletes,
                o.storage.io_retries
            ),
            (4, 5, 0, 7)
        );
        assert_eq!(
            o.cache.dirs,
            [PathBuf::from("/home/u/c1"), PathBuf::from("/c2")]
        );
        assert_eq!(o.cache.free_space_ratio, 0.2);
        assert_eq!(o.storage.bucket.as_deref(), Some("b"));
        assert_eq!(
            (
                o.kernel.attr_cache,
                o.kernel.entry_cache,
                o.kernel.dir_entry_cache
            ),
            (secs(2), secs(3), secs(4))
        );
        assert_eq!((plan.max_fuse_io, plan.umask), (1 << 20, Some(0o27)));
        assert_eq!(plan.fuse_options, ["noatime", "allow_root"]);
        assert_eq!(o.kernel.negative_entry_cache, secs(5));
        assert!(o.kernel.readdir_cache && o.listing.sorted && o.metadata.fast_statfs);
        assert_eq!(
            (o.metadata.open_cache_limit, o.buffers.max_readahead),
            (7, 9 << 20)
        );
        assert_eq!(plan.root_squash, Some(Squash { uid: 1, gid: 2 }));
        let nobody = Squash { uid: 3, gid: 65534 };
        assert_eq!(plan.all_squash, Some(nobody));
        assert!(!plan.default_permissions);
    }

    #[test]
    fn values_out_of_range_are_mended_or_refused() {
        let mended = plan(
            "a /m --buffer-size 1 --max-uploads 0 --max-downloads -1 --heartbeat 100ms \
             --max-fuse-io 2M --cache-size 0 --prefetch 2",
        )
        .unwrap();
        let o = &mended.open;
        assert_eq!(
            (
                o.buffers.size_bytes,
                o.storage.max_uploads,
                o.storage.max_downloads
            ),
            (32 << 20, 1, 200)
        );
        assert_eq!(
            (o.metadata.heartbeat, o.buffers.prefetch),
            (Duration::from_secs(1), 0)
        );
        assert_eq!(mended.max_fuse_io, 1 << 20);
        assert_eq!(
            plan("a /m --heartbeat 0").unwrap().open.metadata.heartbeat,
            Duration::ZERO
        );
        assert_eq!(plan("a /m --max-fuse-io 100").unwrap().max_fuse_io, 4096);
        for (line, want) in [
            (
                "a /m --root-squash x:1",
                "invalid --root-squash \"x:1\": <uid>:<gid> in numbers is needed, like 1000:1000",
            ),
            (
                "a /m --all-squash 1:4294967295",
                "invalid --all-squash \"1:4294967295\": <uid>:<gid> in numbers is needed, like 1000:1000",
            ),
            (
                "a /m --umask 9",
                "invalid umask \"9\": not an octal number up to 777",
            ),
            (
                "a /m --umask=",
                "invalid umask \"\": not an octal number up to 777",
            ),
            (
                "sqlite3:///m/a.db /m",
                "mount point /m would hide the database /m/a.db, which the mount itself needs",
            ),
            (
                "a /m --cache-dir /m/c",
                "mount point /m would hide the cache directory /m/c, which the mount itself needs",
            ),
            (
                "a / --cache-dir /c",
                "should not mount on the root directory",
            ),
            (
                "a /m --umask 7777",
                "invalid umask \"7777\": not an octal number up to 777",
            ),
            (
                "a /m --cache-dir /nowhere/x*",
                "--cache-dir /nowhere/x*: no directory matches",
            ),
            ("a /m --cache-dir=", "--cache-dir \"\" names no directory"),
            (
                "a /m --max-uploads 5000000000",
                "invalid value \"5000000000\" for flag -max-uploads: parse error (a smaller number is expected)",
            ),
        ] {
            match plan(line) {
                Err(error) => assert_eq!(error.to_string(), want, "{line}"),
                Ok(_) => panic!("{line} is accepted"),
            }
        }
    }

    #[test]
    fn empty_words_are_not_the_current_directory() {
        for (words, want) in [
            (["redis://h/1", ""], "the mount point is empty"),
            (["", "/m"], "the metadata URL is empty"),
        ] {
            let argv = words.map(str::to_string);
            let Ok(Invocation::Run(args)) = parse::<MountCommand>(&argv) else {
                panic!("{words:?}")
            };
            let error = Plan::read(&args, Path::new("/home/u")).err().unwrap();
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn the_daemons_arguments_are_absolute_wherever_they_stand() {
        let (argv, args) = parsed("-d --log m a.db m --subdir m");
        let plan = Plan::read(&args, Path::new("/home/u")).unwrap();
        let words: Vec<&str> = "-d --log m redis://a.db /home/u/m --subdir m"
            .split(' ')
            .collect();
        assert_eq!(plan.daemon_args(&argv, &args), words);
    }
}
