//! FUSE: requests of the kernel to calls of `jfs_vfs` and back, and the mount itself.
//!
//! [`mount`] mounts a [`jfs_vfs::Vfs`]. What a request means is in `ops` and names no transport; the
//! transport (`transport::fuser_session`) only unpacks and packs. Answers that memory can give are
//! given on the thread that read the request, everything else by a task on the runtime.

mod credentials;
mod mount;
mod mountpoint;
mod ops;
mod options;
mod transport;

pub use credentials::Squash;
pub use mount::{MountError, MountHandle, MountOptions, mount};
pub use mountpoint::{Mounted, is_dead, is_mounted, mounted, resolve, umount};
