//! The Debian package: an `ar` archive of a version, the control files and the files below `/`.

use super::Release;
use super::archive::{pack, stage};
use super::layout::File;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Builds `jfs_VERSION_ARCH.deb` in `directory`.
pub(super) fn package(
    release: &Release,
    files: &[File],
    directory: &Path,
    scratch: &Path,
) -> Result<PathBuf> {
    let (data, control) = (scratch.join("data"), scratch.join("control"));
    stage(files, &data, |path| Some(path.to_owned()))?;
    fs::create_dir_all(&control)?;
    let architecture = architecture()?;
    fs::write(
        control.join("control"),
        control_text(release, architecture, kibibytes(&data)?),
    )?;
    let settings = files.iter().filter(|file| file.path.starts_with("etc/"));
    let settings: String = settings.map(|file| format!("/{}\n", file.path)).collect();
    fs::write(control.join("conffiles"), settings)?;

    let parts = [scratch.join("control.tar.gz"), scratch.join("data.tar.gz")];
    pack(release, &control, ".", &parts[0])?;
    pack(release, &data, ".", &parts[1])?;
    let path = directory.join(format!("jfs_{}_{architecture}.deb", release.version));
    let mut archive = fs::File::create(&path)?;
    archive.write_all(b"!<arch>\n")?;
    member(&mut archive, release, "debian-binary", b"2.0\n")?;
    for part in &parts {
        let name = part
            .file_name()
            .and_then(|n| n.to_str())
            .context("a part has a name")?;
        member(&mut archive, release, name, &fs::read(part)?)?;
    }
    Ok(path)
}

/// One file of the `ar` format: a header of 60 bytes, the content, a line feed where the length is odd.
fn member(archive: &mut impl Write, release: &Release, name: &str, content: &[u8]) -> Result<()> {
    let (time, length) = (release.epoch, content.len());
    writeln!(
        archive,
        "{name:<16}{time:<12}{:<6}{:<6}{:<8}{length:<10}`",
        0, 0, "100644"
    )?;
    archive.write_all(content)?;
    if length % 2 == 1 {
        archive.write_all(b"\n")?;
    }
    Ok(())
}

/// Debian's name of this machine's architecture.
fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("no Debian architecture is known for {other}"),
    }
}

fn control_text(release: &Release, architecture: &str, kibibytes: u64) -> String {
    let version = &release.version;
    format!(
        "\
Package: jfs
Version: {version}
Architecture: {architecture}
Maintainer: The jfs developers <developers@jfs.invalid>
Section: admin
Priority: optional
Installed-Size: {kibibytes}
Recommends: fuse3, ca-certificates
Suggests: redis-server, logrotate
Conflicts: juicefs
Provides: juicefs
Description: distributed POSIX file system over a database and an object store
 jfs mounts volumes whose metadata is in Redis or SQLite and whose data is in
 an object store. It reads and writes volumes of JuiceFS CE 1.4.2 and takes its
 command lines.
 .
 The programs are linked statically. Users other than root need fuse3 to mount.
"
    )
}

/// What the files take on a disk, as dpkg counts: each rounded up to a kibibyte, one for each directory and link.
fn kibibytes(directory: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in WalkDir::new(directory) {
        let metadata = entry?.metadata()?;
        total += if metadata.is_file() {
            metadata.len().div_ceil(1024)
        } else {
            1
        };
    }
    Ok(total)
}
