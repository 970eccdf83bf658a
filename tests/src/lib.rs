//! Tests that need several crates, a real server, a mount or the reference client.
