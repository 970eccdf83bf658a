//! SQL engines: maps typed metadata records to the tables of the volume format.
