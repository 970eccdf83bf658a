//! Named numbers of a volume: their names, their first values, and what they count.

/// A named number of the volume (docs/FORMAT.md, "Counters"). Ids are reserved through
/// [`super::Engine::reserve_ids`] instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Bytes in use.
    UsedSpace,
    /// Inodes in use.
    TotalInodes,
    /// Last used number of a trash hour directory.
    NextTrash,
    /// Last used session id.
    NextSession,
    /// When a job ran last, Unix seconds.
    Job(JobSlot),
}

impl Counter {
    /// The stored name. Redis stores [`Counter::NextSession`] in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Counter::UsedSpace => "usedSpace",
            Counter::TotalInodes => "totalInodes",
            Counter::NextTrash => "nextTrash",
            Counter::NextSession => "nextSession",
            Counter::Job(job) => job.counter_name(),
        }
    }
}

/// Ids that are handed out in batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// Inode numbers. 0 and 1 are never used by the caller, whatever the range holds.
    Inode,
    /// Slice ids.
    Slice,
}

impl IdKind {
    /// The stored name of the counter behind the ids. Redis stores it in lower case.
    pub fn counter_name(self) -> &'static str {
        match self {
            IdKind::Inode => "nextInode",
            IdKind::Slice => "nextChunk",
        }
    }
}

/// Cluster-wide jobs that one client at a time runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobSlot {
    /// `lastCleanupSessions`
    StaleSessions,
    /// `lastCleanupFiles`
    DeletedFiles,
    /// `nextCleanupSlices` (a past time despite its name)
    Slices,
    /// `lastCleanupTrash`
    Trash,
    /// `lastCleanupChangelog`
    ChangeLog,
}

impl JobSlot {
    /// Every job.
    pub const ALL: [JobSlot; 5] = [
        JobSlot::StaleSessions,
        JobSlot::DeletedFiles,
        JobSlot::Slices,
        JobSlot::Trash,
        JobSlot::ChangeLog,
    ];

    /// Name of the counter that holds the time of the last run.
    pub fn counter_name(self) -> &'static str {
        match self {
            JobSlot::StaleSessions => "lastCleanupSessions",
            JobSlot::DeletedFiles => "lastCleanupFiles",
            JobSlot::Slices => "nextCleanupSlices",
            JobSlot::Trash => "lastCleanupTrash",
            JobSlot::ChangeLog => "lastCleanupChangelog",
        }
    }
}

/// Counters that a new volume starts with, where ids are stored as the next free number. Other counters
/// come with their first use; Redis stores none at the beginning.
pub const FIRST_COUNTERS: [(&str, i64); 6] = [
    ("nextInode", 2),
    ("nextChunk", 1),
    ("nextSession", 0),
    ("usedSpace", 0),
    ("totalInodes", 0),
    ("nextCleanupSlices", 0),
];
