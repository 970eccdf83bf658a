//! The golden volumes in `tests/fixtures`: unpacked into a scratch directory, with their manifests.

use crate::base64::decode;
use crate::error::IoContext;
use crate::{Kind, KitError, Node, Result, Tree, scratch_dir};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The directory of the golden volumes of this checkout.
pub fn fixtures_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/juicefs-1.4.2")
}

/// Volume totals as a manifest states them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatFs {
    /// Block size in bytes.
    pub block_size: u64,
    /// Used space in bytes.
    pub used_bytes: u64,
    /// Inodes in use.
    pub used_inodes: u64,
    /// Longest name in bytes.
    pub name_max: u64,
}

/// The tree that the reference client showed on a read-only mount of a golden volume.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Everything but the trash.
    pub entries: Tree,
    /// The trash, with paths from `/.trash` on.
    pub trash: Tree,
    /// Volume totals.
    pub statfs: StatFs,
}

/// A golden volume, unpacked; its copy may be changed and is gone when the value is dropped.
#[derive(Debug)]
pub struct Fixture {
    name: String,
    dir: TempDir,
    manifest: Manifest,
}

impl Fixture {
    /// Unpacks volume `name` (`plain`, `lz4`, `zstd`, `redis`, ...) and reads its manifest.
    pub fn unpack(name: &str) -> Result<Self> {
        let manifest = Manifest::read(&fixtures_dir().join(format!("{name}.manifest.json")))?;
        let archive = fixtures_dir().join(format!("{name}.tar.gz"));
        let dir = scratch_dir()?;
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(&archive).arg("-C").arg(dir.path());
        let output = tar.output().doing(|| "running tar".to_owned())?;
        if !output.status.success() {
            let what = format!("unpacking {}", archive.display());
            let output = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(KitError::Failed { what, output });
        }
        Ok(Self {
            name: name.to_owned(),
            dir,
            manifest,
        })
    }

    /// The directory with `meta.db` (or `dump.rdb`) and `objects/`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The metadata URL of a SQLite volume.
    pub fn meta_url(&self) -> String {
        format!("sqlite3://{}", self.dir().join("meta.db").display())
    }

    /// The RDB file of the volume `redis`, which is its database 1.
    pub fn rdb(&self) -> PathBuf {
        self.dir().join("dump.rdb")
    }

    /// The value for `mount --bucket`, with the slash at the end that the reference wants.
    pub fn bucket(&self) -> String {
        format!("{}/", self.dir().join("objects").display())
    }

    /// The directory with the objects of this volume.
    pub fn objects(&self) -> PathBuf {
        self.dir().join("objects").join(&self.name)
    }

    /// The expected tree of the volume.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

impl Manifest {
    /// Reads a manifest file.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file).doing(|| format!("reading {}", file.display()))?;
        let bad = |reason: String| KitError::BadData {
            file: file.to_owned(),
            reason,
        };
        let json: Value = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        Self::parse(&json).map_err(bad)
    }

    fn parse(json: &Value) -> std::result::Result<Self, String> {
        let totals = &json["statfs"];
        Ok(Self {
            entries: tree(&json["entries"])?,
            trash: tree(&json["trash"])?,
            statfs: StatFs {
                block_size: number(totals, "block_size")?,
                used_bytes: number(totals, "used_bytes")?,
                used_inodes: number(totals, "used_inodes")?,
                name_max: number(totals, "name_max")?,
            },
        })
    }
}

fn tree(list: &Value) -> std::result::Result<Tree, String> {
    let list = list.as_array().ok_or("entries or trash is no list")?;
    list.iter().map(entry).collect()
}

fn entry(json: &Value) -> std::result::Result<(Vec<u8>, Node), String> {
    let path = bytes(json, "path_b64")?.ok_or("an entry without path_b64")?;
    let node = node(json).map_err(|reason| format!("{}: {reason}", path.escape_ascii()))?;
    Ok((path, node))
}

fn node(json: &Value) -> std::result::Result<Node, String> {
    let narrow = |name| u32::try_from(number(json, name)?).map_err(|e| format!("{name}: {e}"));
    let time = |name: &str| json[name].as_i64().map(i128::from);
    let mode = json["mode"].as_str().ok_or("no mode")?;
    let kind = match json["type"].as_str() {
        Some("file") => Kind::File,
        Some("directory") => Kind::Directory,
        Some("symlink") => Kind::Symlink,
        Some("fifo") => Kind::Fifo,
        Some("chardev") => Kind::CharDevice,
        Some("blockdev") => Kind::BlockDevice,
        Some("socket") => Kind::Socket,
        other => return Err(format!("type {other:?}")),
    };
    let rdev = match json["rdev"].as_array().map(Vec::as_slice) {
        Some([major, minor]) => {
            let half = |n: &Value| n.as_u64().and_then(|n| u32::try_from(n).ok()).ok_or("rdev");
            Some((half(major)?, half(minor)?))
        }
        _ => None,
    };
    Ok(Node {
        kind,
        ino: number(json, "inode")?,
        mode: u32::from_str_radix(mode, 8).map_err(|e| format!("mode {mode}: {e}"))?,
        uid: narrow("uid")?,
        gid: narrow("gid")?,
        size: number(json, "size")?,
        nlink: number(json, "nlink")?,
        blocks: number(json, "blocks")?,
        mtime_ns: time("mtime_ns").ok_or("no mtime_ns")?,
        ctime_ns: time("ctime_ns").ok_or("no ctime_ns")?,
        atime_ns: time("atime_ns"),
        sha256: json["sha256"].as_str().map(str::to_owned),
        target: bytes(json, "target_b64")?,
        rdev,
        xattrs: xattrs(&json["xattrs_b64"])?,
        flags: match &json["iflags"] {
            Value::Null => 0,
            _ => narrow("iflags")?,
        },
    })
}

/// The reference's Redis engine lists an empty extended attribute and cannot return it (`null`); it is empty
/// all the same.
fn xattrs(json: &Value) -> std::result::Result<BTreeMap<Vec<u8>, Vec<u8>>, String> {
    let Some(list) = json.as_object() else {
        return Ok(BTreeMap::new());
    };
    let value = |v: &Value| match v.as_str() {
        Some(text) => decode(text).ok_or("xattrs_b64 is no base64"),
        None => Ok(Vec::new()),
    };
    let pair = |(name, v): (&String, &Value)| Ok((name.as_bytes().to_vec(), value(v)?));
    list.iter().map(pair).collect()
}

fn number(json: &Value, name: &str) -> std::result::Result<u64, String> {
    json[name]
        .as_u64()
        .ok_or_else(|| format!("no number {name}"))
}

fn bytes(json: &Value, name: &str) -> std::result::Result<Option<Vec<u8>>, String> {
    let Some(text) = json[name].as_str() else {
        return Ok(None);
    };
    decode(text)
        .map(Some)
        .ok_or_else(|| format!("{name} is not base64"))
}
