//! Block cache in memory and on disk, in the shared directory layout.
