//! Files to archives, by tar: sorted, owned by root, all of one time, so that the same commit packs to the same bytes.

use super::layout::{Content, File};
use super::{Release, target};
use crate::step;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Puts every file below `top`; `place` turns the path of the package into the one to use, or leaves a file out.
pub(super) fn stage(
    files: &[File],
    top: &Path,
    place: impl Fn(&str) -> Option<String>,
) -> Result<()> {
    for file in files {
        let Some(path) = place(&file.path) else {
            continue;
        };
        let path = top.join(path);
        fs::create_dir_all(path.parent().context("a file has a directory")?)?;
        match &file.content {
            Content::Link(target) => symlink(target, &path)?,
            Content::Program(source) => copy(source, &path, 0o755)?,
            Content::Plain(source) => copy(source, &path, 0o644)?,
        }
    }
    Ok(())
}

fn copy(source: &Path, path: &Path, mode: u32) -> Result<()> {
    fs::copy(source, path).with_context(|| format!("{}", source.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// Packs `what` below `directory` into a file compressed by gzip.
pub(super) fn pack(release: &Release, directory: &Path, what: &str, archive: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args([
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--format=gnu",
        "--mode=u+w,go-w",
    ]);
    tar.arg(format!("--mtime=@{}", release.epoch));
    tar.args(["--use-compress-program", "gzip -9n", "-cf"])
        .arg(archive);
    step::run(tar.arg("-C").arg(directory).arg(what))
}

/// `jfs-VERSION-ARCH-linux.tar.gz`: one directory with `bin`, `share` and the files to copy.
pub(super) fn tarball(
    release: &Release,
    files: &[File],
    directory: &Path,
    scratch: &Path,
) -> Result<PathBuf> {
    let name = format!("jfs-{}-{}-linux", release.version, std::env::consts::ARCH);
    debug_assert!(target().starts_with(std::env::consts::ARCH));
    let top = scratch.join("tarball");
    stage(files, &top.join(&name), |path| match path {
        // mount(8) finds its helper in one place only, where the administrator links it.
        "usr/sbin/mount.juicefs" => None,
        "etc/logrotate.d/juicefs" => Some("share/doc/jfs/deploy/logrotate.d/juicefs".to_owned()),
        path => path.strip_prefix("usr/").map(str::to_owned),
    })?;
    let archive = directory.join(format!("{name}.tar.gz"));
    pack(release, &top, &name, &archive)?;
    Ok(archive)
}
