//! The opendal service over [`FileRoot`]. All of opendal's raw interface that we implement is here,
//! so that a new version of it touches one file.

use super::FileRoot;
use super::walk::describe;
use crate::ObjectInfo;
use crate::error::io_kind;
use opendal::raw::{
    OpCopy, OpCreateDir, OpDelete, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite,
    RpCreateDir, RpPresign, RpRead, RpRename, RpStat, Service, ServiceInfo, oio,
};
use opendal::{
    Buffer, Builder, BytesRange, Capability, Error, ErrorKind, Metadata, MetadataBuilder,
    OperationContext, Result,
};
use std::collections::VecDeque;
use std::io;

/// Objects fetched by one walk over the directories.
const LIST_PAGE: usize = 1000;

/// Builds the service.
#[derive(Debug, Default)]
pub(crate) struct FileBuilder(Option<FileRoot>);

impl FileBuilder {
    /// Of the files below `root`.
    pub(crate) fn new(root: FileRoot) -> FileBuilder {
        FileBuilder(Some(root))
    }
}

impl Builder for FileBuilder {
    type Config = ();

    fn build(self) -> Result<impl Service> {
        let missing = || Error::new(ErrorKind::ConfigInvalid, "file storage needs a directory");
        Ok(FileService {
            root: self.0.ok_or_else(missing)?,
        })
    }
}

/// The service: every operation is one call on the blocking pool.
#[derive(Clone, Debug)]
struct FileService {
    root: FileRoot,
}

impl Service for FileService {
    type Reader = FileReader;
    type Writer = oio::OneShotWriter<FileWriter>;
    type Lister = FileLister;
    type Deleter = oio::OneShotDeleter<FileDeleter>;
    type Copier = ();
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        ServiceInfo::new("file", self.root.dir().to_string_lossy(), "")
    }

    fn capability(&self) -> Capability {
        Capability {
            stat: true,
            read: true,
            write: true,
            write_can_empty: true,
            delete: true,
            list: true,
            list_with_recursive: true,
            list_with_limit: true,
            list_with_start_after: true,
            ..Capability::default()
        }
    }

    async fn create_dir(
        &self,
        _: &OperationContext,
        _: &str,
        _: OpCreateDir,
    ) -> Result<RpCreateDir> {
        Err(unsupported())
    }

    async fn stat(&self, _: &OperationContext, path: &str, _: OpStat) -> Result<RpStat> {
        let (root, key) = (self.root.clone(), path.to_string());
        let meta = blocking(move || root.stat(key.trim_end_matches('/'))).await?;
        if meta.is_dir() {
            return Ok(RpStat::new(MetadataBuilder::dir().build()));
        }
        Ok(RpStat::new(metadata(&describe(String::new(), &meta))))
    }

    fn read(&self, _: &OperationContext, path: &str, _: OpRead) -> Result<FileReader> {
        Ok(FileReader {
            root: self.root.clone(),
            key: path.to_string(),
        })
    }

    fn write(&self, _: &OperationContext, path: &str, _: OpWrite) -> Result<Self::Writer> {
        Ok(oio::OneShotWriter::new(FileWriter {
            root: self.root.clone(),
            key: path.to_string(),
        }))
    }

    fn delete(&self, _: &OperationContext) -> Result<Self::Deleter> {
        Ok(oio::OneShotDeleter::new(FileDeleter {
            root: self.root.clone(),
        }))
    }

    fn list(&self, _: &OperationContext, path: &str, args: OpList) -> Result<FileLister> {
        if !args.recursive() {
            return Err(unsupported());
        }
        Ok(FileLister {
            root: self.root.clone(),
            prefix: if path == "/" {
                String::new()
            } else {
                path.to_string()
            },
            after: args.start_after().unwrap_or_default().to_string(),
            page: args.limit().unwrap_or(LIST_PAGE).clamp(1, LIST_PAGE),
            ready: VecDeque::new(),
            done: false,
        })
    }

    fn copy(&self, _: &OperationContext, _: &str, _: &str, _: OpCopy) -> Result<()> {
        Err(unsupported())
    }

    async fn rename(
        &self,
        _: &OperationContext,
        _: &str,
        _: &str,
        _: OpRename,
    ) -> Result<RpRename> {
        Err(unsupported())
    }

    async fn presign(&self, _: &OperationContext, _: &str, _: OpPresign) -> Result<RpPresign> {
        Err(unsupported())
    }
}

/// Reads one file.
struct FileReader {
    root: FileRoot,
    key: String,
}

impl FileReader {
    async fn fetch(&self, range: BytesRange) -> Result<Buffer> {
        if range.is_suffix() {
            return Err(unsupported());
        }
        let (start, size) = (range.offset(), range.size());
        let wanted = match size {
            Some(size) => Some(start..start.saturating_add(size)),
            None if start == 0 => None,
            None => return Err(unsupported()),
        };
        let (root, key) = (self.root.clone(), self.key.clone());
        let data = blocking(move || root.get(&key, wanted)).await?;
        match size {
            Some(size) if (data.len() as u64) < size => {
                let message = format!("the file ends {} bytes early", size - data.len() as u64);
                Err(Error::new(ErrorKind::RangeNotSatisfied, message))
            }
            _ => Ok(Buffer::from(data.freeze())),
        }
    }
}

impl oio::Read for FileReader {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let data = self.fetch(range).await?;
        Ok((RpRead::default(), Box::new(data)))
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        Ok((RpRead::default(), self.fetch(range).await?))
    }
}

/// Writes one file.
struct FileWriter {
    root: FileRoot,
    key: String,
}

impl oio::OneShotWrite for FileWriter {
    async fn write_once(&self, data: Buffer) -> Result<Metadata> {
        let (root, key) = (self.root.clone(), self.key.clone());
        let length = data.len() as u64;
        blocking(move || {
            let parts = data.to_io_slice();
            root.put(&key, parts.iter().map(|part| &**part), false)
        })
        .await?;
        Ok(MetadataBuilder::file(length).build())
    }
}

/// Deletes files.
struct FileDeleter {
    root: FileRoot,
}

impl oio::OneShotDelete for FileDeleter {
    async fn delete_once(&self, path: String, _: OpDelete) -> Result<()> {
        let root = self.root.clone();
        blocking(move || root.delete(&path)).await
    }
}

/// Lists files, a page at a time.
struct FileLister {
    root: FileRoot,
    prefix: String,
    after: String,
    page: usize,
    ready: VecDeque<ObjectInfo>,
    done: bool,
}

impl oio::List for FileLister {
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        if self.ready.is_empty() && !self.done {
            let (root, limit) = (self.root.clone(), self.page);
            let (prefix, after) = (self.prefix.clone(), self.after.clone());
            let found = blocking(move || root.list(&prefix, &after, limit)).await?;
            self.done = found.len() < limit;
            self.ready = found.into();
            if let Some(last) = self.ready.back() {
                self.after.clone_from(&last.key);
            }
        }
        Ok(self
            .ready
            .pop_front()
            .map(|o| oio::Entry::new(&o.key, metadata(&o))))
    }
}

/// Runs `call` on the blocking pool and turns its error into opendal's.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(call).await {
        Ok(done) => done.map_err(io_error),
        Err(e) => Err(Error::new(ErrorKind::Unexpected, e.to_string()).set_temporary()),
    }
}

fn io_error(e: io::Error) -> Error {
    let kind = match e.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        io::ErrorKind::IsADirectory => ErrorKind::IsADirectory,
        _ => ErrorKind::Unexpected,
    };
    let retry = io_kind(&e).is_retryable();
    let error = Error::new(kind, e.to_string());
    if retry { error.set_temporary() } else { error }
}

fn metadata(o: &ObjectInfo) -> Metadata {
    let mut builder = MetadataBuilder::file(o.size);
    if let Ok(time) = opendal::raw::Timestamp::from_second(o.mtime_sec) {
        builder.last_modified(time);
    }
    builder.build()
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "file storage does not do this")
}
