//! The files that a mount shows and no volume holds (`.control`, `.stats`, `.config`, `.accesslog`, the name
//! `.trash`), and the count of a mount's requests.
//!
//! An edge, the FUSE one or a gateway, works on a [`View`] instead of a [`Vfs`](jfs_vfs::Vfs). Operations on names
//! and inodes go through the view, which answers for the internal files and passes everything else on.
//! Operations on handles go to the vfs directly: the vfs keeps a handle of an internal file as a
//! [`SpecialFile`](jfs_vfs::SpecialFile). The vfs knows neither names nor inodes of internal files, and counts no requests.
//!
//! The edge notes each request with [`View::began`] and [`View::ended`]: that counts the request, and makes a line
//! for every reader of `.accesslog`.

#![forbid(unsafe_code)]

mod access_log;
mod control_file;
#[doc(hidden)]
pub mod fuzzing;
mod internal_files;
mod metrics;
mod requests;
mod view;

pub use internal_files::is_access_log;
pub use requests::{Answer, Began, Request};
pub use view::{Describe, View, ViewConfig};
