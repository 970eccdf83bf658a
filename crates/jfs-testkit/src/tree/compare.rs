//! The differences between two trees, in words.

use super::{Node, Tree};

/// A fact that two trees may be compared in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields of Node, which documents them")]
pub enum Field {
    Kind,
    Ino,
    Mode,
    Owner,
    Size,
    Nlink,
    Blocks,
    Mtime,
    Ctime,
    Atime,
    Content,
    Target,
    Rdev,
    Xattrs,
    Flags,
}

impl Field {
    /// Every fact.
    pub const ALL: &[Self] = &[
        Self::Kind,
        Self::Ino,
        Self::Mode,
        Self::Owner,
        Self::Size,
        Self::Nlink,
        Self::Blocks,
        Self::Mtime,
        Self::Ctime,
        Self::Atime,
        Self::Content,
        Self::Target,
        Self::Rdev,
        Self::Xattrs,
        Self::Flags,
    ];

    /// The common facts of two volumes that got the same operations: no numbers, no times.
    pub const LIKE: &[Self] = &[
        Self::Kind,
        Self::Mode,
        Self::Owner,
        Self::Size,
        Self::Nlink,
        Self::Blocks,
        Self::Content,
        Self::Target,
        Self::Rdev,
        Self::Xattrs,
        Self::Flags,
    ];

    fn show(self, node: &Node) -> String {
        match self {
            Self::Kind => format!("{:?}", node.kind),
            Self::Ino => node.ino.to_string(),
            Self::Mode => format!("{:04o}", node.mode),
            Self::Owner => format!("{}:{}", node.uid, node.gid),
            Self::Size => node.size.to_string(),
            Self::Nlink => node.nlink.to_string(),
            Self::Blocks => node.blocks.to_string(),
            Self::Mtime => node.mtime_ns.to_string(),
            Self::Ctime => node.ctime_ns.to_string(),
            Self::Atime => node
                .atime_ns
                .map_or_else(|| "-".to_owned(), |t| t.to_string()),
            Self::Content => node.sha256.clone().unwrap_or_else(|| "-".to_owned()),
            Self::Target => format!(
                "{:?}",
                node.target.as_ref().map(|t| t.escape_ascii().to_string())
            ),
            Self::Rdev => format!("{:?}", node.rdev),
            Self::Xattrs => {
                let show = |(name, value): (&Vec<u8>, &Vec<u8>)| {
                    format!("{}={}", name.escape_ascii(), value.escape_ascii())
                };
                node.xattrs.iter().map(show).collect::<Vec<_>>().join(" ")
            }
            Self::Flags => format!("{:#x}", node.flags),
        }
    }
}

/// One line per difference between `a` and `b` in `fields`, empty when they agree: paths that only one
/// of them has, and facts that differ.
pub fn diff(a: &Tree, b: &Tree, fields: &[Field]) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, node) in a {
        let path_text = path.escape_ascii();
        let Some(other) = b.get(path) else {
            lines.push(format!("{path_text}: only in the first"));
            continue;
        };
        for field in fields {
            let (one, two) = (field.show(node), field.show(other));
            if one != two {
                lines.push(format!("{path_text}: {field:?} {one} and {two}"));
            }
        }
    }
    let missing = b.keys().filter(|path| !a.contains_key(*path));
    lines.extend(missing.map(|path| format!("{}: only in the second", path.escape_ascii())));
    lines
}
