//! Finding the reference client, JuiceFS 1.4.2.

use crate::process::{is_program, on_path};
use crate::tools::tool;
use crate::{Client, KitError, Result};
use std::ops::Deref;
use std::path::PathBuf;

/// The reference client: a [`Client`] that is known to be the right program and version.
#[derive(Debug, Clone)]
pub struct Reference(Client);

impl Reference {
    /// Finds the client: the program named by `JFS_REFERENCE`, else where `scripts/install-deps --tests`
    /// puts it (`$JFS_TOOLS_DIR/reference/bin/juicefs`, default `~/.cache/jfs-tools`), else `juicefs` on
    /// `PATH`. A program of another version is an error.
    pub fn find() -> Result<Self> {
        let program = Self::candidates().into_iter().find(|p| is_program(p));
        let program = program.ok_or(KitError::MissingProgram {
            program: "juicefs 1.4.2 (the reference client)",
            remedy: "scripts/install-deps --tests, or set JFS_REFERENCE",
        })?;
        let client = Client::at(&program);
        let version = client.run(&["version"])?.ok()?.stdout;
        if !version.starts_with("juicefs version 1.4.2") {
            let what = format!("{}: not the reference client 1.4.2", program.display());
            return Err(KitError::Failed {
                what,
                output: version,
            });
        }
        Ok(Self(client))
    }

    fn candidates() -> Vec<PathBuf> {
        if let Some(named) = std::env::var_os("JFS_REFERENCE") {
            return vec![named.into()];
        }
        let installed = tool("reference/bin/juicefs");
        installed.into_iter().chain(on_path("juicefs")).collect()
    }
}

impl Deref for Reference {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}
