//! The place that a write goes to.

use crate::handles::FileHandle;

/// Where a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteTo {
    /// To this offset.
    Offset(u64),
    /// To the end of the file: as this mount knows it at the moment of the write, and finally as it is
    /// when the write is committed.
    End,
    /// As [`crate::kernel::KernelWrite::Append`].
    KernelEnd(u64),
}

impl WriteTo {
    /// Where a write to `off` through `handle` goes, by the flags of its open.
    pub(crate) fn of(handle: &FileHandle, off: u64) -> WriteTo {
        match handle.appends() {
            true => WriteTo::End,
            false => WriteTo::Offset(off),
        }
    }

    /// Whether such writes are carried out one after the other.
    pub(crate) fn in_turn(self) -> bool {
        !matches!(self, WriteTo::Offset(_))
    }
}
