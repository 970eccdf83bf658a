//! Reading and writing at a position: tokio's traits for [`File`].

use super::file::WRITE_PIECE;
use super::{File, check_open};
use crate::Error;
use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use jfs_types::Errno;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// Bytes that a read asks for at least; what is left over waits for the next one.
const READ_AHEAD: usize = 128 << 10;
/// Bytes that a read asks for at most.
const READ_PIECE: usize = 4 << 20;
/// Pause of a writer whose turn has not come although there is room.
const TURN_PAUSE: Duration = Duration::from_millis(1);

/// Where a file is read and written, and what is under way there.
#[derive(Default)]
pub(super) struct Cursor {
    position: u64,
    /// Bytes from the position on that were read and not handed out yet.
    ahead: Bytes,
    busy: Busy,
    /// Whether the last wait for room has found none for this writer.
    missed: bool,
}

#[derive(Default)]
enum Busy {
    #[default]
    Idle,
    Read(BoxFuture<'static, Result<Bytes, Errno>>),
    /// A wait before a write, and whether it announces the change of a file with setuid or setgid.
    Room(BoxFuture<'static, Result<(), Errno>>, bool),
    /// A seek from the end: the end, and the distance from there.
    End(BoxFuture<'static, Result<u64, Errno>>, i64),
    Store(BoxFuture<'static, Result<(), Errno>>),
}

impl Cursor {
    /// The content or the position changes: what was read ahead counts no more, and a store that is under way
    /// may come too early. Both end by themselves.
    pub(super) fn forget_ahead(&mut self) {
        self.ahead = Bytes::new();
        if matches!(self.busy, Busy::Read(_) | Busy::Store(_)) {
            self.busy = Busy::Idle;
        }
    }

    fn go_to(&mut self, position: Option<u64>) -> Result<(), Errno> {
        // As lseek(2): positions are signed there.
        let position = position.filter(|p| i64::try_from(*p).is_ok());
        self.position = position.ok_or(Errno::EINVAL)?;
        self.forget_ahead();
        Ok(())
    }
}

impl File {
    fn io_error(&self, operation: &'static str, errno: Errno) -> io::Error {
        Error::on(operation, self.path(), errno).into()
    }

    fn start_read(&self, at: u64, wanted: usize) -> BoxFuture<'static, Result<Bytes, Errno>> {
        let (shared, fh) = (self.shared.clone(), self.opened.fh);
        let len = wanted.clamp(READ_AHEAD, READ_PIECE) as u32;
        Box::pin(async move {
            let vfs = shared.vfs.clone();
            let read = Box::pin(async move { vfs.read(fh, at, len).await });
            shared.run(read).await
        })
    }

    /// What has to be over before a write can be tried (again).
    fn start_wait(&self, privileged: bool, missed: bool) -> BoxFuture<'static, Result<(), Errno>> {
        let (vfs, caller, fh) = (self.vfs().clone(), self.caller.clone(), self.opened.fh);
        Box::pin(async move {
            if privileged {
                vfs.drop_privileges(&caller, fh).await?;
            }
            vfs.wait_for_room().await;
            if missed {
                tokio::time::sleep(TURN_PAUSE).await;
            }
            Ok(())
        })
    }

    fn start_store(&self) -> BoxFuture<'static, Result<(), Errno>> {
        let (shared, fh) = (self.shared.clone(), self.opened.fh);
        Box::pin(async move {
            let vfs = shared.vfs.clone();
            let store = Box::pin(async move { vfs.flush(fh).await });
            shared.run(store).await
        })
    }

    fn start_end(&self) -> BoxFuture<'static, Result<u64, Errno>> {
        let (vfs, ino) = (self.vfs().clone(), self.ino());
        Box::pin(async move { Ok(vfs.getattr(ino).await?.attr.length) })
    }

    /// Finishes a seek, so that the position is known.
    fn poll_position(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let cursor = self.cursor.get_mut();
        if let Busy::End(end, distance) = &mut cursor.busy {
            let distance = *distance;
            let end = ready!(end.as_mut().poll(cx));
            cursor.busy = Busy::Idle;
            let moved = end.and_then(|end| cursor.go_to(end.checked_add_signed(distance)));
            if let Err(e) = moved {
                return Poll::Ready(Err(self.io_error("seek", e)));
            }
        }
        Poll::Ready(Ok(self.cursor.get_mut().position))
    }
}

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let file = self.get_mut();
        check_open(&file.shared, "read", &file.opened.path)?;
        let at = ready!(file.poll_position(cx))?;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if file.cursor.get_mut().ahead.is_empty() {
            if !matches!(file.cursor.get_mut().busy, Busy::Read(_)) {
                let read = file.start_read(at, buf.remaining());
                file.cursor.get_mut().busy = Busy::Read(read);
            }
            let cursor = file.cursor.get_mut();
            let Busy::Read(read) = &mut cursor.busy else {
                return Poll::Ready(Err(file.io_error("read", Errno::EIO)));
            };
            let read = ready!(read.as_mut().poll(cx));
            cursor.busy = Busy::Idle;
            match read {
                Ok(bytes) => cursor.ahead = bytes,
                Err(e) => return Poll::Ready(Err(file.io_error("read", e))),
            }
        }
        let cursor = file.cursor.get_mut();
        let n = buf.remaining().min(cursor.ahead.len());
        buf.put_slice(&cursor.ahead[..n]);
        cursor.ahead.advance(n);
        cursor.position += n as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for File {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let file = self.get_mut();
        check_open(&file.shared, "write", &file.opened.path)?;
        let at = ready!(file.poll_position(cx))?;
        let data = &data[..data.len().min(WRITE_PIECE)];
        file.cursor.get_mut().forget_ahead();
        let mut announced = false;
        loop {
            if let Busy::Room(room, announces) = &mut file.cursor.get_mut().busy {
                // Setgid may stay, so that the file counts as privileged afterwards, too.
                announced = *announces;
                let waited = ready!(room.as_mut().poll(cx));
                file.cursor.get_mut().busy = Busy::Idle;
                if let Err(e) = waited {
                    return Poll::Ready(Err(file.io_error("write", e)));
                }
            }
            let privileged = file.changes_privileges();
            let tried = match privileged && !announced {
                true => None,
                false => file.shared.vfs.try_write(file.opened.fh, at, data),
            };
            let missed = file.cursor.get_mut().missed;
            file.cursor.get_mut().missed = tried.is_none();
            match tried {
                Some(Ok(written)) => {
                    file.cursor.get_mut().position = at + u64::from(written);
                    return Poll::Ready(Ok(written as usize));
                }
                Some(Err(e)) => return Poll::Ready(Err(file.io_error("write", e))),
                None => {
                    let wait = file.start_wait(privileged, missed);
                    file.cursor.get_mut().busy = Busy::Room(wait, privileged);
                }
            }
        }
    }

    /// Nothing: what was written is in the volume's buffers already, as that of a local file is in the system's.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Stores what was written, as [`File::close`] does; the file stays open.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let file = self.get_mut();
        check_open(&file.shared, "shutdown", &file.opened.path)?;
        ready!(file.poll_position(cx))?;
        if !matches!(file.cursor.get_mut().busy, Busy::Store(_)) {
            let store = file.start_store();
            file.cursor.get_mut().busy = Busy::Store(store);
        }
        let cursor = file.cursor.get_mut();
        let Busy::Store(store) = &mut cursor.busy else {
            return Poll::Ready(Ok(()));
        };
        let stored = ready!(store.as_mut().poll(cx));
        cursor.busy = Busy::Idle;
        Poll::Ready(stored.map_err(|e| file.io_error("shutdown", e)))
    }
}

impl AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let file = self.get_mut();
        let cursor = file.cursor.get_mut();
        let moved = match to {
            SeekFrom::Start(position) => cursor.go_to(Some(position)),
            // A seek from the end that is under way has not moved anything yet.
            SeekFrom::Current(distance) => {
                let to = cursor.position.checked_add_signed(distance);
                cursor.go_to(to)
            }
            SeekFrom::End(distance) => {
                let end = file.start_end();
                file.cursor.get_mut().busy = Busy::End(end, distance);
                return Ok(());
            }
        };
        moved.map_err(|e| file.io_error("seek", e))?;
        file.cursor.get_mut().busy = Busy::Idle;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.get_mut().poll_position(cx)
    }
}
