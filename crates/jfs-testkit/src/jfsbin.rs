//! Finding our own binaries beside the running test.

use crate::error::IoContext;
use crate::process::is_program;
use crate::{Client, KitError, Result};
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// Our own `jfs`, of the same build directory and profile as the running test.
#[derive(Debug, Clone)]
pub struct Jfs(Client);

impl Jfs {
    /// Finds `jfs` and `jfs-mount` in the profile's directory (`<target>/debug` for a plain test), or
    /// the `jfs` that `JFS_BIN` names. Cargo does not build binaries of other packages for a test, so
    /// the error says what to build. It does not notice that they are older than the sources: run the
    /// tests by `cargo xtask test`, which builds first.
    pub fn find() -> Result<Self> {
        let jfs = match std::env::var_os("JFS_BIN") {
            Some(named) => PathBuf::from(named),
            None => profile_dir()?.join("jfs"),
        };
        for program in [jfs.clone(), jfs.with_file_name("jfs-mount")] {
            if !is_program(&program) {
                return Err(KitError::NotBuilt(program));
            }
        }
        Ok(Self(Client::at(jfs)))
    }

    /// The path of `jfs-mount`.
    pub fn mount_program(&self) -> PathBuf {
        self.0.program().with_file_name("jfs-mount")
    }
}

impl Deref for Jfs {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

/// `<target>/<profile>`: tests and examples run one directory deeper.
fn profile_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().doing(|| "finding the running test".to_owned())?;
    let dir = exe.parent().unwrap_or(Path::new("/"));
    let deeper = dir.ends_with("deps") || dir.ends_with("examples");
    let dir = if deeper {
        dir.parent().unwrap_or(dir)
    } else {
        dir
    };
    Ok(dir.to_owned())
}
