//! Which file of ours goes where, as the Debian package has it below `/`.

use super::{Release, notices, text_of};
use crate::paths;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One packed file.
pub(super) struct File {
    /// Without a slash in front.
    pub(super) path: String,
    pub(super) content: Content,
}

pub(super) enum Content {
    Program(PathBuf),
    /// A file that everybody may read.
    Plain(PathBuf),
    Link(&'static str),
}

/// Names of the shells that `jfs completion` knows, and where each looks for the script of a program.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/jfs"),
    ("zsh", "usr/share/zsh/vendor-completions/_jfs"),
    ("fish", "usr/share/fish/vendor_completions.d/jfs.fish"),
];

/// Everything that is packed. Generated files go to `scratch`.
pub(super) fn files(release: &Release, scratch: &Path) -> Result<Vec<File>> {
    let mut files = vec![
        program(release, "jfs"),
        program(release, "jfs-mount"),
        link("usr/bin/juicefs", "jfs"),
        link("usr/sbin/mount.juicefs", "../bin/jfs"),
        plain("etc/logrotate.d/juicefs", "deploy/logrotate.d/juicefs"),
        plain("usr/share/doc/jfs/copyright", "LICENSE"),
        plain("usr/share/doc/jfs/README.md", "README.md"),
        plain("usr/share/doc/jfs/CHANGELOG.md", "CHANGELOG.md"),
        plain("usr/share/doc/jfs/SEMANTICS.md", "docs/SEMANTICS.md"),
    ];
    for name in [
        "README.md",
        "fstab",
        "systemd/jfs.mount",
        "systemd/docker.service.d/jfs.conf",
    ] {
        files.push(plain(
            &format!("usr/share/doc/jfs/deploy/{name}"),
            &format!("deploy/{name}"),
        ));
    }
    files.push(made(
        scratch,
        "usr/share/doc/jfs/THIRD-PARTY.txt",
        &notices::text()?,
    )?);
    for (shell, path) in COMPLETIONS {
        let script =
            text_of(Command::new(release.programs.join("jfs")).args(["completion", shell]))?;
        files.push(made(scratch, path, &script)?);
    }
    Ok(files)
}

fn program(release: &Release, name: &str) -> File {
    File {
        path: format!("usr/bin/{name}"),
        content: Content::Program(release.programs.join(name)),
    }
}

fn link(path: &str, target: &'static str) -> File {
    File {
        path: path.to_owned(),
        content: Content::Link(target),
    }
}

fn plain(path: &str, source: &str) -> File {
    File {
        path: path.to_owned(),
        content: Content::Plain(paths::root().join(source)),
    }
}

fn made(scratch: &Path, path: &str, text: &str) -> Result<File> {
    let source = scratch.join("made").join(path);
    fs::create_dir_all(source.parent().context("a file has a directory")?)?;
    fs::write(&source, text)?;
    Ok(File {
        path: path.to_owned(),
        content: Content::Plain(source),
    })
}
