//! Redis engine: maps typed metadata records to keys and WATCH/MULTI/EXEC.
