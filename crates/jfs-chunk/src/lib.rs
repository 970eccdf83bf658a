//! Slices to blocks and back: split, compress, upload, download, remove.
