//! What `.config` shows: how this mount was started, in the words of the reference.

use crate::plan::Plan;
use jfs_fuse::Squash;
use jfs_types::Format;
use serde_json::{Value, json};
use std::time::Duration;

/// Makes `.config` describe this mount. `metrics` is where they are shown.
pub(crate) fn describe(plan: &Plan, volume: &jfs::Volume, metrics: Option<String>) {
    let fixed = Fixed {
        sid: volume.session_id().unwrap_or(0),
        read_only: volume.read_only(),
        metrics: metrics.unwrap_or_default(),
        mountpoint: plan.mountpoint.display().to_string(),
        umask: plan.umask.unwrap_or(u16::MAX),
        max_fuse_io: plan.max_fuse_io,
        options: plan.fuse_options.clone(),
        xattr: plan.enable_xattr,
        root_squash: plan.root_squash,
        all_squash: plan.all_squash,
        default_permissions: plan.default_permissions,
        open: plan.open.clone(),
    };
    let meta = volume.meta().clone();
    let text = move || {
        let format = fixed.open.apply((*meta.format()).clone()).without_secrets();
        let text = serde_json::to_string_pretty(&fixed.json(&format)).unwrap_or_default();
        // The bucket's address may hold access keys.
        one_space(&jfs_telemetry::mask_text(&text))
    };
    volume.view().described_by(Box::new(text));
}

struct Fixed {
    sid: u64,
    read_only: bool,
    metrics: String,
    mountpoint: String,
    umask: u16,
    max_fuse_io: u32,
    options: Vec<String>,
    xattr: bool,
    root_squash: Option<Squash>,
    all_squash: Option<Squash>,
    default_permissions: bool,
    open: jfs::OpenOptions,
}

impl Fixed {
    fn json(&self, format: &Format) -> Value {
        let o = &self.open;
        let subdir = o.subdir.clone().unwrap_or_default();
        let pid = std::process::id();
        let mut all = json!({
            "Meta": {
                "Retries": 10,
                "MaxDeletes": o.jobs.max_deletes,
                "SkipDirNlink": 0,
                "CaseInsensi": false,
                "ReadOnly": self.read_only,
                "NoBGJob": !o.jobs.cleanup,
                "OpenCache": nanos(o.metadata.open_cache),
                "OpenCacheLimit": o.metadata.open_cache_limit,
                "Heartbeat": nanos(o.metadata.heartbeat),
                "MountPoint": self.mountpoint,
                "Subdir": subdir,
                "AtimeMode": "noatime",
                "DirStatFlushPeriod": nanos(Duration::from_secs(1)),
                "SkipDirMtime": nanos(o.metadata.skip_dir_mtime),
                "Sid": self.sid,
                "SortDir": o.listing.sorted,
                "FastStatfs": o.metadata.fast_statfs,
                "NetworkInterfaces": null,
            },
            "Format": format,
            "Chunk": self.chunk(format),
            "Security": { "EnableCap": false, "EnableSELinux": false },
            "Port": { "PrometheusAgent": self.metrics, "DebugAgent": "" },
            "Version": jfs_types::version::session_version(),
            "AttrTimeout": nanos(o.kernel.attr_cache),
            "DirEntryTimeout": nanos(o.kernel.dir_entry_cache),
            "NegEntryTimeout": nanos(o.kernel.negative_entry_cache),
            "EntryTimeout": nanos(o.kernel.entry_cache),
            "ReaddirCache": o.kernel.readdir_cache,
            "BackupMeta": 0,
            "BackupSkipTrash": false,
            "PrefixInternal": o.listing.prefix_internal,
            "HideInternal": o.listing.hide_internal,
            "UMask": self.umask,
            "Pid": pid,
            "PPid": nix::unistd::getppid().as_raw(),
            // Empty: nobody offers to take this mount over.
            "CommPath": "",
            "StatePath": "",
            "FuseOpts": {
                "AllowOther": nix::unistd::geteuid().is_root(),
                "Options": self.options,
                "MaxWrite": self.max_fuse_io,
                "FsName": format!("JuiceFS:{}", format.name),
                "Name": "juicefs",
                "DisableXAttrs": !self.xattr && !format.enable_acl,
                "EnableAcl": format.enable_acl,
            },
            "Mountpoint": self.mountpoint,
            "Subdir": subdir,
        });
        // The reference leaves these out where they are not in use.
        for (name, squash) in [
            ("RootSquash", self.root_squash),
            ("AllSquash", self.all_squash),
        ] {
            if let Some(Squash { uid, gid }) = squash {
                all[name] = json!({ "Uid": uid, "Gid": gid });
            }
        }
        if !self.default_permissions {
            all["NonDefaultPermission"] = json!(true);
        }
        all
    }

    fn chunk(&self, format: &Format) -> Value {
        let o = &self.open;
        let dirs: Vec<String> = o
            .cache
            .dirs
            .iter()
            .map(|dir| dir.join(&format.uuid).display().to_string())
            .collect();
        json!({
            "CacheDir": dirs.join(":"),
            "CacheMode": o.cache.mode,
            "CacheSize": o.cache.size_bytes,
            "CacheItems": o.cache.items,
            "CacheChecksum": format!("{:?}", o.cache.checksum).to_lowercase(),
            "CacheEviction": match o.cache.eviction {
                jfs::cache::Eviction::None => "none",
                jfs::cache::Eviction::TwoRandom => "2-random",
                jfs::cache::Eviction::Lru => "lru",
            },
            "CacheScanInterval": nanos(o.cache.scan_interval),
            "CacheExpire": nanos(o.cache.expire),
            "OSCache": true,
            "FreeSpace": o.cache.free_space_ratio,
            "AutoCreate": true,
            "Compress": format.compression,
            "MaxUpload": o.storage.max_uploads,
            "MaxDownload": o.storage.max_downloads,
            "MaxStageWrite": 0,
            "MaxRetries": o.storage.io_retries,
            "UploadLimit": 0,
            "DownloadLimit": 0,
            "Writeback": false,
            "WritebackThresholdSize": 0,
            "UploadDelay": 0,
            "UploadHours": "",
            "HashPrefix": format.hash_prefix,
            "BlockSize": format.block_bytes(),
            "GetTimeout": nanos(o.storage.get_timeout),
            "PutTimeout": nanos(o.storage.put_timeout),
            "CacheFullBlock": !o.cache.partial_only,
            "CacheLargeWrite": o.cache.large_write,
            "BufferSize": o.buffers.size_bytes,
            "Readahead": 0,
            "Prefetch": o.buffers.prefetch,
        })
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Indented by one space where the printer takes two.
fn one_space(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let rest = line.trim_start_matches(' ');
        let depth = (line.len() - rest.len()) / 2;
        format!("{}{rest}", " ".repeat(depth))
    });
    lines.collect::<Vec<_>>().join("\n")
}
