//! Background and long jobs over a volume: sessions, deleted files, slices, trash.
