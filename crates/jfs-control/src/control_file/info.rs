//! The requests `info` and `summary`: finding the answer, and its JSON.

use jfs_meta::{CHUNKS_PEEKED, InodeLocks, Summary, TreeNode, TreeShape, Walked};
use jfs_types::{Attr, Caller, Errno, Ino, SliceId};
use jfs_vfs::Vfs;
use serde_json::{Value, json};
use std::fmt::Write;

/// Pieces or blocks shown of one file.
const PIECES_MAX: usize = 1 << 20;

/// How a request wants an inode described.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) recursive: bool,
    /// Slices instead of objects.
    pub(super) raw: bool,
    pub(super) strict: bool,
}

/// The part of a slice, or of a block, that a chunk shows.
pub(super) struct Part {
    pub(super) chunk: u32,
    /// Number of the slice, or key of the block.
    pub(super) what: String,
    pub(super) size: u32,
    pub(super) off: u32,
    pub(super) len: u32,
}

/// An inode described.
pub(super) struct Info {
    pub(super) sum: Summary,
    pub(super) paths: Vec<String>,
    /// `None` if the inode is no regular file.
    pub(super) parts: Option<Vec<Part>>,
    pub(super) raw: bool,
    locks: InodeLocks,
    tier: Value,
}

/// Describes an inode that the caller may walk to. The objects of a file are shown if the caller may read the file.
/// A directory in the tree that the caller may not read is counted without its content.
pub(super) async fn info(
    vfs: &Vfs,
    caller: &Caller,
    ino: u64,
    wish: Wish,
    walked: &Walked,
) -> Result<Info, Errno> {
    let meta = vfs.meta();
    let ino = vfs.volume_inode(Ino(ino));
    if ino.is_virtual() {
        return Err(Errno::ENOENT);
    }
    let paths = meta.paths(caller, ino, vfs.config().root).await?;
    let attr = meta.getattr(ino).await?;
    let sum = meta
        .summary(caller, ino, wish.recursive, wish.strict, walked)
        .await?;
    let paths = paths
        .iter()
        .map(|p| String::from_utf8_lossy(p).into_owned());
    let readable = match meta.may_read(caller, &attr).await {
        Err(Errno::EACCES) => false,
        other => other.map(|()| true)?,
    };
    let parts = match attr.is_file() {
        true if readable => Some(parts(vfs, ino, &attr, wish.raw).await?),
        true => Some(Vec::new()),
        false => None,
    };
    let has_objects = |p: &Vec<Part>| !wish.raw && p.iter().any(|p| !p.what.is_empty());
    Ok(Info {
        tier: tier(vfs, &attr, parts.as_ref().is_some_and(has_objects)),
        paths: paths.collect(),
        locks: meta.locks_on(ino).await?,
        raw: wish.raw,
        sum,
        parts,
    })
}

/// The tree below an inode that the caller may walk to.
pub(super) async fn tree(
    vfs: &Vfs,
    caller: &Caller,
    ino: u64,
    shape: TreeShape,
    walked: &Walked,
) -> Result<TreeNode, Errno> {
    let (meta, ino) = (vfs.meta(), vfs.volume_inode(Ino(ino)));
    if ino.is_virtual() {
        return Err(Errno::ENOENT);
    }
    meta.may_walk_to(caller, ino, vfs.config().root).await?;
    meta.tree(caller, ino, shape, walked).await
}

async fn parts(vfs: &Vfs, ino: Ino, attr: &Attr, raw: bool) -> Result<Vec<Part>, Errno> {
    let mut parts = Vec::new();
    let name = vfs.meta().format().name.clone();
    let meta = vfs.meta();
    let stored = meta.stored_chunks(ino, attr.length).await?;
    for page in stored.chunks(CHUNKS_PEEKED) {
        let views = meta.peek_chunks(ino, page).await?;
        let pieces = views.iter().flat_map(|(chunk, pieces)| {
            let chunk = *chunk;
            pieces.iter().map(move |piece| (chunk, piece))
        });
        for (chunk, piece) in pieces {
            if raw || piece.id == SliceId::ZERO {
                parts.push(Part {
                    chunk,
                    what: if raw {
                        piece.id.0.to_string()
                    } else {
                        String::new()
                    },
                    size: piece.size,
                    off: piece.off,
                    len: piece.len,
                });
            } else {
                let (id, size, off) = (piece.id.0, piece.size, piece.off);
                let blocks = vfs.chunks().blocks(id, size, off, piece.len as usize);
                parts.extend(blocks.map(|(key, size, range)| Part {
                    chunk,
                    what: format!("{name}/{key}"),
                    size,
                    off: range.start as u32,
                    len: range.len() as u32,
                }));
            }
            if parts.len() > PIECES_MAX {
                return Err(Errno::EOVERFLOW);
            }
        }
    }
    Ok(parts)
}

/// The tier of an inode; the class of its objects when it has some.
fn tier(vfs: &Vfs, attr: &Attr, has_objects: bool) -> Value {
    let format = vfs.meta().format();
    let tier = attr.tier.to_string();
    let tiers = format.tiers.as_ref();
    let of = |field: &str| {
        let value = tiers.and_then(|t| t.get(&tier)).map(|t| &t[field]);
        value
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_string()
    };
    let mut class = of("StorageClass");
    if class.is_empty() && has_objects {
        class = "actual()".to_string();
    }
    json!({ "ID": attr.tier, "StorageClass": class, "Tag": of("Tag") })
}

/// The answer to `info`.
pub(super) fn json(ino: u64, found: &Result<Info, Errno>) -> String {
    let info = match found {
        Ok(info) => info,
        Err(e) => {
            return json!({
                "Ino": ino, "Failed": true, "Reason": e.text(),
                "Summary": { "Length": 0, "Size": 0, "Files": 0, "Dirs": 0 },
                "Paths": null, "Chunks": null, "Objects": null, "PLocks": null, "FLocks": null,
                "Tier": { "ID": 0, "StorageClass": "", "Tag": "" }, "RestoreStatus": "",
            })
            .to_string();
        }
    };
    let parts = |wanted: bool| match &info.parts {
        Some(parts) if wanted && !parts.is_empty() => parts_json(parts, info.raw),
        _ => "null".to_string(),
    };
    let posix = info.locks.posix.iter().flat_map(|held| {
        held.what.iter().map(|lock| {
            json!({ "Sid": held.sid, "Owner": held.owner, "Type": lock.kind as u32,
                "Pid": lock.pid, "Start": lock.start, "End": lock.end })
        })
    });
    let flocks =
        info.locks.flocks.iter().map(
            |held| json!({ "Sid": held.sid, "Owner": held.owner, "Type": held.what.to_string() }),
        );
    let sum = &info.sum;
    let sum = json!({
        "Length": sum.length, "Size": sum.size, "Files": sum.files, "Dirs": sum.dirs,
    });
    format!(
        "{{\"Ino\":{ino},\"Failed\":false,\"Reason\":\"\",\"Summary\":{sum},\"Paths\":{},\
         \"Chunks\":{},\"Objects\":{},\"PLocks\":{},\"FLocks\":{},\"Tier\":{},\
         \"RestoreStatus\":\"\"}}",
        json!(info.paths),
        parts(info.raw),
        parts(!info.raw),
        posix.collect::<Value>(),
        flocks.collect::<Value>(),
        info.tier
    )
}

/// The parts of a file as JSON. There may be a million, so each is written as text at once.
fn parts_json(parts: &[Part], raw: bool) -> String {
    let mut out = String::from("[");
    for (at, p) in parts.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{{\"ChunkIndex\":{},", p.chunk);
        let _ = match raw {
            true => write!(out, "\"Id\":{}", p.what),
            false => write!(out, "\"Key\":{}", json!(p.what)),
        };
        let (size, off, len) = (p.size, p.off, p.len);
        let _ = write!(out, ",\"Size\":{size},\"Off\":{off},\"Len\":{len}}}");
    }
    out.push(']');
    out
}

/// The answer to `summary`.
pub(super) fn tree_json(ino: u64, found: &Result<TreeNode, Errno>) -> String {
    let (errno, tree) = match found {
        Ok(tree) => {
            let mut tree = node(tree);
            tree["Inode"] = json!(ino);
            // The root of the tree has the type of a directory, also when the root is a file.
            tree["Type"] = json!(2);
            (0, tree)
        }
        Err(e) => {
            let empty = json!({ "Inode": ino, "Path": "", "Type": 2, "Size": 0, "Files": 0,
                "Dirs": 0 });
            (e.0, empty)
        }
    };
    json!({ "Errno": errno, "Tree": tree }).to_string()
}

fn node(n: &TreeNode) -> Value {
    let mut out = json!({
        "Inode": n.ino.0, "Path": String::from_utf8_lossy(&n.path), "Type": n.kind as u8,
        "Size": n.sum.size, "Files": n.sum.files, "Dirs": n.sum.dirs,
    });
    if !n.children.is_empty() {
        out["Children"] = n.children.iter().map(node).collect();
    }
    out
}
