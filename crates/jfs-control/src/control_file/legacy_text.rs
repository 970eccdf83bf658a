//! The plain text that tools of old versions get.

use super::info::Info;
use jfs_types::Errno;
use std::fmt::Write;

/// An inode described in lines.
pub(super) fn legacy(ino: u64, found: &Result<Info, Errno>) -> String {
    let info = match found {
        Ok(info) => info,
        Err(e) => return e.text().to_string(),
    };
    let sum = &info.sum;
    let mut out = format!(
        "  inode: {ino}\n  files: {}\n   dirs: {}\n length: {}\n   size: {}\n",
        sum.files,
        sum.dirs,
        size(sum.length),
        size(sum.size)
    );
    match &info.paths[..] {
        [path] => {
            let _ = writeln!(out, "   path: {path}");
        }
        [] => out.push_str("   path: unknown\n"),
        several => {
            out.push_str("  paths:\n");
            several.iter().for_each(|path| {
                let _ = writeln!(out, "\t{path}");
            });
        }
    }
    if let Some(parts) = &info.parts
        && !parts.is_empty()
    {
        out.push_str(if info.raw { " chunks:\n" } else { "objects:\n" });
        for p in parts {
            let _ = writeln!(
                out,
                "\t{}:\t{}\t{}\t{}\t{}",
                p.chunk, p.what, p.size, p.off, p.len
            );
        }
    }
    out
}

/// Bytes as people read them: `100 Bytes`, `4.00 KiB (4096 Bytes)`.
fn size(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} Bytes");
    }
    // Whole units on the way down, as the reference does.
    let (mut rest, mut unit) = (n, 0);
    while rest >= 1 << 20 && unit + 1 < UNITS.len() {
        rest >>= 10;
        unit += 1;
    }
    format!("{:.2} {} ({n} Bytes)", rest as f64 / 1024.0, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size(1023), "1023 Bytes");
        assert_eq!(size(200_000), "195.31 KiB (200000 Bytes)");
        assert_eq!(size(4096), "4.00 KiB (4096 Bytes)");
        assert_eq!(size(67_208_864), "64.09 MiB (67208864 Bytes)");
        assert_eq!(size(u64::MAX), "16.00 EiB (18446744073709551615 Bytes)");
    }
}
