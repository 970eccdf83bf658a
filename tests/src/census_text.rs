//! A [`Census`] as text, to compare states and to read what differs.

use crate::Census;
use jfs_types::{Attr, Ino, Time};
use std::collections::BTreeMap;
use std::fmt::Write;

impl Census {
    /// Everything, numbers as they are stored.
    pub fn text(&self) -> String {
        self.write(&|ino| ino.0.to_string(), true)
    }

    /// Everything, inodes numbered in the order in which a walk over sorted names meets them: equal for
    /// two states that differ only in which numbers were handed out.
    pub fn text_by_position(&self) -> String {
        self.by_position(true)
    }

    /// The same without times.
    pub fn text_without_times(&self) -> String {
        self.by_position(false)
    }

    fn by_position(&self, times: bool) -> String {
        let mut order = vec![Ino::ROOT];
        let mut place = BTreeMap::from([(Ino::ROOT, 0usize)]);
        let mut at = 0;
        let mut visit = |from: Ino, order: &mut Vec<Ino>| {
            for entry in self.entries.get(&from).into_iter().flat_map(|e| e.values()) {
                if let std::collections::btree_map::Entry::Vacant(e) = place.entry(entry.ino) {
                    e.insert(order.len());
                    order.push(entry.ino);
                }
            }
        };
        while at < order.len() {
            visit(order[at], &mut order);
            at += 1;
        }
        let name = |ino: Ino| match place.get(&ino) {
            Some(n) => format!("#{n}"),
            None if ino.is_trash() => ino.0.to_string(),
            None => "nameless".to_string(),
        };
        self.write(&name, times)
    }

    fn write(&self, id: &dyn Fn(Ino) -> String, times: bool) -> String {
        let mut lines: Vec<String> = Vec::new();
        for (ino, attr) in &self.attrs {
            lines.push(format!("inode {} {}", id(*ino), attr_text(attr, id, times)));
        }
        for (dir, entries) in &self.entries {
            for (name, e) in entries {
                lines.push(format!(
                    "entry {} {:?} -> {} {:?}",
                    id(*dir),
                    name,
                    id(e.ino),
                    e.kind
                ));
            }
        }
        for (ino, parents) in &self.parents {
            let mut parents: Vec<_> = parents.iter().map(|(p, n)| (id(*p), n)).collect();
            parents.sort();
            lines.push(format!("parents {} {parents:?}", id(*ino)));
        }
        for ((ino, index), records) in &self.chunks {
            let mut line = format!("chunk {} {index}", id(*ino));
            for r in records {
                let _ = write!(
                    line,
                    " ({} {} {} {} {})",
                    r.pos, r.id.0, r.size, r.off, r.len
                );
            }
            lines.push(line);
        }
        for (ino, target) in &self.symlinks {
            lines.push(format!(
                "symlink {} {:?}",
                id(*ino),
                String::from_utf8_lossy(target)
            ));
        }
        for ((ino, name), value) in &self.xattrs {
            lines.push(format!("xattr {} {name:?} = {value:?}", id(*ino)));
        }
        for ((ino, kind), rows) in &self.locks {
            lines.push(format!("{kind:?} locks {} {rows:?}", id(*ino)));
        }
        for (n, rule) in &self.acls {
            lines.push(format!("acl {n} {rule:?}"));
        }
        for (dir, s) in self
            .dir_stats
            .iter()
            .filter(|(dir, _)| self.attrs.contains_key(dir))
        {
            lines.push(format!(
                "stat {} length {} space {} inodes {}",
                id(*dir),
                s.length,
                s.space,
                s.inodes
            ));
        }
        for ((slice, size), users) in &self.slice_users {
            lines.push(format!("slice {slice} {size} users {users}"));
        }
        for d in &self.deleted {
            lines.push(format!("deleted {} {} at {}", id(d.ino), d.length, d.time));
        }
        for d in &self.delayed {
            lines.push(format!("delayed {} {} {:?}", d.id, d.time, &d.entries[..]));
        }
        lines.push(format!("unused {:?}", self.unused));
        for s in &self.sessions {
            let info = String::from_utf8_lossy(&s.info);
            lines.push(format!("session {} {} {info}", s.sid, s.expire));
        }
        for (sid, inodes) in &self.sustained {
            let inodes: Vec<String> = inodes.iter().map(|i| id(*i)).collect();
            lines.push(format!("sustained {sid} {inodes:?}"));
        }
        let [space, inodes, trash, session] = self.counters;
        lines.sort();
        lines.push(format!(
            "counters space {space} inodes {inodes} trash {trash} session {session}"
        ));
        lines.join("\n") + "\n"
    }
}

fn attr_text(a: &Attr, id: &dyn Fn(Ino) -> String, times: bool) -> String {
    let time = |t: Time| {
        if times {
            format!("{}.{:09}", t.sec, t.nsec)
        } else {
            "-".to_string()
        }
    };
    format!(
        "{:?} flags {} mode {:o} uid {} gid {} nlink {} length {} rdev {} parent {} acl {},{} tier {} times {} {} {}",
        a.kind,
        a.flags,
        a.mode,
        a.uid,
        a.gid,
        a.nlink,
        a.length,
        a.rdev,
        if a.parent == Ino(0) {
            "0".to_string()
        } else {
            id(a.parent)
        },
        a.access_acl,
        a.default_acl,
        a.tier,
        time(a.atime),
        time(a.mtime),
        time(a.ctime),
    )
}
