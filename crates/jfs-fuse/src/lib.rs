//! FUSE requests to vfs calls and back, and the mount itself.
