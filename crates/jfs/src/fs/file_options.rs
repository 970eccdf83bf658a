//! How a file is opened.

use super::walk::{Last, Node, Walk};
use super::{File, Fs};
use crate::Error;
use crate::shared::Opened;
use jfs_types::{Errno, FileType};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// Permission bits of new files, before the umask.
const FILE_MODE: u32 = 0o666;
/// How often an open begins anew because another client makes and removes the name at that moment.
const RACES_MAX: u32 = 10;

/// Options of an open, as `tokio::fs::OpenOptions`. [`Fs::options`] makes one.
#[derive(Clone)]
pub struct FileOptions {
    fs: Fs,
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
}

impl Fs {
    /// Options of an open, none set.
    pub fn options(&self) -> FileOptions {
        FileOptions {
            fs: self.clone(),
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: FILE_MODE,
        }
    }

    /// Opens a file for reading. What other clients closed before is seen.
    pub async fn open(&self, path: impl AsRef<Path>) -> Result<File, Error> {
        self.options().read(true).open(path).await
    }

    /// Opens a file for writing: a new one, or an existing one made empty.
    pub async fn create(&self, path: impl AsRef<Path>) -> Result<File, Error> {
        let options = self.options().write(true).create(true).truncate(true);
        options.open_as("create", path.as_ref()).await
    }
}

impl FileOptions {
    /// Open for reading.
    #[must_use]
    pub fn read(mut self, read: bool) -> FileOptions {
        self.read = read;
        self
    }

    /// Open for writing.
    #[must_use]
    pub fn write(mut self, write: bool) -> FileOptions {
        self.write = write;
        self
    }

    /// Open for writing at the end, wherever that is when a write happens, also with other clients.
    #[must_use]
    pub fn append(mut self, append: bool) -> FileOptions {
        self.append = append;
        self
    }

    /// Make an existing file empty. Needs `write`.
    #[must_use]
    pub fn truncate(mut self, truncate: bool) -> FileOptions {
        self.truncate = truncate;
        self
    }

    /// Make a file that is missing. Needs `write` or `append`.
    #[must_use]
    pub fn create(mut self, create: bool) -> FileOptions {
        self.create = create;
        self
    }

    /// Make the file, and fail when the name is taken, also by a symbolic link. Needs `write` or `append`.
    #[must_use]
    pub fn create_new(mut self, create_new: bool) -> FileOptions {
        self.create_new = create_new;
        self
    }

    /// Permission bits of a new file, before the umask. Default 0666.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> FileOptions {
        self.mode = mode;
        self
    }

    /// Opens a file. InvalidInput when the options contradict each other.
    pub async fn open(&self, path: impl AsRef<Path>) -> Result<File, Error> {
        self.open_as("open", path.as_ref()).await
    }

    async fn open_as(&self, operation: &'static str, path: &Path) -> Result<File, Error> {
        let opened = Box::pin(async {
            let flags = self.flags()?;
            for _ in 0..RACES_MAX {
                match self.try_open(path, flags).await {
                    Err(Errno::ESTALE) => {}
                    opened => return opened,
                }
            }
            Err(Errno::ESTALE)
        });
        self.fs.doing(operation, path, opened).await
    }

    /// The flags of open(2). EINVAL for what the standard library refuses.
    fn flags(&self) -> Result<i32, Errno> {
        let changes = self.write || self.append;
        let makes = self.create || self.create_new;
        let access = match (self.read, changes) {
            (true, true) => libc::O_RDWR,
            (true, false) => libc::O_RDONLY,
            (false, true) => libc::O_WRONLY,
            (false, false) => return Err(Errno::EINVAL),
        };
        if !changes && (self.truncate || makes) {
            return Err(Errno::EINVAL);
        }
        if self.append && self.truncate && !self.create_new {
            return Err(Errno::EINVAL);
        }
        let mut flags = access;
        if self.append {
            flags |= libc::O_APPEND;
        }
        if self.create_new {
            flags |= libc::O_EXCL;
        } else if self.truncate {
            flags |= libc::O_TRUNC;
        }
        Ok(flags)
    }

    async fn try_open(&self, path: &Path, flags: i32) -> Result<File, Errno> {
        let mut walk = Walk::new(&self.fs);
        let mut rest = path.as_os_str().as_bytes().to_vec();
        let makes = self.create || self.create_new;
        loop {
            let (name, slash) = match walk.go_to_parent(&rest).await? {
                Last::Name(name, slash) => (name, slash),
                _ if self.create_new => return Err(Errno::EEXIST),
                _ => return Err(Errno::EISDIR),
            };
            if makes && slash {
                return Err(Errno::EISDIR);
            }
            if self.create_new {
                return self.make(path, &walk, name, flags).await;
            }
            match walk.step(&name).await {
                Ok(node) if node.attr.kind == FileType::Symlink => {
                    rest = walk.follow(&node).await?;
                    if slash {
                        rest.push(b'/');
                    }
                }
                Ok(node) if slash && !node.attr.is_dir() => return Err(Errno::ENOTDIR),
                Ok(node) => return self.open_node(path, node, flags).await,
                Err(Errno::ENOENT) if makes => return self.make(path, &walk, name, flags).await,
                Err(e) => return Err(e),
            }
        }
    }

    async fn open_node(&self, path: &Path, node: Node, flags: i32) -> Result<File, Errno> {
        match node.attr.kind {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::ENXIO),
        }
        let (fs, path) = (self.fs.clone(), Arc::new(path.to_path_buf()));
        // A task of its own: what nobody waits for any more is closed.
        let opened = Box::pin(async move {
            let (fh, _) = fs.vfs().open(&fs.caller, node.ino, flags).await?;
            Ok(file(&fs, fh, node.ino, flags, path))
        });
        self.fs.shared.run(opened).await
    }

    async fn make(
        &self,
        path: &Path,
        walk: &Walk<'_>,
        name: Vec<u8>,
        flags: i32,
    ) -> Result<File, Errno> {
        let (fs, path) = (self.fs.clone(), Arc::new(path.to_path_buf()));
        let (dir, mode) = (walk.at, (self.mode & 0o7777) as u16);
        let made = Box::pin(async move {
            let made = fs
                .vfs()
                .create(&fs.caller, dir, &name, mode, fs.umask, flags);
            let (entry, fh, _) = made.await?;
            Ok(file(&fs, fh, entry.ino, flags, path))
        });
        self.fs.shared.run(made).await
    }
}

fn file(fs: &Fs, fh: u64, ino: jfs_types::Ino, flags: i32, path: Arc<std::path::PathBuf>) -> File {
    let opened = Opened {
        fh,
        ino,
        writes: flags & libc::O_ACCMODE != libc::O_RDONLY,
        path,
    };
    File::new(fs.shared.clone(), fs.caller.clone(), opened)
}
