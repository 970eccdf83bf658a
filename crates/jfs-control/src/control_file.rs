//! `.control`: a request written, an answer read, one stream of bytes with one offset.
//!
//! A handle serves one request at a time. The request lies at the offsets it was written to, the answer
//! behind it; a read that is ahead of the answer gets nothing and comes again. A request runs as a task, which
//! ends at the latest when its handle is closed.

mod info;
mod legacy_text;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use jfs_meta::Walked;
use jfs_types::{Caller, Errno};
use jfs_vfs::{SpecialFile, Vfs};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// Opcode and length of the body.
const HEADER: usize = 8;
/// Longest body that any of our requests has.
const BODY_MAX: usize = 64;
/// Time between two progress records.
const PROGRESS: Duration = Duration::from_millis(300);

/// The opcodes served here.
mod opcode {
    pub(super) const LEGACY_INFO: u32 = 1003;
    pub(super) const INFO: u32 = 1005;
    pub(super) const SUMMARY: u32 = 1007;
}

/// One open `.control`.
pub(crate) struct ControlFile {
    /// The process that has opened the file. Its rights decide what a request may see, whichever process
    /// writes the request.
    caller: Caller,
    state: Arc<Mutex<State>>,
}

#[derive(Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Asking,
    Running,
    Answered,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// Offset of the request.
    start: u64,
    /// The first bytes of the request, at most the longest known one.
    request: Vec<u8>,
    /// Number of bytes of the request that are not kept.
    dropped: u64,
    /// Bytes of a refused request that are still to come.
    to_come: u64,
    answer: Vec<u8>,
    job: Option<AbortHandle>,
}

impl State {
    /// Offset where the answer begins.
    fn answer_at(&self) -> u64 {
        self.start + self.request.len() as u64 + self.dropped
    }

    fn status(&mut self, errno: Errno) {
        self.answer.push(errno.0 as u8);
        self.phase = Phase::Answered;
    }

    fn progress(&mut self, (a, b): (u64, u64)) {
        self.answer.push(0xFE);
        self.answer.extend_from_slice(&a.to_be_bytes());
        self.answer.extend_from_slice(&b.to_be_bytes());
    }

    /// Takes a part of a request. Returns the request when the part completes it.
    fn take(&mut self, data: &[u8]) -> Option<Request> {
        let room = HEADER + BODY_MAX - self.request.len();
        let kept = data.len().min(room);
        self.request.extend_from_slice(&data[..kept]);
        self.dropped += (data.len() - kept) as u64;
        let number = |at: usize| {
            let bytes = self.request.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*bytes))
        };
        let (opcode, length) = (number(0)?, number(4)?);
        let (have, want) = (
            self.request.len() as u64 + self.dropped,
            HEADER as u64 + u64::from(length),
        );
        let known = [opcode::LEGACY_INFO, opcode::INFO, opcode::SUMMARY].contains(&opcode);
        if !known || length as usize > BODY_MAX {
            self.to_come = want.saturating_sub(have);
            self.status(Errno::EINVAL);
        } else if have > want {
            self.status(Errno::EIO);
        } else if have == want {
            match Request::parse(opcode, &self.request[HEADER..]) {
                Some(request) => return Some(request),
                None => self.status(Errno::EINVAL),
            }
        }
        None
    }
}

/// A request that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Info {
        ino: u64,
        recursive: bool,
        raw: bool,
        strict: bool,
        legacy: bool,
    },
    Summary {
        ino: u64,
        depth: u8,
        top: u8,
        strict: bool,
    },
}

impl Request {
    /// Old tools leave the last fields out.
    fn parse(opcode: u32, body: &[u8]) -> Option<Request> {
        let ino = u64::from_be_bytes(*body.first_chunk()?);
        let byte = |at: usize, default| body.get(at).copied().unwrap_or(default);
        let longest = match opcode {
            opcode::LEGACY_INFO => 10,
            _ => 11,
        };
        if body.len() > longest {
            return None;
        }
        Some(match opcode {
            opcode::SUMMARY => Request::Summary {
                ino,
                depth: byte(8, 3),
                top: byte(9, 10),
                strict: byte(10, 0) != 0,
            },
            _ => Request::Info {
                ino,
                recursive: byte(8, 1) != 0,
                raw: byte(9, 0) != 0,
                strict: byte(10, 0) != 0,
                legacy: opcode == opcode::LEGACY_INFO,
            },
        })
    }
}

impl ControlFile {
    pub(crate) fn new(caller: Caller) -> ControlFile {
        ControlFile {
            caller,
            state: Arc::default(),
        }
    }

    /// Bytes of the stream from `off` on. None while the answer is not that long yet.
    fn bytes(&self, off: u64, size: usize) -> Bytes {
        let state = self.state.lock();
        let (from, bytes) = match off.checked_sub(state.answer_at()) {
            Some(at) => (at, &state.answer),
            None => match off.checked_sub(state.start) {
                Some(at) => (at, &state.request),
                None => return Bytes::new(),
            },
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
        Bytes::copy_from_slice(&bytes[from..bytes.len().min(from.saturating_add(size))])
    }
}

impl SpecialFile for ControlFile {
    fn read(&self, off: u64, size: u32) -> BoxFuture<'_, Bytes> {
        Box::pin(ready(self.bytes(off, size as usize)))
    }

    /// A request, or a part of one. EIO while one is being served.
    fn write(&self, vfs: &Vfs, off: u64, data: &[u8]) -> Result<u32, Errno> {
        let mut state = self.state.lock();
        let n = data.len() as u32;
        match state.phase {
            Phase::Running => return Err(Errno::EIO),
            Phase::Answered if state.to_come > 0 => {
                state.to_come = state.to_come.saturating_sub(data.len() as u64);
                state.dropped += data.len() as u64;
                return Ok(n);
            }
            Phase::Answered => {
                *state = State {
                    start: off,
                    ..State::default()
                };
            }
            Phase::Asking if state.request.is_empty() => state.start = off,
            Phase::Asking => {}
        }
        if let Some(request) = state.take(data) {
            state.phase = Phase::Running;
            let job = vfs.runtime().spawn(serve(
                vfs.clone(),
                self.caller.clone(),
                request,
                self.state.clone(),
            ));
            state.job = Some(job.abort_handle());
        }
        Ok(n)
    }
}

impl Drop for ControlFile {
    fn drop(&mut self) {
        if let Some(job) = self.state.lock().job.take() {
            job.abort();
        }
    }
}

async fn serve(vfs: Vfs, caller: Caller, request: Request, state: Arc<Mutex<State>>) {
    let walked = Walked::default();
    let work = answer(&vfs, &caller, request, &walked);
    tokio::pin!(work);
    let reports = !matches!(request, Request::Info { legacy: true, .. });
    let far = || match request {
        Request::Info { .. } => (walked.files(), walked.bytes()),
        Request::Summary { .. } => (walked.files() + walked.dirs(), walked.bytes()),
    };
    loop {
        tokio::select! {
            done = &mut work => {
                let mut state = state.lock();
                if reports && far() != (0, 0) {
                    state.progress(far());
                }
                state.answer.extend_from_slice(&done);
                state.phase = Phase::Answered;
                return;
            }
            () = tokio::time::sleep(PROGRESS), if reports => state.lock().progress(far()),
        }
    }
}

/// The last piece of the answer.
async fn answer(vfs: &Vfs, caller: &Caller, request: Request, walked: &Walked) -> Vec<u8> {
    let (mark, text): (&[u8], String) = match request {
        Request::Info {
            ino,
            recursive,
            raw,
            strict,
            legacy,
        } => {
            let wish = info::Wish {
                recursive,
                raw,
                strict,
            };
            let found = info::info(vfs, caller, ino, wish, walked).await;
            if legacy {
                (b"", legacy_text::legacy(ino, &found))
            } else {
                (&[0xFF], info::json(ino, &found))
            }
        }
        Request::Summary {
            ino,
            depth,
            top,
            strict,
        } => {
            let shape = jfs_meta::TreeShape { depth, top, strict };
            let tree = info::tree(vfs, caller, ino, shape, walked);
            (&[0xFF], info::tree_json(ino, &tree.await))
        }
    };
    let mut out = mark.to_vec();
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    out
}

/// The parser of requests, for [`crate::fuzzing`].
pub(crate) fn control_request(bytes: &[u8], piece: usize) -> (Vec<u8>, usize) {
    let mut state = State::default();
    for part in bytes.chunks(piece.max(1)) {
        if state.take(part).is_some() || state.phase != Phase::Asking {
            break;
        }
    }
    (std::mem::take(&mut state.answer), state.request.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(opcode: u32, body: &[u8]) -> Vec<u8> {
        let mut out = opcode.to_be_bytes().to_vec();
        out.extend_from_slice(&(body.len() as u32).to_be_bytes());
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn a_request_may_come_byte_by_byte() {
        let mut state = State::default();
        let bytes = request(1005, &[0, 0, 0, 0, 0, 0, 0, 7, 0]);
        let (last, first) = bytes.split_last().expect("not empty");
        for byte in first {
            assert_eq!(state.take(&[*byte]), None);
            assert!(state.answer.is_empty());
        }
        let wanted = Request::Info {
            ino: 7,
            recursive: false,
            raw: false,
            strict: false,
            legacy: false,
        };
        assert_eq!(state.take(&[*last]), Some(wanted));
    }

    #[test]
    fn whatever_cannot_be_served_is_answered_with_one_byte() {
        let ino = [0, 0, 0, 0, 0, 0, 0, 1];
        let long = [&ino[..], &[0; 4]].concat();
        let mut extra = request(1005, &ino);
        extra.push(0);
        let huge = [1005u32.to_be_bytes(), u32::MAX.to_be_bytes()].concat();
        for (bytes, status) in [
            (request(1234, b""), 0x16),
            (request(1000, &ino), 0x16),
            (request(1004, &[0; 300]), 0x16),
            (request(1005, b"123"), 0x16),
            (request(1005, b""), 0x16),
            (request(1007, &long), 0x16),
            (huge, 0x16),
            (extra, 5),
        ] {
            let mut state = State::default();
            assert_eq!(state.take(&bytes), None, "{bytes:?}");
            assert_eq!(state.answer, [status], "{bytes:?}");
            assert!(state.request.len() <= HEADER + BODY_MAX);
        }
    }
}
