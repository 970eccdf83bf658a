//! An owner of our vfs: what a process on a mount would be.

use super::operation::{Operation, Span, found};
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::{LockRange, LockRecord, Vfs};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// An owner of locks and its open handles.
pub(super) struct Owner {
    process: Arc<Process>,
    task: Option<JoinHandle<String>>,
}

struct Process {
    vfs: Vfs,
    number: u64,
    pid: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    name: String,
    handles: Vec<Option<u64>>,
}

impl Owner {
    /// An owner with the number of its process id.
    pub(super) fn new(vfs: &Vfs, pid: u32) -> Owner {
        let process = Process {
            vfs: vfs.clone(),
            number: u64::from(pid) << 32 | 7,
            pid,
            state: Mutex::default(),
        };
        Owner {
            process: Arc::new(process),
            task: None,
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Closes everything and begins with the file `name`.
    pub(super) async fn reset(&mut self, name: &str) {
        self.process.exit().await.unwrap();
        let mut state = self.process.state.lock().await;
        state.name = name.to_string();
        state.handles.clear();
    }

    pub(super) fn begin(&mut self, operation: &Operation) {
        let (process, operation) = (self.process.clone(), *operation);
        self.task = Some(tokio::spawn(async move {
            match process.run(&operation).await {
                Ok(said) => said,
                Err(e) => format!("{e:?}"),
            }
        }));
    }

    pub(super) async fn reply(&mut self, within: Duration) -> Option<String> {
        let task = self.task.as_mut().unwrap();
        match tokio::time::timeout(within, task).await {
            Ok(Ok(said)) => Some(said),
            Ok(Err(e)) if e.is_cancelled() => Some("EINTR".into()),
            Ok(Err(e)) => std::panic::resume_unwind(e.into_panic()),
            Err(_) => None,
        }
    }

    /// The future of the operation that waits is dropped.
    pub(super) fn cancel(&mut self) {
        self.task.as_ref().unwrap().abort();
    }
}

impl Process {
    async fn run(&self, operation: &Operation) -> Result<String, Errno> {
        let (me, root) = (Caller::root(), Ino::ROOT);
        match *operation {
            Operation::Open(mode) => {
                let mut state = self.state.lock().await;
                let name = state.name.as_bytes();
                let ino = self.vfs.lookup(&me, root, name).await?.ino;
                let flags = match mode {
                    "r" => libc::O_RDONLY,
                    "w" => libc::O_WRONLY,
                    _ => libc::O_RDWR,
                };
                let (fh, _) = self.vfs.open(&me, ino, flags).await?;
                state.handles.push(Some(fh));
            }
            Operation::Close(fd) => {
                let fh = self.state.lock().await.handles[fd - 1].take();
                self.close(fh.unwrap()).await?;
            }
            Operation::Flock(fd, kind, wait) => {
                let fh = self.handle(fd).await?;
                self.vfs.flock(fh, kind, wait).await?;
            }
            Operation::Set(fd, span, wait) => {
                let fh = self.handle(fd).await?;
                self.vfs.setlk(fh, self.range(span), wait).await?;
            }
            Operation::Get(fd, span) => {
                let fh = self.handle(fd).await?;
                return Ok(match self.vfs.getlk(fh, self.range(span)).await? {
                    Some(lock) => found(lock.pid, lock.kind, lock.start, lock.end),
                    None => "none".into(),
                });
            }
            Operation::Unlink => {
                let name = self.state.lock().await.name.clone();
                self.vfs.unlink(&me, root, name.as_bytes()).await?;
            }
            Operation::Rename => {
                let mut state = self.state.lock().await;
                let to = format!("{}x", state.name);
                let (from, into) = ((root, state.name.as_bytes()), (root, to.as_bytes()));
                self.vfs.rename(&me, from, into, 0).await?;
                state.name = to;
            }
            Operation::Exit => self.exit().await?,
        }
        Ok("ok".into())
    }

    async fn handle(&self, fd: usize) -> Result<u64, Errno> {
        let fh = self.state.lock().await.handles.get(fd - 1).copied();
        fh.flatten().ok_or(Errno::EBADF)
    }

    fn range(&self, Span(kind, start, end): Span) -> LockRange {
        LockRange {
            owner: self.number,
            record: LockRecord {
                kind,
                pid: self.pid,
                start,
                end,
            },
        }
    }

    /// What a kernel asks for at close(2): flush with the owner's locks, then the release of the last descriptor.
    async fn close(&self, fh: u64) -> Result<(), Errno> {
        self.vfs.flush(fh).await?;
        self.vfs.drop_record_locks(fh, self.number).await?;
        self.vfs.release(fh).await;
        Ok(())
    }

    async fn exit(&self) -> Result<(), Errno> {
        let handles = std::mem::take(&mut self.state.lock().await.handles);
        for fh in handles.into_iter().flatten() {
            self.close(fh).await?;
        }
        Ok(())
    }
}
