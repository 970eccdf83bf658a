//! The front door of the library: open a volume by its metadata URL.
