//! Arguments and answers of requests as the access log shows them: the one place that makes this text.

use super::{Answer, Request};
use jfs_types::{Attr, Errno, FileType, Ino};
use jfs_vfs::{SetAttrRequest, SetTime, StatFs};
use std::fmt::{self, Write};

/// The arguments of a request in brackets, and its answer.
pub(super) fn text(request: &Request<'_>, answer: Result<Answer<'_>, Errno>) -> String {
    let end = answer_text(request, answer);
    match *request {
        Request::GetAttr { ino }
        | Request::Readlink { ino }
        | Request::Opendir { ino }
        | Request::Releasedir { ino }
        | Request::Statfs { ino } => format!("({ino}){end}"),
        Request::Lookup { parent, name }
        | Request::Unlink { parent, name }
        | Request::Rmdir { parent, name } => format!("({parent},{}){end}", Shown(name)),
        Request::SetAttr { ino, fh, set } => {
            let kind = match answer {
                Ok(Answer::Attr(reply)) => Some(reply.attr.kind),
                _ => None,
            };
            let (fh, list) = (fh.unwrap_or(0), changes(set, kind));
            format!("({ino}[{fh}],{list}){end}")
        }
        Request::Mknod { parent, name, node } => {
            let (name, mode) = (Shown(name), mode_text(Some(node.kind), node.mode, true));
            format!("({parent},{name},{mode},0x{:08X}){end}", node.rdev)
        }
        Request::Mkdir { parent, name, mode } => {
            let mode = mode_text(None, mode, false);
            format!("({parent},{},{mode}){end}", Shown(name))
        }
        Request::Create { parent, name, mode } => {
            let mode = mode_text(Some(FileType::Regular), mode, true);
            format!("({parent},{},{mode}){end}", Shown(name))
        }
        Request::Symlink {
            parent,
            name,
            target,
        } => format!("({parent},{},{}){end}", Shown(name), Shown(target)),
        Request::Link { ino, parent, name } => format!("({ino},{parent},{}){end}", Shown(name)),
        Request::Rename { from, to, flags } => {
            let (old, new) = (Shown(from.1), Shown(to.1));
            format!("({},{old},{},{new},{flags}){end}", from.0, to.0)
        }
        Request::Open { ino, flags } => format!("({ino},0x{flags:X}){end}"),
        Request::Read {
            ino,
            fh,
            offset,
            size,
        } => format!("({ino},{size},{offset},{fh}){end}"),
        Request::Write {
            ino,
            fh,
            offset,
            size,
        } => format!("({ino},{size},{offset},{fh}){end}"),
        Request::Flush {
            ino,
            fh,
            lock_owner,
        } => format!("({ino},{fh},{lock_owner:016X}){end}"),
        Request::Release { ino, fh } => format!("({ino},{fh}){end}"),
        Request::Fsync { ino, data_only } => format!("({ino},{}){end}", u8::from(data_only)),
        Request::Fallocate {
            ino,
            mode,
            offset,
            length,
        } => format!("({ino},{mode},{offset},{length}){end}"),
        Request::CopyFileRange { from, to, length } => {
            format!("({},{},{},{},{length},0){end}", from.0, from.1, to.0, to.1)
        }
        Request::Readdir {
            ino,
            offset,
            attributes,
        } => format!("({ino},0,{offset},{attributes}){end}"),
        Request::SetXattr {
            ino,
            name,
            size,
            flags,
        } => format!("({ino},{},{size},{flags}){end}", Shown(name)),
        Request::GetXattr { ino, name, size } => format!("({ino},{},{size}){end}", Shown(name)),
        Request::ListXattr { ino, size } => format!("({ino},{size}){end}"),
        Request::RemoveXattr { ino, name } => format!("({ino},{}){end}", Shown(name)),
        Request::Ioctl {
            ino,
            command,
            in_size,
            out_size,
        } => format!("({ino},0x{command:X},0x0,{in_size},{out_size}){end}"),
    }
}

/// The answer behind the arguments. Requests that answer attributes or a value have a colon also after an
/// error, as in the lines of the reference.
fn answer_text(request: &Request<'_>, answer: Result<Answer<'_>, Errno>) -> String {
    match (request, answer) {
        (_, Ok(Answer::Attr(reply))) => format!(":{}", attributes(reply.ino, &reply.attr)),
        (_, Ok(Answer::Entry(entry))) => format!(":{}", attributes(entry.ino, &entry.attr)),
        (_, Ok(Answer::Created(entry, fh))) => {
            format!(":{} [fh:{fh}]", attributes(entry.ino, &entry.attr))
        }
        (_, Ok(Answer::Opened(fh))) => format!(" [fh:{fh}]"),
        (_, Ok(Answer::Target(target))) => format!(": ({})", Shown(target)),
        (_, Ok(Answer::Count(n))) => format!(": ({n})"),
        (_, Ok(Answer::StatFs(found))) => format!(": ({})", space(found)),
        (_, Ok(Answer::Done)) => String::new(),
        (Request::Create { .. }, Err(_)) => ": [fh:0]".into(),
        (Request::Readlink { .. }, Err(_)) => ": ()".into(),
        (Request::GetXattr { .. } | Request::ListXattr { .. }, Err(_)) => ": (0)".into(),
        (
            Request::Lookup { .. }
            | Request::GetAttr { .. }
            | Request::SetAttr { .. }
            | Request::Mknod { .. }
            | Request::Mkdir { .. }
            | Request::Symlink { .. }
            | Request::Link { .. },
            Err(_),
        ) => ":".into(),
        (_, Err(_)) => String::new(),
    }
}

/// Used and available bytes, used and available inodes.
fn space(found: &StatFs) -> String {
    let used = found.total_space - found.avail_space;
    let (used_inodes, avail_inodes) = (found.used_inodes, found.avail_inodes);
    format!("{used},{},{used_inodes},{avail_inodes}", found.avail_space)
}

/// A name or target: as it is, or escaped when it holds control characters.
struct Shown<'a>(&'a [u8]);

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

/// ` (inode,[mode,links,uid,gid,atime,mtime,ctime,length])`.
fn attributes(ino: Ino, a: &Attr) -> String {
    let mode = mode_text(Some(a.kind), a.mode, true);
    let times = [a.atime.sec, a.mtime.sec, a.ctime.sec];
    format!(
        " ({ino},[{mode},{},{},{},{},{},{},{}])",
        a.nlink, a.uid, a.gid, times[0], times[1], times[2], a.length
    )
}

/// A mode as `ls` shows it, a colon, and octal digits, with the type among them or without.
fn mode_text(kind: Option<FileType>, mode: u16, with_type: bool) -> String {
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
fn changes(set: &SetAttrRequest, kind: Option<FileType>) -> String {
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

    #[test]
    fn every_request_has_its_form() {
        let (root, name) = (Ino::ROOT, &b"n"[..]);
        let denied = Err(Errno::EACCES);
        for (request, answer, wanted) in [
            (
                Request::Open {
                    ino: Ino(7),
                    flags: 0x8002,
                },
                Ok(Answer::Opened(3)),
                "(7,0x8002) [fh:3]",
            ),
            (Request::Opendir { ino: root }, denied, "(1)"),
            (Request::Lookup { parent: root, name }, denied, "(1,n):"),
            (
                Request::Create {
                    parent: root,
                    name,
                    mode: 0o644,
                },
                denied,
                "(1,n,-rw-r--r--:0100644): [fh:0]",
            ),
            (
                Request::Read {
                    ino: Ino(7),
                    fh: 3,
                    offset: 9,
                    size: 100,
                },
                Ok(Answer::Count(12)),
                "(7,100,9,3): (12)",
            ),
            (Request::Readlink { ino: Ino(8) }, denied, "(8): ()"),
            (
                Request::GetXattr {
                    ino: Ino(8),
                    name,
                    size: 0,
                },
                denied,
                "(8,n,0): (0)",
            ),
            (
                Request::Rename {
                    from: (root, name),
                    to: (Ino(9), b"m"),
                    flags: 1,
                },
                Ok(Answer::Done),
                "(1,n,9,m,1)",
            ),
            (
                Request::Flush {
                    ino: Ino(7),
                    fh: 3,
                    lock_owner: 0xAB,
                },
                Ok(Answer::Done),
                "(7,3,00000000000000AB)",
            ),
        ] {
            assert_eq!(text(&request, answer), wanted);
        }
    }
}
