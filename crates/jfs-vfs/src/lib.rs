//! The POSIX view of a volume: handles, reader, writer, close-to-open.
