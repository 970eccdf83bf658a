//! Scans: pages of a table in the order of its primary key.
//!
//! A page whose rows may be large begins with a look at their sizes, which says where the page ends.

use super::{Query, acl, counters, limit, listing, name_record, node};
use crate::statement::{NODE_COLUMNS, Statement as S};
use crate::value::{Row, Rows, Value};
use jfs_meta::EngineError;
use jfs_meta::engine::{
    Delayed, Deleted, DirQuota, Record, SCAN_PAGE, SCAN_PAGE_BYTES, ScanCursor, ScanKind, ScanPage,
    SessionRecord,
};
use jfs_types::{Ino, Name};

/// Inodes whose names are looked at for one page of parents: few of them have several.
const INODES: usize = 20_000;

/// A page in the making: [`Scan::query`] and [`Scan::take`] in turns.
pub(crate) struct Scan {
    kind: ScanKind,
    /// The key behind which the page begins; of parents inode and directory, else one number.
    after: [i64; 2],
    step: Step,
    page: ScanPage,
}

/// The next statement of a page.
enum Step {
    /// Finds the key at which the page ends.
    Measure,
    /// Reads the rows up to a key.
    Read {
        /// The key.
        last: i64,
        /// Whether more follows.
        more: bool,
    },
    Done,
}

impl Scan {
    /// A page that begins at `from`. `Fatal` for the position of another engine.
    pub(crate) fn new(from: &ScanCursor) -> Result<Scan, EngineError> {
        let kind = from.kind();
        let start = [i64::MIN; 2];
        let after = match kind {
            ScanKind::Parents => from.numbers::<2>()?.unwrap_or(start),
            _ => from.numbers::<1>()?.map_or(start, |[key]| [key, 0]),
        };
        let is_measured = matches!(
            kind,
            ScanKind::Chunks | ScanKind::Xattrs | ScanKind::Delayed | ScanKind::Parents
        );
        let step = match is_measured {
            true => Step::Measure,
            false => Step::Read {
                last: i64::MAX,
                more: false,
            },
        };
        Ok(Scan {
            kind,
            after,
            step,
            page: ScanPage::default(),
        })
    }

    /// Whether older clients did not make the table. Where it is missing, the page is empty.
    pub(crate) fn is_of_later_table(kind: ScanKind) -> bool {
        !matches!(
            kind,
            ScanKind::Inodes
                | ScanKind::Entries
                | ScanKind::Chunks
                | ScanKind::SliceUsers
                | ScanKind::Symlinks
                | ScanKind::Parents
        )
    }

    /// The next statement; `None` when the page is complete.
    pub(crate) fn query(&self) -> Option<Query> {
        let [after, parent] = self.after.map(Value::from);
        let page = limit(SCAN_PAGE);
        Some(match (&self.step, self.kind) {
            (Step::Done, _) => return None,
            (Step::Measure, ScanKind::Parents) => {
                Query::new(S::ScanNodesEnd, [after, limit(INODES)])
            }
            (Step::Measure, ScanKind::Xattrs) => Query::new(S::ScanXattrSizes, [after, page]),
            (Step::Measure, ScanKind::Delayed) => Query::new(S::ScanDelayedSizes, [after, page]),
            (Step::Measure, _) => Query::new(S::ScanChunkSizes, [after, page]),
            (Step::Read { last, .. }, ScanKind::Parents) => {
                Query::new(S::ScanParents, [after, parent, (*last).into(), page])
            }
            (Step::Read { last, .. }, kind) => {
                Query::new(statement(kind), [after, (*last).into(), page])
            }
        })
    }

    /// Takes the rows of that statement.
    pub(crate) fn take(&mut self, rows: &mut dyn Rows) -> Result<(), EngineError> {
        self.step = match self.step {
            Step::Done => Step::Done,
            Step::Measure if self.kind == ScanKind::Parents => {
                let last = rows.first(|row| row.int(0))?;
                Step::Read {
                    last: last.unwrap_or(i64::MAX),
                    more: last.is_some(),
                }
            }
            Step::Measure => measured(rows)?,
            Step::Read { last, more } => {
                self.read(rows, last, more)?;
                Step::Done
            }
        };
        Ok(())
    }

    /// The page.
    pub(crate) fn into_page(self) -> ScanPage {
        self.page
    }

    fn read(&mut self, rows: &mut dyn Rows, last: i64, more: bool) -> Result<(), EngineError> {
        let (mut count, mut key) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            count += 1;
            let (position, record) = read(self.kind, row)?;
            key = position;
            self.page.add(record)?;
        }
        let next = match self.kind {
            _ if count >= SCAN_PAGE => Some(key),
            ScanKind::Parents if more => Some(vec![last, i64::MAX]),
            _ if more => Some(vec![last]),
            _ => None,
        };
        let cursor =
            |key: Vec<i64>| ScanCursor::at(self.kind, key.into_iter().map(Into::into).collect());
        self.page.next = next.map(cursor);
        Ok(())
    }
}

/// The end of a page by the sizes of the next rows: key and bytes.
fn measured(rows: &mut dyn Rows) -> Result<Step, EngineError> {
    let (mut count, mut bytes, mut last) = (0, 0, None);
    while let Some(row) = rows.next()? {
        last = Some(row.int(0)?);
        count += 1;
        bytes += row.number(1)?.unwrap_or(0).max(0) as usize;
        if bytes >= SCAN_PAGE_BYTES {
            break;
        }
    }
    Ok(match last {
        None => Step::Done,
        Some(last) => Step::Read {
            last,
            more: bytes >= SCAN_PAGE_BYTES || count >= SCAN_PAGE,
        },
    })
}

fn statement(kind: ScanKind) -> S {
    match kind {
        ScanKind::Inodes => S::ScanNodes,
        ScanKind::Entries => S::ScanEdges,
        ScanKind::Chunks => S::ScanChunks,
        ScanKind::SliceUsers => S::ScanRefs,
        ScanKind::Symlinks => S::ScanSymlinks,
        ScanKind::Xattrs => S::ScanXattrs,
        ScanKind::Parents => S::ScanParents,
        ScanKind::Sustained => S::ScanSustained,
        ScanKind::Deleted => S::ScanDeleted,
        ScanKind::Delayed => S::ScanDelayed,
        ScanKind::Sessions => S::ScanSessions,
        ScanKind::DirStats => S::ScanStats,
        ScanKind::Quotas => S::ScanQuotas,
        ScanKind::Acls => S::ScanAcls,
    }
}

/// The position of a row, and its record.
fn read(
    kind: ScanKind,
    row: &dyn Row,
) -> Result<(Vec<i64>, Result<Record, EngineError>), EngineError> {
    let key = row.int(key_column(kind))?;
    let position = match kind {
        ScanKind::Parents => vec![key, row.int(1)?],
        _ => vec![key],
    };
    let named = |e| name_record(e, || format!("{} {key}", table(kind)));
    Ok((position, record(kind, row, key as u64).map_err(named)))
}

/// The column with the key: behind the columns that other statements read too.
fn key_column(kind: ScanKind) -> usize {
    match kind {
        ScanKind::Inodes => NODE_COLUMNS.len(),
        ScanKind::Entries => 4,
        ScanKind::DirStats => 3,
        ScanKind::Acls => 6,
        _ => 0,
    }
}

fn record(kind: ScanKind, row: &dyn Row, key: u64) -> Result<Record, EngineError> {
    let ino = |column| row.id(column).map(Ino);
    Ok(match kind {
        ScanKind::Inodes => Record::Inode {
            ino: Ino(key),
            attr: node::attr(row, 0, Ino(key))?,
        },
        ScanKind::Entries => Record::Entry {
            entry: listing::entry(row)?,
            dir: ino(2)?,
            name: Name::stored(row.bytes(3)?),
        },
        ScanKind::Chunks => Record::Chunk {
            ino: ino(1)?,
            index: row.fitting(2)?,
            slices: row.owned(3)?,
        },
        ScanKind::SliceUsers => Record::SliceUsers {
            id: key,
            size: row.fitting(1)?,
            users: row.int(2)?,
        },
        ScanKind::Symlinks => Record::Symlink {
            ino: Ino(key),
            target: row.owned(1)?,
        },
        ScanKind::Xattrs => Record::Xattr {
            ino: ino(1)?,
            name: row.owned(2)?,
            value: row.owned(3)?,
        },
        ScanKind::Parents => Record::Parent {
            ino: Ino(key),
            parent: ino(1)?,
            count: row.int(2)?,
        },
        ScanKind::Sustained => Record::Sustained {
            sid: row.id(1)?,
            ino: ino(2)?,
        },
        ScanKind::Deleted => Record::Deleted(Deleted {
            ino: Ino(key),
            length: row.id(1)?,
            time: row.int(2)?,
        }),
        ScanKind::Delayed => Record::Delayed(Delayed {
            id: key,
            time: row.int(1)?,
            entries: row.owned(2)?,
        }),
        ScanKind::Sessions => Record::Session(SessionRecord {
            sid: key,
            expire: row.int(1)?,
            info: row.bytes(2)?.to_vec(),
        }),
        ScanKind::DirStats => Record::DirStat {
            dir: Ino(key),
            stat: counters::stat(row)?,
        },
        ScanKind::Quotas => Record::Quota {
            dir: Ino(key),
            quota: DirQuota {
                max_space: row.int(1)?,
                max_inodes: row.int(2)?,
                used_space: row.int(3)?,
                used_inodes: row.int(4)?,
            },
        },
        ScanKind::Acls => Record::Acl {
            id: row.fitting(6)?,
            rule: acl::rule(row)?,
        },
    })
}

fn table(kind: ScanKind) -> &'static str {
    match kind {
        ScanKind::Inodes => "node",
        ScanKind::Entries => "edge",
        ScanKind::Chunks => "chunk",
        ScanKind::SliceUsers => "chunk_ref",
        ScanKind::Symlinks => "symlink",
        ScanKind::Xattrs => "xattr",
        ScanKind::Parents => "edges to",
        ScanKind::Sustained => "sustained",
        ScanKind::Deleted => "delfile",
        ScanKind::Delayed => "delslices",
        ScanKind::Sessions => "session2",
        ScanKind::DirStats => "dir_stats",
        ScanKind::Quotas => "dir_quota",
        ScanKind::Acls => "acl",
    }
}
