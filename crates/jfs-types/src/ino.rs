//! Inode numbers and the ranges with a meaning of their own.

use std::fmt;

/// An inode number of a volume. Plain `u64` inside; the named constants are the special ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ino(pub u64);

impl Ino {
    /// The root directory.
    pub const ROOT: Ino = Ino(1);
    /// First of the virtual inodes (`.accesslog`, `.control`, ...), which no engine stores.
    pub const VIRTUAL_BASE: Ino = Ino(0x7FFF_FFFF_0000_0000);
    /// `.trash`. Hour directory number n is `TRASH + n`.
    pub const TRASH: Ino = Ino(0x7FFF_FFFF_1000_0000);

    /// Whether this is `.trash` or one of its hour directories.
    pub fn is_trash(self) -> bool {
        self >= Self::TRASH
    }

    /// Whether this inode is virtual: served by the client, never stored.
    pub fn is_virtual(self) -> bool {
        self >= Self::VIRTUAL_BASE && self < Self::TRASH
    }
}

impl fmt::Display for Ino {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Ino {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ino {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_inodes() {
        let all = [
            (Ino::ROOT, false, false),
            (Ino(Ino::VIRTUAL_BASE.0 - 1), false, false),
            (Ino::VIRTUAL_BASE, false, true),
            (Ino(Ino::TRASH.0 - 1), false, true),
            (Ino::TRASH, true, false),
            (Ino(Ino::TRASH.0 + 1), true, false),
        ];
        for (ino, trash, is_virtual) in all {
            assert_eq!(
                (ino.is_trash(), ino.is_virtual()),
                (trash, is_virtual),
                "{ino:?}"
            );
        }
        assert_eq!(format!("{0} {0:?}", Ino(7)), "7 ino 7");
    }
}
