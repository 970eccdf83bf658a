//! `info`: what a mount knows about paths or inodes, in lines and tables on standard output.

use crate::control;
use crate::table::{Side, render};
use anyhow::bail;
use jfs_commands::Parsed;
use jfs_commands::commands::InfoCommand;
use serde::Deserialize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const OPCODE: u32 = 1005;
const CHUNK_SIZE: u64 = jfs_types::CHUNK_SIZE;

/// The answer of a mount. What is missing counts as empty.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Info {
    ino: u64,
    failed: bool,
    reason: String,
    summary: Summary,
    paths: Option<Vec<String>>,
    chunks: Option<Vec<Chunk>>,
    objects: Option<Vec<Object>>,
    #[serde(rename = "PLocks")]
    plocks: Option<Vec<Plock>>,
    #[serde(rename = "FLocks")]
    flocks: Option<Vec<Flock>>,
    tier: Tier,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Summary {
    length: u64,
    size: u64,
    files: u64,
    dirs: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Chunk {
    chunk_index: u64,
    id: u64,
    size: u64,
    off: u64,
    len: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Object {
    chunk_index: u64,
    key: String,
    size: u64,
    off: u64,
    len: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Plock {
    sid: u64,
    owner: u64,
    #[serde(rename = "Type")]
    kind: u32,
    pid: u32,
    start: u64,
    end: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Flock {
    sid: u64,
    owner: u64,
    #[serde(rename = "Type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Tier {
    #[serde(rename = "ID")]
    id: u64,
    storage_class: String,
    tag: String,
}

pub(crate) fn run(args: &Parsed<InfoCommand>) -> anyhow::Result<()> {
    let args = &args.flags;
    let flags = [args.recursive, args.raw, args.strict];
    let mut shown = 0;
    for given in &args.paths {
        // What cannot be found is said; the others are still shown.
        let (ino, place) = match find(given, args.inode) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!("lookup inode for \"{given}\": {error}");
                continue;
            }
        };
        let mut control = match control::open(&place) {
            Ok(control) => control,
            Err(error) => {
                tracing::error!("Open control file for \"{}\": {error}", place.display());
                continue;
            }
        };
        let mut body = ino.to_be_bytes().to_vec();
        body.extend(flags.map(u8::from));
        let asked = control::ask(&mut control, OPCODE, &body, "files scanned");
        let info: Info = match asked.and_then(|answer| Ok(serde_json::from_slice(&answer)?)) {
            Ok(info) => info,
            Err(error) => {
                tracing::error!("info of \"{given}\": {error:#}");
                continue;
            }
        };
        if info.failed {
            tracing::error!("info of \"{given}\": {}", info.reason);
            continue;
        }
        jfs_telemetry::show!("{given} :\n{}", text(&info));
        shown += 1;
    }
    // Partial results count as success, as with the reference; none do not.
    if shown == 0 {
        bail!("info: nothing was found in a mounted volume");
    }
    Ok(())
}

/// The inode that is meant, and a path of the mount it belongs to.
fn find(given: &str, by_inode: bool) -> Result<(u64, PathBuf), String> {
    let cwd = jfs_commands::address::here();
    if by_inode {
        let ino = given.parse().map_err(|e| format!("{e}"))?;
        return Ok((ino, cwd));
    }
    jfs_commands::address::check_path(given, &cwd).map_err(|e| e.to_string())?;
    let path = cwd.join(Path::new(given));
    match path.metadata() {
        Ok(meta) => Ok((meta.ino(), path)),
        Err(e) => Err(format!("stat {}: {}", path.display(), control::plain(&e))),
    }
}

fn text(info: &Info) -> String {
    let sum = &info.summary;
    let mut out = format!(
        "  inode: {}\n  files: {}\n   dirs: {}\n length: {}\n   size: {}\n",
        info.ino,
        sum.files,
        sum.dirs,
        size(sum.length),
        size(sum.size)
    );
    match info.paths.as_deref().unwrap_or_default() {
        [path] => out.push_str(&format!("   path: {path}\n")),
        [] => out.push_str("   path: unknown\n"),
        several => {
            out.push_str("  paths:\n");
            several
                .iter()
                .for_each(|path| out.push_str(&format!("\t{path}\n")));
        }
    }
    let tier = &info.tier;
    out.push_str(&format!(
        "   tier: {}->{} {}\n",
        tier.id, tier.storage_class, tier.tag
    ));
    out + &tables(info)
}

fn tables(info: &Info) -> String {
    use Side::{Left, Right};
    let mut out = String::new();
    let mut table = |title: &str, head: &[(&str, Side)], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            out.push_str(&format!(" {title}:\n{}", render(head, &rows)));
        }
    };
    let chunks = info.chunks.iter().flatten();
    table(
        "chunks",
        &[
            ("chunkIndex", Right),
            ("sliceId", Right),
            ("size", Right),
            ("offset", Right),
            ("length", Right),
        ],
        chunks
            .map(|c| numbers(&[c.chunk_index, c.id, c.size, c.off, c.len]))
            .collect(),
    );
    table(
        "objects",
        &[
            ("chunkIndex", Right),
            ("objectName", Left),
            ("size", Right),
            ("offset", Right),
            ("length", Right),
            ("pos", Right),
        ],
        objects(info.objects.as_deref().unwrap_or_default()),
    );
    let plocks = info.plocks.iter().flatten();
    table(
        "plocks",
        &[
            ("Sid", Left),
            ("Owner", Right),
            ("Type", Right),
            ("Pid", Right),
            ("Start", Right),
            ("End", Right),
        ],
        plocks
            .map(|l| {
                let mut row = numbers(&[l.sid, l.owner]);
                row.push(letter(l.kind).to_string());
                row.extend(numbers(&[u64::from(l.pid), l.start, l.end]));
                row
            })
            .collect(),
    );
    let flocks = info.flocks.iter().flatten();
    table(
        "flocks",
        &[("Sid", Left), ("Owner", Right), ("Type", Right)],
        flocks
            .map(|l| {
                let mut row = numbers(&[l.sid, l.owner]);
                row.push(l.kind.clone());
                row
            })
            .collect(),
    );
    out
}

/// Rows of objects, with the place of each in the file.
fn objects(objects: &[Object]) -> Vec<Vec<String>> {
    let (mut chunk, mut in_chunk) = (0, 0u64);
    let rows = objects.iter().map(|o| {
        if o.chunk_index != chunk {
            (chunk, in_chunk) = (o.chunk_index, 0);
        }
        let pos = chunk.saturating_mul(CHUNK_SIZE).saturating_add(in_chunk);
        in_chunk = in_chunk.saturating_add(o.len);
        let mut row = vec![o.chunk_index.to_string(), o.key.clone()];
        row.extend(numbers(&[o.size, o.off, o.len, pos]));
        row
    });
    rows.collect()
}

fn numbers(values: &[u64]) -> Vec<String> {
    values.iter().map(u64::to_string).collect()
}

fn letter(kind: u32) -> char {
    match kind {
        0 => 'R',
        1 => 'W',
        _ => 'U',
    }
}

/// Bytes as people read them: `100 Bytes`, `4.00 KiB (4096 Bytes)`.
fn size(n: u64) -> String {
    if n < 1024 {
        return format!("{n} Bytes");
    }
    // Whole units on the way down, as the reference does.
    let (mut rest, mut units) = (n, ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].into_iter());
    let mut unit = units.next().unwrap_or_default();
    while rest >= 1 << 20
        && let Some(next) = units.next()
    {
        rest >>= 10;
        unit = next;
    }
    format!("{:.2} {unit} ({n} Bytes)", rest as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_reference() {
        assert_eq!(size(1023), "1023 Bytes");
        assert_eq!(size(70_000), "68.36 KiB (70000 Bytes)");
        assert_eq!(size(67_208_864), "64.09 MiB (67208864 Bytes)");
        assert_eq!(size(67_211_264), "64.10 MiB (67211264 Bytes)");
    }

    #[test]
    fn positions_begin_anew_in_every_chunk() {
        let object = |chunk_index, len| Object {
            chunk_index,
            len,
            ..Object::default()
        };
        let rows = objects(&[object(0, 5), object(0, 3), object(2, 10), object(2, 1)]);
        let places: Vec<&str> = rows
            .iter()
            .filter_map(|r| Some(r.last()?.as_str()))
            .collect();
        assert_eq!(places, ["0", "5", "134217728", "134217738"]);
    }
}
