//! The SQLite engine through its public interface: what it promises to the code above, what it
//! stores, and what it reads of what the reference client stored.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "engine/bed.rs"]
mod bed;
#[path = "engine/busy.rs"]
mod busy;
#[path = "engine/conflicts.rs"]
mod conflicts;
#[path = "engine/data.rs"]
mod data;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/golden.rs"]
mod golden;
#[path = "engine/listing.rs"]
mod listing;
#[path = "engine/odd_rows.rs"]
mod odd_rows;
#[path = "engine/older.rs"]
mod older;
#[path = "engine/reference.rs"]
mod reference;
#[path = "engine/sessions.rs"]
mod sessions;
#[path = "engine/volume.rs"]
mod volume;
