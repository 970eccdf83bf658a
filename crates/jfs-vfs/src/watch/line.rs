//! Arguments and results as lines of the access log show them.

use crate::reply::SetAttrRequest;
use jfs_meta::SetTime;
use jfs_types::{Attr, Errno, FileType, Ino};
use std::fmt::{self, Write};

/// A name or target: as it is, or escaped when it holds control characters.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = std::str::from_utf8(self.0);
        if let Ok(text) = plain
            && !text.chars().any(char::is_control)
        {
            return f.write_str(text);
        }
        for part in self.0.utf8_chunks() {
            for c in part.valid().chars() {
                match c {
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '\r' => f.write_str("\\r")?,
                    '"' => f.write_str("\\\"")?,
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                    c => f.write_char(c)?,
                }
            }
            for byte in part.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// ` (inode,[mode,links,uid,gid,atime,mtime,ctime,length])`, or nothing after an error.
pub fn shown(entry: Result<(Ino, &Attr), Errno>) -> String {
    let Ok((ino, a)) = entry else {
        return String::new();
    };
    let mode = mode_text(Some(a.kind), a.mode, true);
    let times = [a.atime.sec, a.mtime.sec, a.ctime.sec];
    format!(
        " ({ino},[{mode},{},{},{},{},{},{},{}])",
        a.nlink, a.uid, a.gid, times[0], times[1], times[2], a.length
    )
}

/// A mode as `ls` shows it, a colon, and octal digits, with the type among them or without.
pub fn mode_text(kind: Option<FileType>, mode: u16, with_type: bool) -> String {
    let letter = match kind {
        Some(FileType::Regular) => '-',
        Some(FileType::Directory) => 'd',
        Some(FileType::Symlink) => 'l',
        Some(FileType::Fifo) => 'f',
        Some(FileType::BlockDevice) => 'b',
        Some(FileType::CharDevice) => 'c',
        Some(FileType::Socket) => 's',
        None => '?',
    };
    let mut out = String::from(letter);
    for (shift, extra, low, high) in [
        (6, 0o4000, 's', 'S'),
        (3, 0o2000, 's', 'S'),
        (0, 0o1000, 't', 'T'),
    ] {
        let bits = mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (mode & extra != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, true) => low,
            (true, false) => high,
        });
    }
    let _ = match kind.filter(|_| with_type) {
        Some(kind) => write!(out, ":0{:06o}", kind.mode_bits() | u32::from(mode)),
        None => write!(out, ":0{mode:04o}"),
    };
    out
}

/// The mask and the list of changes of a setattr request.
pub fn changes(set: &SetAttrRequest, kind: Option<FileType>) -> String {
    let (mut mask, mut list) = (0, Vec::new());
    if let Some(mode) = set.mode {
        mask |= 0x1;
        list.push(format!("mode={}", mode_text(kind, mode, false)));
    }
    if let Some(uid) = set.uid {
        mask |= 0x2;
        list.push(format!("uid={uid}"));
    }
    if let Some(gid) = set.gid {
        mask |= 0x4;
        list.push(format!("gid={gid}"));
    }
    for (name, time, bit, now) in [
        ("atime", set.atime, 0x10, 0x80),
        ("mtime", set.mtime, 0x20, 0x100),
    ] {
        match time {
            None => {}
            Some(SetTime::Now) => {
                mask |= bit | now;
                list.push(format!("{name}=NOW"));
            }
            Some(SetTime::At(t)) => {
                mask |= bit;
                list.push(format!("{name}={}", t.sec));
            }
        }
    }
    if let Some(size) = set.size {
        mask |= 0x8;
        list.push(format!("size={size}"));
    }
    format!("0x{mask:X},[{}]", list.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_shown_as_ls_shows_them() {
        let dir = Some(FileType::Directory);
        assert_eq!(mode_text(dir, 0o777, true), "drwxrwxrwx:0040777");
        assert_eq!(mode_text(None, 0o755, true), "?rwxr-xr-x:00755");
        assert_eq!(mode_text(dir, 0o1754, false), "drwxr-xr-T:01754");
        let file = Some(FileType::Regular);
        assert_eq!(mode_text(file, 0o4711, true), "-rws--x--x:0104711");
    }

    #[test]
    fn names_that_would_break_a_line_are_escaped() {
        assert_eq!(Shown(b"plain \xc3\xa4\"").to_string(), "plain \u{e4}\"");
        assert_eq!(Shown(b"s\n2").to_string(), "s\\n2");
        assert_eq!(Shown(b"a\xff").to_string(), "a\\xff");
    }

    #[test]
    fn changes_are_listed_with_their_bits() {
        let set = SetAttrRequest {
            mode: Some(0o777),
            size: Some(3),
            atime: Some(SetTime::Now),
            ..SetAttrRequest::default()
        };
        assert_eq!(
            changes(&set, Some(FileType::Regular)),
            "0x99,[mode=-rwxrwxrwx:00777,atime=NOW,size=3]"
        );
    }
}
