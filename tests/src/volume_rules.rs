//! The rules that every volume obeys when nothing is in flight, checked against a [`Census`].

use crate::Census;
use jfs_meta::engine::DirStat;
use jfs_types::{Attr, FileType, Ino, Name};
use std::collections::{BTreeMap, BTreeSet};

impl Census {
    /// Every violated rule in words; empty when the volume is sound.
    pub fn problems(&self, dir_stats: bool) -> Vec<String> {
        let mut found = Vec::new();
        let names = self.names_of_inodes();
        self.check_names(&names, &mut found);
        self.check_reachable(&mut found);
        for (ino, attr) in &self.attrs {
            let names = names.get(ino).map(Vec::as_slice).unwrap_or_default();
            if attr.is_dir() {
                self.check_dir(*ino, attr, names, &mut found);
            } else {
                self.check_file(*ino, attr, names, &mut found);
            }
        }
        self.check_what_hangs_on_inodes(&mut found);
        self.check_usage(&mut found);
        if dir_stats {
            self.check_dir_stats(&mut found);
        }
        self.check_data(&mut found);
        found
    }

    /// Where each inode is named.
    fn names_of_inodes(&self) -> BTreeMap<Ino, Vec<(Ino, &Name)>> {
        let mut names: BTreeMap<Ino, Vec<(Ino, &Name)>> = BTreeMap::new();
        for (dir, entries) in &self.entries {
            for (name, entry) in entries {
                names.entry(entry.ino).or_default().push((*dir, name));
            }
        }
        names
    }

    fn check_names(&self, names: &BTreeMap<Ino, Vec<(Ino, &Name)>>, found: &mut Vec<String>) {
        for (ino, places) in names {
            if !self.attrs.contains_key(ino) {
                found.push(format!("{places:?} lead to {ino:?}, which does not exist"));
            }
        }
        for (dir, entries) in &self.entries {
            if !entries.is_empty() && !self.attrs.get(dir).is_some_and(Attr::is_dir) {
                found.push(format!("{dir:?} is no directory but holds {entries:?}"));
            }
            for (name, entry) in entries {
                if self
                    .attrs
                    .get(&entry.ino)
                    .is_some_and(|a| a.kind != entry.kind)
                {
                    found.push(format!(
                        "{name:?} in {dir:?} says {:?}, its inode does not",
                        entry.kind
                    ));
                }
            }
        }
    }

    /// Every directory is reached from the root or the trash: no circles, no islands.
    fn check_reachable(&self, found: &mut Vec<String>) {
        let mut seen = BTreeSet::new();
        let mut todo = vec![Ino::ROOT, Ino::TRASH];
        while let Some(dir) = todo.pop() {
            if seen.insert(dir) {
                let below = self.entries.get(&dir).into_iter().flatten();
                todo.extend(
                    below
                        .filter(|(_, e)| e.kind == FileType::Directory)
                        .map(|(_, e)| e.ino),
                );
            }
        }
        for (ino, attr) in &self.attrs {
            if attr.is_dir() && !seen.contains(ino) {
                found.push(format!("directory {ino:?} cannot be reached"));
            }
        }
    }

    fn check_dir(&self, ino: Ino, attr: &Attr, names: &[(Ino, &Name)], found: &mut Vec<String>) {
        if ino != Ino::ROOT && ino != Ino::TRASH && names.iter().map(|(d, _)| *d).ne([attr.parent])
        {
            found.push(format!(
                "directory {ino:?} has parent {:?} but is named at {names:?}",
                attr.parent
            ));
        }
        let below = self.entries.get(&ino).into_iter().flatten();
        let subdirs = below.filter(|(_, e)| e.kind == FileType::Directory).count() as u32;
        let nlink = if ino.is_trash() { 2 } else { 2 + subdirs };
        if attr.nlink != nlink {
            found.push(format!(
                "directory {ino:?} has nlink {}, {nlink} expected",
                attr.nlink
            ));
        }
        if attr.length != 4096 {
            found.push(format!("directory {ino:?} has length {}", attr.length));
        }
    }

    fn check_file(&self, ino: Ino, attr: &Attr, names: &[(Ino, &Name)], found: &mut Vec<String>) {
        if attr.nlink as usize != names.len() {
            found.push(format!(
                "{ino:?} has nlink {} but is named at {names:?}",
                attr.nlink
            ));
        }
        let sustained = self.sustained.values().flatten().any(|i| *i == ino);
        if names.is_empty() != sustained {
            found.push(format!(
                "{ino:?} has {} names, sustained: {sustained}",
                names.len()
            ));
        }
        let mut dirs: BTreeMap<Ino, i64> = BTreeMap::new();
        for (dir, _) in names {
            *dirs.entry(*dir).or_insert(0) += 1;
        }
        if attr.parent == Ino(0) {
            let stored = self.parents.get(&ino).cloned().unwrap_or_default();
            if !stored
                .iter()
                .copied()
                .eq(dirs.iter().map(|(d, n)| (*d, *n)))
            {
                found.push(format!(
                    "{ino:?} has parents {stored:?} but is named in {dirs:?}"
                ));
            }
        } else if !names.is_empty() && dirs.keys().ne([&attr.parent]) {
            found.push(format!(
                "{ino:?} has parent {:?} but is named in {dirs:?}",
                attr.parent
            ));
        }
        let target = self.symlinks.get(&ino).map(|t| t.len() as u64);
        match (attr.kind, target) {
            (FileType::Symlink, Some(length)) if length == attr.length => {}
            (FileType::Symlink, _) => found.push(format!(
                "symlink {ino:?}: length {}, target {target:?}",
                attr.length
            )),
            (_, None) => {}
            (kind, Some(_)) => found.push(format!("{ino:?} is a {kind:?} with a link target")),
        }
    }

    /// Extended attributes and ACL numbers lead somewhere.
    fn check_what_hangs_on_inodes(&self, found: &mut Vec<String>) {
        for (ino, name) in self.xattrs.keys() {
            // A file without a name may still be given some through a handle; they go with it.
            if !self.attrs.contains_key(ino) {
                found.push(format!("attribute {name:?} of {ino:?} belongs to nobody"));
            }
        }
        for (id, rule) in &self.acls {
            let Some(rule) = rule else {
                found.push(format!("there is no ACL rule {id}"));
                continue;
            };
            for (ino, attr) in self.attrs.iter().filter(|(_, a)| a.access_acl == *id) {
                if attr.mode & 0o777 != rule.mode() {
                    found.push(format!(
                        "{ino:?} has mode {:o}, its rule says {:o}",
                        attr.mode,
                        rule.mode()
                    ));
                }
            }
        }
    }

    fn check_usage(&self, found: &mut Vec<String>) {
        let counted = self
            .attrs
            .iter()
            .filter(|(i, _)| **i != Ino::ROOT && **i != Ino::TRASH);
        let (mut space, mut inodes) = (0, 0);
        for (_, attr) in counted {
            space += attr.space();
            inodes += 1;
        }
        if self.counters[..2] != [space, inodes] {
            found.push(format!(
                "usage counters {:?}, the walk finds {:?}",
                &self.counters[..2],
                [space, inodes]
            ));
        }
    }

    fn check_dir_stats(&self, found: &mut Vec<String>) {
        if self.dir_stats.contains_key(&Ino::TRASH) {
            found.push("the trash directory has statistics".to_string());
        }
        for (dir, entries) in &self.entries {
            let mut walked = DirStat::default();
            for entry in entries.values() {
                if let Some(attr) = self.attrs.get(&entry.ino) {
                    let length = if attr.is_file() {
                        attr.length as i64
                    } else {
                        0
                    };
                    walked += DirStat {
                        length,
                        space: attr.space(),
                        inodes: 1,
                    };
                }
            }
            let trashed = self
                .attrs
                .get(dir)
                .is_some_and(|a| a.parent.is_trash() && a.parent != Ino::TRASH);
            match self.dir_stats.get(dir) {
                Some(stat) if *stat != walked && !trashed => {
                    found.push(format!(
                        "statistics of {dir:?}: {stat:?}, the walk finds {walked:?}"
                    ));
                }
                None if *dir != Ino::ROOT
                    && *dir != Ino::TRASH
                    && !trashed
                    && self.attrs.contains_key(dir) =>
                {
                    found.push(format!("no statistics of {dir:?}"));
                }
                _ => {}
            }
        }
    }

    fn check_data(&self, found: &mut Vec<String>) {
        for (ino, index) in self.chunks.keys() {
            let live = self.attrs.get(ino).is_some_and(Attr::is_file);
            if !live && !self.deleted.iter().any(|d| d.ino == *ino) {
                found.push(format!("chunk {index} of {ino:?} belongs to nobody"));
            }
        }
        for deleted in &self.deleted {
            if self.attrs.contains_key(&deleted.ino) {
                found.push(format!("{deleted:?} still has attributes"));
            }
        }
        let expected = self.expected_users();
        if self.slice_users != expected {
            found.push(format!(
                "slice users {:?}, records say {expected:?}",
                self.slice_users
            ));
        }
        for slice in &self.unused {
            if expected.contains_key(slice) {
                found.push(format!("slice {slice:?} is used but counts as unused"));
            }
        }
    }
}
