//! Asynchronous direct writes beside buffered readers.

use super::local_volume::{LocalVolume, Meta, ours};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a write, which the kernel sends in several requests.
const SIZE: usize = 640 << 10;
/// Bytes of a read of those beside it.
const PIECE: usize = 64 << 10;
const ROUNDS: u32 = 1500;
const READERS: usize = 2;

/// Kernel's `struct iocb` (linux/aio_abi.h) on a little-endian machine.
#[repr(C)]
#[derive(Default)]
struct Iocb {
    data: u64,
    key: u32,
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event_fd: u32,
}

/// Kernel's `struct io_event`.
#[repr(C)]
#[derive(Default)]
struct Event {
    data: u64,
    object: u64,
    result: i64,
    result2: i64,
}

const PWRITE: u16 = 1;

/// A queue of asynchronous requests.
struct Queue(libc::c_ulong);

impl Queue {
    #[expect(unsafe_code, reason = "io_setup has no wrapper")]
    fn new() -> Queue {
        let mut id: libc::c_ulong = 0;
        // SAFETY: the kernel stores a number.
        let done = unsafe { libc::syscall(libc::SYS_io_setup, 1, &raw mut id) };
        assert_eq!(done, 0);
        Queue(id)
    }

    /// Writes `data` to the begin of a file and waits until that has completed.
    #[expect(unsafe_code, reason = "io_submit has no wrapper")]
    fn write(&self, file: &File, data: &[u8]) {
        let mut request = Iocb {
            opcode: PWRITE,
            fd: file.as_raw_fd() as u32,
            buffer: data.as_ptr() as u64,
            bytes: data.len() as u64,
            ..Iocb::default()
        };
        let mut requests = [&raw mut request];
        let mut event = Event::default();
        // SAFETY: the request and its data live until the event has come.
        let (sent, came) = unsafe {
            let sent = libc::syscall(libc::SYS_io_submit, self.0, 1, requests.as_mut_ptr());
            let none: *const libc::timespec = std::ptr::null();
            let event = &raw mut event;
            (
                sent,
                libc::syscall(libc::SYS_io_getevents, self.0, 1, 1, event, none),
            )
        };
        assert_eq!((sent, came, event.result), (1, 1, data.len() as i64));
    }
}

impl Drop for Queue {
    #[expect(unsafe_code, reason = "io_destroy has no wrapper")]
    fn drop(&mut self) {
        // SAFETY: nothing is under way.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.0) };
    }
}

/// Memory that direct I/O takes.
#[repr(C, align(4096))]
struct Aligned([u8; SIZE]);

#[test]
fn a_completed_direct_write_is_seen_by_buffered_reads() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    let path = mount.at("file");
    std::fs::write(&path, [0; SIZE]).unwrap();
    let direct = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_DIRECT)
        .open(&path)
        .unwrap();
    let reader = File::open(&path).unwrap();
    let stop = AtomicBool::new(false);
    let stale = std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let mut piece = [0; PIECE];
                while !stop.load(Ordering::Relaxed) {
                    for at in (0..SIZE).step_by(PIECE) {
                        reader.read_exact_at(&mut piece, at as u64).unwrap();
                    }
                }
            });
        }
        let (queue, mut data) = (Queue::new(), Box::new(Aligned([0; SIZE])));
        let (mut stale, mut got) = (0, vec![0; SIZE]);
        for round in 1..=ROUNDS {
            data.0.fill((round % 251) as u8);
            queue.write(&direct, &data.0);
            reader.read_exact_at(&mut got, 0).unwrap();
            stale += u32::from(got != data.0);
        }
        stop.store(true, Ordering::Relaxed);
        stale
    });
    assert_eq!(stale, 0, "of {ROUNDS} rounds");
    drop((direct, reader));
    mount.unmount().unwrap();
}
