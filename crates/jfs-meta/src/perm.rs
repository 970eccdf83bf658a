//! Permission rules of inodes.

use jfs_types::{Attr, Caller, Errno};

/// Read permission bit.
pub const READ: u8 = 4;
/// Write permission bit.
pub const WRITE: u8 = 2;
/// Execute or search permission bit.
pub const EXEC: u8 = 1;

/// Whether `caller` has all permissions of `mask` on `attr` by its mode: owner, then group (any
/// supplementary one), then other bits. The super-user has them all. Inodes with an ACL are asked
/// through `Meta::may`.
pub fn check(caller: &Caller, attr: &Attr, mask: u8) -> Result<(), Errno> {
    if caller.uid == 0 {
        return Ok(());
    }
    let shift = if caller.uid == attr.uid {
        6
    } else if caller.in_group(attr.gid) {
        3
    } else {
        0
    };
    let granted = (attr.mode >> shift) as u8 & 7;
    if granted & mask == mask {
        Ok(())
    } else {
        Err(Errno::EACCES)
    }
}

/// The sticky rule: in a directory with the sticky bit only the super-user, the directory's owner
/// and the entry's owner may remove or rename an entry.
pub(crate) fn check_sticky(caller: &Caller, dir: &Attr, child: &Attr) -> Result<(), Errno> {
    let sticky = dir.mode & 0o1000 != 0;
    if sticky && caller.uid != 0 && caller.uid != dir.uid && caller.uid != child.uid {
        return Err(Errno::EACCES);
    }
    Ok(())
}

/// setuid and setgid.
pub const PRIVILEGES: u16 = 0o6000;

/// The mode of a file after `caller` has changed its content: without setuid and setgid, unless he is the
/// super-user. As Linux does, setgid without group-execute stays for members of the group.
pub fn mode_after_write(caller: &Caller, attr: &Attr) -> u16 {
    if caller.uid == 0 || !attr.is_file() || attr.mode & PRIVILEGES == 0 {
        return attr.mode;
    }
    let stays = attr.mode & 0o010 == 0 && caller.in_group(attr.gid);
    attr.mode & if stays { !0o4000 } else { !PRIVILEGES }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::FileType;

    fn attr(mode: u16) -> Attr {
        let mut a = Attr::new(FileType::Regular);
        (a.mode, a.uid, a.gid) = (mode, 10, 20);
        a
    }

    #[test]
    fn the_first_class_that_matches_decides() {
        let owner = Caller::user(10, 1);
        let mut member = Caller::user(11, 1);
        member.groups = vec![7, 20];
        let other = Caller::user(12, 1);
        assert_eq!(check(&owner, &attr(0o077), READ), Err(Errno::EACCES));
        assert_eq!(check(&member, &attr(0o707), READ), Err(Errno::EACCES));
        assert_eq!(check(&member, &attr(0o070), READ | WRITE | EXEC), Ok(()));
        assert_eq!(check(&other, &attr(0o774), READ), Ok(()));
        assert_eq!(
            check(&other, &attr(0o774), READ | WRITE),
            Err(Errno::EACCES)
        );
        assert_eq!(
            check(&Caller::root(), &attr(0), READ | WRITE | EXEC),
            Ok(())
        );
    }

    #[test]
    fn writing_takes_privileges_away() {
        let after = |caller: &Caller, mode| mode_after_write(caller, &attr(mode));
        let (owner, stranger) = (Caller::user(10, 1), Caller::user(12, 1));
        let member = Caller {
            groups: vec![7, 20],
            ..Caller::user(11, 1)
        };
        assert_eq!(after(&Caller::root(), 0o6777), 0o6777);
        for caller in [&owner, &stranger, &member] {
            assert_eq!(after(caller, 0o6777), 0o777);
            assert_eq!(after(caller, 0o4767), 0o767);
            assert_eq!(after(caller, 0o1767), 0o1767);
        }
        assert_eq!(after(&member, 0o6767), 0o2767);
        assert_eq!(after(&owner, 0o6767), 0o767);
        let dir = Attr {
            mode: 0o2777,
            ..Attr::new(FileType::Directory)
        };
        assert_eq!(mode_after_write(&owner, &dir), 0o2777);
    }

    #[test]
    fn sticky_directories() {
        let mut dir = attr(0o1777);
        dir.uid = 1;
        assert_eq!(
            check_sticky(&Caller::user(2, 2), &dir, &attr(0)),
            Err(Errno::EACCES)
        );
        for allowed in [0, 1, 10] {
            assert_eq!(
                check_sticky(&Caller::user(allowed, 2), &dir, &attr(0)),
                Ok(())
            );
        }
    }
}
