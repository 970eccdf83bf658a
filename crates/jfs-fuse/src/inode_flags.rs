//! Inode flags (immutable, append-only, skip the trash) and the ioctls that get and set them.

use jfs_types::Errno;
use jfs_types::attr::flags;

/// Flag bits of an inode as the kernel numbers them, and as they are stored.
const FLAGS: [(u32, u8); 3] = [
    (0x01, flags::SKIP_TRASH), // FS_SECRM_FL, chattr +s
    (0x10, flags::IMMUTABLE),
    (0x20, flags::APPEND),
];

/// The ioctls about inode flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagsIoctl {
    /// `FS_IOC_GETFLAGS`
    Get,
    /// `FS_IOC_FSGETXATTR`. The kernel asks for these flags before it passes on a `FS_IOC_SETFLAGS`, and passes
    /// nothing on without an answer.
    GetExtended,
    /// `FS_IOC_SETFLAGS`, with the stored bits it asks for.
    Set(u8),
}

impl FlagsIoctl {
    /// Parses an ioctl. ENOTTY for one that is not about flags, ENOTSUP for flags that are not stored.
    pub(crate) fn parse(cmd: u32, input: &[u8]) -> Result<FlagsIoctl, Errno> {
        match cmd {
            0x8008_6601 | 0x8004_6601 => Ok(FlagsIoctl::Get),
            0x801c_581f => Ok(FlagsIoctl::GetExtended),
            0x4008_6602 | 0x4004_6602 => {
                let word = input.first_chunk::<4>().ok_or(Errno::EINVAL)?;
                let wanted = u32::from_ne_bytes(*word);
                let known = FLAGS.iter().fold(0, |all, (bit, _)| all | bit);
                if wanted & !known != 0 {
                    return Err(Errno::ENOTSUP);
                }
                let set = FLAGS.iter().filter(|(bit, _)| wanted & bit != 0);
                Ok(FlagsIoctl::Set(set.fold(0, |all, (_, flag)| all | flag)))
            }
            _ => Err(Errno::ENOTTY),
        }
    }
}

/// Stored bits, with the bits that the ioctl knows replaced by the wanted ones.
pub(crate) fn with_flags(stored: u8, wanted: u8) -> u8 {
    let known = FLAGS.iter().fold(0, |all, (_, flag)| all | flag);
    stored & !known | wanted
}

/// The answer to `FS_IOC_GETFLAGS`: a word of four or eight bytes.
pub(crate) fn shown_flags(stored: u8, size: u32) -> Vec<u8> {
    let set = FLAGS.iter().filter(|(_, flag)| stored & flag != 0);
    let word = set.fold(0, |all, (bit, _)| all | bit);
    if size >= 8 {
        u64::from(word).to_ne_bytes().to_vec()
    } else {
        word.to_ne_bytes().to_vec()
    }
}

/// The answer to `FS_IOC_FSGETXATTR`: a `struct fsxattr` of 28 bytes that begins with the flags, which
/// are numbered differently here.
pub(crate) fn shown_extended(stored: u8) -> Vec<u8> {
    let known: [(u32, u8); 2] = [
        (0x08, flags::IMMUTABLE), // FS_XFLAG_IMMUTABLE
        (0x10, flags::APPEND),    // FS_XFLAG_APPEND
    ];
    let set = known.iter().filter(|(_, flag)| stored & flag != 0);
    let word = set.fold(0, |all, (bit, _)| all | bit);
    let mut answer = word.to_ne_bytes().to_vec();
    answer.resize(28, 0);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_inodes() {
        let set = |bits: u32| FlagsIoctl::parse(0x4008_6602, &u64::from(bits).to_ne_bytes());
        assert_eq!(set(0x31), Ok(FlagsIoctl::Set(0x23)));
        assert_eq!(set(0), Ok(FlagsIoctl::Set(0)));
        assert_eq!(set(0x40), Err(Errno::ENOTSUP));
        assert_eq!(FlagsIoctl::parse(0x8008_6601, &[]), Ok(FlagsIoctl::Get));
        assert_eq!(FlagsIoctl::parse(7, &[]), Err(Errno::ENOTTY));
        assert_eq!(
            FlagsIoctl::parse(0x801c_581f, &[]),
            Ok(FlagsIoctl::GetExtended)
        );
        let extended = shown_extended(flags::APPEND | flags::SKIP_TRASH);
        assert_eq!((extended.len(), extended[0]), (28, 0x10));
        assert_eq!(shown_extended(flags::IMMUTABLE)[0], 0x08);
        assert_eq!(FlagsIoctl::parse(0x4004_6602, &[0]), Err(Errno::EINVAL));
        assert_eq!(with_flags(0x1d, 0x02), 0x1e);
        assert_eq!(shown_flags(0x23, 4), 0x31u32.to_ne_bytes());
        assert_eq!(shown_flags(0x04, 8), 0u64.to_ne_bytes());
    }
}
