//! FUSE: requests of the kernel to calls of `jfs_control` and `jfs_vfs` and back, and the mount itself.
//!
//! [`mount`] mounts a [`jfs_control::View`]. Conversions are in `conversions` and know no
//! transport; the transport (`transport::fuser_session`) unpacks and packs. Requests that memory can answer are
//! answered on the thread that read them, all others by a task on the runtime.

mod conversions;
mod credentials;
mod fusermount;
mod inode_flags;
mod mount;
mod mountpoint;
mod options;
mod transport;

pub use credentials::Squash;
pub use mount::{MountError, MountHandle, MountOptions, mount};
pub use mountpoint::{Mounted, is_dead, is_mounted, mounted, resolve, umount};
