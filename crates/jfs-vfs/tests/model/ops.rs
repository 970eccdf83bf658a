//! Operations, and how to make random ones. Small numbers choose among what there is at the time.

use crate::common::volume::BLOCK;
use jfs_types::{CHUNK_SIZE, FileType};
use proptest::prelude::*;

/// Chooses one of the things there are, counted round.
pub(crate) type Pick = u8;

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At(pub(crate) Pick, pub(crate) u8);

/// A place in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Offset(u64),
    /// So far behind the end; negative: before it.
    FromEnd(i64),
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Create {
        at: At,
        excl: bool,
        trunc: bool,
    },
    Mkdir(At),
    Symlink(At, u8),
    Link(Pick, At),
    Unlink(At),
    Rmdir(At),
    Rename {
        from: At,
        to: At,
        keep: bool,
    },
    Lookup(At),
    Getattr(Pick),
    Readlink(Pick),
    Chmod(Pick, u16),
    Truncate(Pick, Place),
    Open {
        node: Pick,
        flags: i32,
    },
    Close {
        handle: Pick,
        flush: bool,
    },
    Flush(Pick),
    Fsync(Pick),
    Write {
        handle: Pick,
        to: Place,
        len: u32,
    },
    Read {
        handle: Pick,
        from: Place,
        len: u32,
    },
    Fallocate {
        handle: Pick,
        mode: i32,
        at: Place,
        len: u32,
    },
    /// copy_file_range.
    Copy {
        from: Pick,
        from_at: Place,
        to: Pick,
        to_at: Place,
        len: u32,
    },
    /// Compacts every chunk of a file, as the background does.
    Compact(Pick),
    /// Name and value by number; the value's is its length too.
    SetXattr {
        node: Pick,
        name: u8,
        value: u8,
        flags: i32,
    },
    DelXattr(Pick, u8),
    Mknod(At, FileType),
    Exchange {
        from: At,
        to: At,
    },
    Opendir(Pick),
    Readdir {
        handle: Pick,
        offset: u8,
    },
    Statfs,
    /// Lets the background run.
    Yield,
    /// The client unmounts and comes back.
    Remount,
}

/// An operation and the client that does it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) client: Pick,
    pub(crate) op: Op,
}

/// A sequence of operations on a volume with one client or two.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) clients: usize,
    pub(crate) trash: bool,
    /// Blocks four times as large, whose buffers are used again.
    pub(crate) large_blocks: bool,
    pub(crate) steps: Vec<Step>,
}

fn at() -> impl Strategy<Value = At> {
    (0..4u8, 0..4u8).prop_map(|(dir, name)| At(dir, name))
}

/// Within `n` bytes of `middle`.
fn near(middle: u64, n: u64) -> impl Strategy<Value = u64> {
    middle.saturating_sub(n)..middle + n
}

fn place() -> impl Strategy<Value = Place> {
    let block = BLOCK as u64;
    let offset = prop_oneof![
        4 => 0..6000u64,
        2 => (1..4u64).prop_flat_map(move |n| near(n * block, 3)),
        2 => near(2 * block, 2 * block),
        1 => near(CHUNK_SIZE, 3),
        2 => near(CHUNK_SIZE, 2 * block),
        1 => near(2 * CHUNK_SIZE, 5000),
        1 => Just(5 * CHUNK_SIZE + 77),
    ];
    prop_oneof![
        3 => offset.prop_map(Place::Offset),
        2 => Just(Place::FromEnd(0)),
        1 => (-5000..5000i64).prop_map(Place::FromEnd),
    ]
}

fn length() -> impl Strategy<Value = u32> {
    let block = BLOCK as u32;
    prop_oneof![
        5 => 1..6000u32,
        2 => block - 2..block + 3,
        1 => 3 * block..4 * block,
        1 => Just(0),
    ]
}

/// What truncate gets: places, and lengths at the limits.
fn new_length() -> impl Strategy<Value = Place> {
    prop_oneof![
        6 => place(),
        3 => Just(Place::Offset(0)),
        1 => Just(Place::Offset(CHUNK_SIZE)),
        1 => Just(Place::Offset(1 << 57)),
        1 => Just(Place::Offset((1 << 57) - 1)),
    ]
}

fn open_flags() -> impl Strategy<Value = i32> {
    prop_oneof![
        2 => Just(libc::O_RDONLY),
        4 => Just(libc::O_RDWR),
        1 => Just(libc::O_WRONLY),
        2 => Just(libc::O_RDWR | libc::O_APPEND),
        1 => Just(libc::O_RDWR | libc::O_TRUNC),
    ]
}

/// Modes of fallocate: growing, keeping the size, holes, zeros, and one that makes no sense.
fn allocation() -> impl Strategy<Value = i32> {
    prop_oneof![
        2 => Just(0),
        1 => Just(1),
        4 => Just(3),
        2 => Just(0x10),
        2 => Just(0x11),
        1 => Just(2),
    ]
}

fn special() -> impl Strategy<Value = FileType> {
    prop_oneof![
        Just(FileType::Fifo),
        Just(FileType::Socket),
        Just(FileType::CharDevice),
        Just(FileType::Regular),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let pick = any::<u8>;
    prop_oneof![
        6 => (at(), any::<bool>(), any::<bool>())
            .prop_map(|(at, excl, trunc)| Op::Create { at, excl, trunc }),
        3 => at().prop_map(Op::Mkdir),
        1 => (at(), any::<u8>()).prop_map(|(at, target)| Op::Symlink(at, target)),
        2 => (pick(), at()).prop_map(|(node, at)| Op::Link(node, at)),
        3 => at().prop_map(Op::Unlink),
        1 => at().prop_map(Op::Rmdir),
        4 => (at(), at(), any::<bool>()).prop_map(|(from, to, keep)| Op::Rename { from, to, keep }),
        1 => at().prop_map(Op::Lookup),
        2 => pick().prop_map(Op::Getattr),
        1 => pick().prop_map(Op::Readlink),
        1 => (pick(), 0..0o10000u16).prop_map(|(node, mode)| Op::Chmod(node, mode)),
        4 => (pick(), new_length()).prop_map(|(node, to)| Op::Truncate(node, to)),
        4 => (pick(), open_flags()).prop_map(|(node, flags)| Op::Open { node, flags }),
        3 => (pick(), any::<bool>()).prop_map(|(handle, flush)| Op::Close { handle, flush }),
        2 => pick().prop_map(Op::Flush),
        2 => pick().prop_map(Op::Fsync),
        14 => (pick(), place(), length())
            .prop_map(|(handle, to, len)| Op::Write { handle, to, len }),
        8 => (pick(), place(), length())
            .prop_map(|(handle, from, len)| Op::Read { handle, from, len }),
        3 => (pick(), allocation(), place(), length())
            .prop_map(|(handle, mode, at, len)| Op::Fallocate { handle, mode, at, len }),
        4 => (pick(), place(), pick(), place(), length())
            .prop_map(|(from, from_at, to, to_at, len)| Op::Copy { from, from_at, to, to_at, len }),
        3 => pick().prop_map(Op::Compact),
        2 => (pick(), 0..3u8, any::<u8>(), 0..3i32)
            .prop_map(|(node, name, value, flags)| Op::SetXattr { node, name, value, flags }),
        1 => (pick(), 0..3u8).prop_map(|(node, name)| Op::DelXattr(node, name)),
        1 => (at(), special()).prop_map(|(at, kind)| Op::Mknod(at, kind)),
        2 => (at(), at()).prop_map(|(from, to)| Op::Exchange { from, to }),
        1 => pick().prop_map(Op::Opendir),
        2 => (pick(), 0..8u8).prop_map(|(handle, offset)| Op::Readdir { handle, offset }),
        1 => Just(Op::Statfs),
        2 => Just(Op::Yield),
        1 => Just(Op::Remount),
    ]
}

pub(crate) fn scenario() -> impl Strategy<Value = Scenario> {
    let step = (any::<u8>(), op()).prop_map(|(client, op)| Step { client, op });
    let steps = proptest::collection::vec(step, 1..40);
    let rarely = || proptest::bool::weighted(0.2);
    (1..=2usize, rarely(), rarely(), steps).prop_map(|(clients, trash, large_blocks, steps)| {
        Scenario {
            clients,
            trash,
            large_blocks,
            steps,
        }
    })
}
