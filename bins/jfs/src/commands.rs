//! What each sub-command does, one file for each. Their flags are in the crate `jfs-commands`.

pub(crate) mod bench;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod format;
pub(crate) mod handover;
pub(crate) mod info;
pub(crate) mod status;
pub(crate) mod umount;
pub(crate) mod version;
